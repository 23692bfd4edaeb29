"""Who is let in, by certificate or by token, and what each may, by an unmodified kubectl."""

import json
import ssl
import time
from base64 import b64encode
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import yaml

from actors.security import client_certificate, create_security, service_account_key
from apiserver.identity import Grant, Identities
from tests.clients.conftest import Text
from tests.clients.manifests import POD
from tests.clients.programs import Client, Cluster, client_of

ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
REVIEW = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


def kubeconfig(cluster: Cluster, path: Path, certificate: bytes, key: bytes) -> Path:
    """The administrator's, with a certificate instead of the token."""
    document = yaml.safe_load(cluster.kubeconfig.read_text())
    document["users"][0]["user"] = {
        "client-certificate-data": b64encode(certificate).decode(),
        "client-key-data": b64encode(key).decode(),
    }
    path.write_text(yaml.safe_dump(document))
    return path


def test_a_client_certificate_names_user_and_groups(
    cluster: Cluster, kubectl_program: Path, tmp_path: Path
) -> None:
    def user(name: str, *groups: str) -> Client:
        pair = client_certificate(cluster.security, name, groups)
        file = kubeconfig(cluster, tmp_path / name, *pair)
        return client_of(kubectl_program, tmp_path, "--kubeconfig", str(file))

    boss = user("boss", "system:masters", "dev")
    who = json.loads(boss("auth", "whoami", "-o", "json").stdout)["status"]["userInfo"]
    assert who["username"] == "boss"
    assert who["groups"] == ["system:masters", "dev", "system:authenticated"]
    assert boss("get", "nodes", "-o", "name").stdout.startswith("node/")
    mallory = user("mallory", "dev")
    refused = mallory("get", "nodes", check=False)
    assert 'User "mallory" cannot list resource "nodes"' in refused.stderr


def tls(cluster: Cluster, home: Path, certificate: bytes, key: bytes) -> ssl.SSLContext:
    (home / "crt").write_bytes(certificate)
    (home / "key").write_bytes(key)
    context = ssl.create_default_context(cafile=cluster.ca)
    context.load_cert_chain(home / "crt", home / "key")
    return context


def refused(cluster: Cluster, context: ssl.SSLContext) -> bool:
    """Whether the handshake fails; an answer of any kind does not count."""
    with httpx.Client(base_url=cluster.server, verify=context) as http:
        try:
            answer = http.get("/version")
        except (httpx.ReadError, httpx.ConnectError, httpx.RemoteProtocolError):
            return True
    raise AssertionError(answer.text)


def test_a_certificate_of_a_wrong_ca_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    other = create_security(f"{tmp_path}/other")
    pair = client_certificate(other, "admin", ["system:masters"])
    assert refused(cluster, tls(cluster, tmp_path, *pair))


def test_an_expired_certificate_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    past = timedelta(minutes=-30)
    pair = client_certificate(cluster.security, "admin", ["system:masters"], past)
    assert refused(cluster, tls(cluster, tmp_path, *pair))


def test_the_servers_own_certificate_is_none_of_a_client(cluster: Cluster, tmp_path: Path) -> None:
    home = Path(cluster.security.directory)
    pair = ((home / "apiserver.crt").read_bytes(), (home / "apiserver.key").read_bytes())
    assert refused(cluster, tls(cluster, tmp_path, *pair))


def test_a_client_does_not_trust_a_server_of_a_wrong_ca(
    cluster: Cluster, kubectl_program: Path, tmp_path: Path
) -> None:
    other = create_security(f"{tmp_path}/other")
    fixed = ("--server", cluster.server, "--certificate-authority", f"{other.directory}/ca.crt")
    distrustful = client_of(kubectl_program, tmp_path, *fixed, "--token", "secret")
    told = distrustful("get", "nodes", check=False)
    assert "certificate signed by unknown authority" in told.stderr


def test_a_certificate_goes_before_a_token(cluster: Cluster, tmp_path: Path) -> None:
    pair = client_certificate(cluster.security, "carol")
    context = tls(cluster, tmp_path, *pair)
    token = {"authorization": "Bearer wrong"}
    with httpx.Client(base_url=cluster.server, verify=context, headers=token) as http:
        who = http.post(REVIEW, json={}).json()
    assert who["status"]["userInfo"] == {"username": "carol", "groups": ["system:authenticated"]}


def code_with(cluster: Cluster, token: str) -> int:
    with cluster.http(token) as http:
        return http.post(REVIEW, json={}).status_code


