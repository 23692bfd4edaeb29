"""Kubeconfigs that work, and the one clear error for each that does not."""

from pathlib import Path

import pytest
import yaml

from actors.kubeconfig import KubeconfigError, read_kubeconfig
from actors.security import create_security, write_kubeconfig
from api.core import JsonObject


def written(tmp_path: Path) -> tuple[Path, JsonObject]:
    security = create_security(str(tmp_path / "security"))
    path = tmp_path / "kubeconfig"
    write_kubeconfig(security, "https://127.0.0.1:6443", str(path))
    document: JsonObject = yaml.safe_load(path.read_text())
    return path, document


def test_our_own_kubeconfig_is_read_back(tmp_path: Path) -> None:
    path, _ = written(tmp_path)
    access = read_kubeconfig(str(path))
    assert access.server == "https://127.0.0.1:6443"
    assert access.authority_pem == (tmp_path / "security/ca.crt").read_text()
    assert len(access.token) > 20


def test_an_authority_file_is_found_beside_the_kubeconfig(tmp_path: Path) -> None:
    path, document = written(tmp_path)
    cluster = document["clusters"][0]["cluster"]
    del cluster["certificate-authority-data"]
    cluster["certificate-authority"] = "security/ca.crt"
    path.write_text(yaml.safe_dump(document))
    assert read_kubeconfig(str(path)).authority_pem.startswith("-----BEGIN CERTIFICATE")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.pop("current-context"), "current-context is not set"),
        (lambda d: d["contexts"].clear(), "contexts has no entry named"),
        (lambda d: d["clusters"][0].update(name="x"), "clusters has no entry named"),
        (lambda d: d["users"][0]["user"].clear(), "nothing to enter with"),
        (lambda d: d["users"][0]["user"].update(exec={"command": "x"}), "has exec, which is not"),
        (
            lambda d: d["users"][0]["user"].update({"client-certificate-data": "eA=="}),
            "needs its key",
        ),
        (lambda d: d["users"][0].update(user={"tokenFile": "gone"}), "tokenFile: cannot read gone"),
        (lambda d: d["clusters"][0]["cluster"].update(server="http://x"), "https:// URL"),
        (
            lambda d: d["clusters"][0]["cluster"].update({"certificate-authority-data": "%"}),
            "not base64",
        ),
        (lambda d: d["clusters"][0]["cluster"].pop("certificate-authority-data"), "no certificate"),
        (lambda d: d.update(contexts=7), "contexts must be a list of mappings"),
        (lambda d: d.update(users=["x"]), "users must be a list of mappings"),
        (lambda d: d["users"][0].update(user="x"), "user of '.*' must be a mapping"),
        (lambda d: d["users"][0]["user"].update({"client-key-data": 7}), "not base64"),
        (lambda d: d["users"][0].update(user={"tokenFile": "a\0"}), "tokenFile: cannot read"),
    ],
)
def test_a_kubeconfig_that_cannot_work_is_one_clear_error(
    tmp_path: Path, change: object, words: str
) -> None:
    path, document = written(tmp_path)
    change(document)  # type: ignore[operator]
    path.write_text(yaml.safe_dump(document))
    with pytest.raises(KubeconfigError, match=words):
        read_kubeconfig(str(path))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match="nowhere: no such file"):
        read_kubeconfig(str(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff", "cannot be read: 'utf-8'"),
        (b"a: [", "line 1, column 5: not YAML"),
        (b"[1]: 2", "a key must be a plain value"),
    ],
)
def test_what_is_no_kubeconfig_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "kc"
    path.write_bytes(content)
    with pytest.raises(KubeconfigError, match=f"kc: .*{words}"):
        read_kubeconfig(str(path))
    with pytest.raises(KubeconfigError, match="cannot be read: Is a directory"):
        read_kubeconfig(str(tmp_path))
