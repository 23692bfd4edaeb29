"""Reading a kubeconfig: how a program finds a kube-apiserver that is not ours."""

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path

import yaml

from api.core import JsonObject


class KubeconfigError(ValueError):
    """A kubeconfig cannot be used; the message names the file, the field and the remedy."""


@dataclass(frozen=True, slots=True)
class KubeAccess:
    """Where a cluster is and how to enter it, from the current context of a kubeconfig."""

    server: str
    authority_pem: str
    token: str


def read_kubeconfig(path: str) -> KubeAccess:
    """The current context. Only bearer tokens are supported; all else is an error that says so."""
    file = Path(path)
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise KubeconfigError(f"{path}: no such file; give the path of a kubeconfig") from None
    except yaml.YAMLError as error:
        raise KubeconfigError(f"{path}: not YAML: {error}") from error
    if not isinstance(document, dict) or not document.get("current-context"):
        raise KubeconfigError(f"{path}: current-context is not set; use kubectl config use-context")
    context = _named(document, "contexts", document["current-context"], path).get("context", {})
    cluster = _named(document, "clusters", context.get("cluster"), path).get("cluster", {})
    user = _named(document, "users", context.get("user"), path).get("user", {})
    server = str(cluster.get("server", ""))
    if not server.startswith("https://"):
        raise KubeconfigError(f"{path}: cluster server is {server!r}; it must be an https:// URL")
    token = user.get("token")
    if not token:
        raise KubeconfigError(f"{path}: the user has no token; only bearer tokens are supported")
    return KubeAccess(server.rstrip("/"), _authority(cluster, file), str(token))


def _named(document: JsonObject, section: str, name: object, path: str) -> JsonObject:
    for entry in document.get(section) or ():
        if entry.get("name") == name:
            found: JsonObject = entry
            return found
    raise KubeconfigError(f"{path}: {section} has no entry named {name!r}")


def _authority(cluster: JsonObject, file: Path) -> str:
    if data := cluster.get("certificate-authority-data"):
        try:
            return base64.b64decode(data, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            message = f"{file}: certificate-authority-data is not base64 of PEM text: {error}"
            raise KubeconfigError(message) from error
    if authority := cluster.get("certificate-authority"):
        return (file.parent / str(authority)).read_text(encoding="utf-8")
    raise KubeconfigError(f"{file}: the cluster has no certificate-authority(-data)")