def test_an_expired_token_is_refused(cluster: Cluster, kubectl: Client) -> None:
    uid = kubectl("get", "serviceaccount", "default", "-o", "jsonpath={.metadata.uid}").stdout
    issuer = Identities({}, service_account_key(cluster.security))
    audiences = ("https://kubernetes.default.svc",)
    grant = Grant("default", "default", uid, audiences, 600, "id")
    now_ns = time.time_ns()
    assert code_with(cluster, issuer.issue(grant, now_ns)) == 201
    assert code_with(cluster, issuer.issue(grant, now_ns - 601 * 10**9)) == 401


def test_the_token_of_a_deleted_service_account_is_refused(
    cluster: Cluster, here: Client, said: Text
) -> None:
    here("create", "serviceaccount", "robot")
    token = said("create", "token", "robot").strip()
    assert code_with(cluster, token) == 201
    here("delete", "serviceaccount", "robot")
    here("create", "serviceaccount", "robot")
    # A list is as new as its request: what it is read from knows of the deletion.
    here("get", "serviceaccounts")
    assert code_with(cluster, token) == 401


def test_a_token_is_good_for_its_audience_and_time(
    cluster: Cluster, kubectl_program: Path, here: Client, said: Text, tmp_path: Path
) -> None:
    """41"""
    here("create", "serviceaccount", "robot")
    token = said("create", "token", "robot", "--duration=20m").strip()
    fixed = ("--server", cluster.server, "--certificate-authority", cluster.ca, "--token", token)
    robot = client_of(kubectl_program, tmp_path, *fixed)
    told = json.loads(robot("auth", "whoami", "-o", "json").stdout)
    assert told["status"]["userInfo"]["username"].endswith(":robot")
    assert "system:serviceaccounts" in told["status"]["userInfo"]["groups"]
    assert "forbidden" in robot("get", "pods", check=False).stderr
    assert code_with(cluster, said("create", "token", "robot", "--audience=vault").strip()) == 401
    here("create", "-f", "-", stdin=POD.replace("spec:\n", "spec:\n  serviceAccountName: robot\n"))
    to_pod = ("--bound-object-kind=Pod", "--bound-object-name=lone")
    bound = said("create", "token", "robot", *to_pod).strip()
    assert code_with(cluster, bound) == 201
    here("delete", "pod", "lone", "--force")
    assert "No resources found" in here("get", "pods").stderr
    assert code_with(cluster, bound) == 401
    short = here("create", "token", "robot", "--duration=1m", check=False)
    assert "may not specify a duration less than 10 minutes" in short.stderr


def test_auth_can_i_and_whoami(kubectl: Client, alice: Client) -> None:
    """40, but for roles"""
    assert kubectl("auth", "can-i", "delete", "nodes").stdout == "yes\n"
    assert "*.*" in kubectl("auth", "can-i", "--list").stdout
    no = alice("auth", "can-i", "delete", "nodes", check=False)
    assert (no.returncode, no.stdout) == (1, "no\n")
    assert "selfsubjectreviews" in alice("auth", "can-i", "--list").stdout
    assert "alice" in alice("auth", "whoami").stdout
    as_alice = kubectl("get", "pods", "--as=alice", "--as-group=dev", check=False)
    assert 'User "alice" cannot list resource "pods"' in as_alice.stderr
    assert "cannot impersonate" in alice("get", "pods", "--as=admin", check=False).stderr


def test_nobody_comes_in_without_a_token(
    cluster: Cluster, kubectl_program: Path, tmp_path: Path
) -> None:
    fixed = ("--server", cluster.server, "--certificate-authority", cluster.ca)
    stranger = client_of(kubectl_program, tmp_path, *fixed, "--token", "wrong")
    told = stranger("get", "pods", check=False)
    assert "error: You must be logged in to the server" in told.stderr
    assert code_with(cluster, "wrong") == 401


@pytest.mark.parametrize("spec", [{"token": "nope"}, {"token": ""}, {}])
def test_a_review_of_no_token_says_so(
    cluster: Cluster, kubectl: Client, spec: dict[str, str]
) -> None:
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "metadata": {"name": ""},
        "spec": spec,
    }
    # Validation of what cannot be patched needs OpenAPI v2, which is absent.
    create = ("create", "--validate=false", "-f", "-", "-o", "json")
    done = kubectl(*create, stdin=json.dumps(body), check=False)
    if spec.get("token"):
        assert json.loads(done.stdout)["status"]["error"] == "invalid bearer token"
    else:
        assert "spec.token: Required value" in done.stderr
