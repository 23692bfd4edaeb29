"""Validation of Secrets.

Source: ValidateSecret, ValidateSecretUpdate in pkg/apis/core/validation/validation.go.
"""

from base64 import b64decode

import orjson

from api.core import JsonObject
from api.errors import Cause
from api.names import wrong_with_config_key
from api.validation.cluster import DATA_BYTES_MAX
from api.validation.cluster import IMMUTABLE as FROZEN
from api.validation.metadata import IMMUTABLE

ACCOUNT_NAME = "kubernetes.io/service-account.name"
_REQUIRED = {
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
}
_JSON = {
    "kubernetes.io/dockercfg": ".dockercfg",
    "kubernetes.io/dockerconfigjson": ".dockerconfigjson",
}
_LOGIN = ("username", "password")


def check_secret(causes: list[Cause], secret: JsonObject) -> None:
    """Keys, size, and what its type demands; metadata apart."""
    data = secret.get("data", {})
    size = 0
    for key, value in data.items():
        for text in wrong_with_config_key(key):
            causes.append(Cause.invalid(f"data[{key}]", key, text))
        size += len(value or "") // 4 * 3 - (value or "")[-2:].count("=")
    if size > DATA_BYTES_MAX:
        causes.append(Cause.too_long("data", DATA_BYTES_MAX))
    kind = secret["type"]
    for key in _REQUIRED.get(kind, ()):
        if key not in data:
            causes.append(Cause.required(f"data[{key}]"))
    if kind in _JSON:
        _check_json(causes, data, _JSON[kind])
    elif kind == "kubernetes.io/basic-auth" and not any(key in data for key in _LOGIN):
        causes.extend(Cause.required(f"data[{key}]") for key in _LOGIN)
    elif kind == "kubernetes.io/service-account-token" and not (
        secret["metadata"].get("annotations", {}).get(ACCOUNT_NAME)
    ):
        causes.append(Cause.required(f"metadata.annotations[{ACCOUNT_NAME}]"))


def _check_json(causes: list[Cause], data: JsonObject, key: str) -> None:
    if key not in data:
        causes.append(Cause.required(f"data[{key}]"))
        return
    try:
        orjson.loads(b64decode(data[key] or ""))
    except ValueError:
        causes.append(Cause.invalid(f"data[{key}]", "<secret contents redacted>", "invalid JSON"))


def check_secret_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """Its type stays; an immutable one keeps its data, and stays immutable."""
    if new["type"] != old["type"]:
        causes.append(Cause.invalid("type", new["type"], IMMUTABLE))
    if old.get("immutable"):
        if not new.get("immutable"):
            causes.append(Cause.forbidden("immutable", FROZEN))
        if new.get("data", {}) != old.get("data", {}):
            causes.append(Cause.forbidden("data", FROZEN))
    check_secret(causes, new)
