"""Reading a kubeconfig: how a program finds a kube-apiserver that is not ours."""

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path

from api.core import JsonObject
from api.strict_yaml import YamlError, read_yaml


class KubeconfigError(ValueError):
    """A kubeconfig cannot be used; the message names the file, the field and the remedy."""


@dataclass(frozen=True, slots=True)
class KubeAccess:
    """Where a cluster is and how to enter it, from the current context of a kubeconfig."""

    server: str
    authority_pem: str
    token: str = ""
    identity_pem: str = ""
    """Client certificate and its key."""


WAYS = "token, tokenFile, or client-certificate(-data) with client-key(-data)"
NOT_SUPPORTED = ("exec", "auth-provider", "username", "password")


def read_kubeconfig(path: str) -> KubeAccess:
    """The current context. Whoever enters has a token or a client certificate; all else is an
    error that says so."""
    file = Path(path)
    try:
        document = read_yaml(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise KubeconfigError(f"{path}: no such file; give the path of a kubeconfig") from None
    except OSError as error:
        raise KubeconfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise KubeconfigError(f"{path}: cannot be read: {error}") from None
    except YamlError as error:
        raise KubeconfigError(f"{path}: {error}") from None
    if not isinstance(document, dict) or not document.get("current-context"):
        raise KubeconfigError(f"{path}: current-context is not set; use kubectl config use-context")
    context = _named(document, "context", document["current-context"], path)
    cluster = _named(document, "cluster", context.get("cluster"), path)
    user = _named(document, "user", context.get("user"), path)
    server = str(cluster.get("server", ""))
    if not server.startswith("https://"):
        raise KubeconfigError(f"{path}: cluster server is {server!r}; it must be an https:// URL")
    for field in NOT_SUPPORTED:
        if user.get(field):
            message = f"{path}: the user has {field}, which is not supported; use {WAYS}"
            raise KubeconfigError(message)
    token = str(user.get("token") or "") or _text_of(user, "tokenFile", file).strip()
    certificate = _pem(user, "client-certificate", file)
    key = _pem(user, "client-key", file)
    if bool(certificate) is not bool(key):
        raise KubeconfigError(f"{path}: a client certificate needs its key, and the key it")
    if not token and not certificate:
        raise KubeconfigError(f"{path}: the user has nothing to enter with; use {WAYS}")
    identity = f"{certificate}\n{key}" if certificate else ""
    return KubeAccess(server.rstrip("/"), _authority(cluster, file), token, identity)


def _named(document: JsonObject, kind: str, name: object, path: str) -> JsonObject:
    """What the list of a kind has under a name."""
    entries = document.get(f"{kind}s") or []
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise KubeconfigError(f"{path}: {kind}s must be a list of mappings")
    for entry in entries:
        if entry.get("name") == name:
            found = entry.get(kind) or {}
            if not isinstance(found, dict):
                raise KubeconfigError(f"{path}: {kind} of {name!r} must be a mapping")
            return found
    raise KubeconfigError(f"{path}: {kind}s has no entry named {name!r}")


def _authority(cluster: JsonObject, file: Path) -> str:
    found = _pem(cluster, "certificate-authority", file)
    if not found:
        raise KubeconfigError(f"{file}: the cluster has no certificate-authority(-data)")
    return found


def _pem(section: JsonObject, field: str, file: Path) -> str:
    """PEM text, given as base64 or as a file; empty when it is not given."""
    if data := section.get(f"{field}-data"):
        try:
            return base64.b64decode(str(data), validate=True).decode()
        except (binascii.Error, ValueError) as error:
            message = f"{file}: {field}-data is not base64 of PEM text: {error}"
            raise KubeconfigError(message) from error
    return _text_of(section, field, file)


def _text_of(section: JsonObject, field: str, file: Path) -> str:
    """A file that is named relative to the kubeconfig; empty when none is."""
    name = section.get(field)
    if not name:
        return ""
    try:
        return (file.parent / str(name)).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise KubeconfigError(f"{file}: {field}: cannot read {name}: {error}") from None
