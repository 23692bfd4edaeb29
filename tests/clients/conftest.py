"""One cluster for all clients, and each client as a user has it."""

import gc
import re
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clients.programs import PATIENT, Client, Cluster, absent, client_of, running_cluster
from tests.clients.serve import ALICE_TOKEN

HOW = "run `make venv`"


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("cluster")) as started:
        yield started


@pytest.fixture(scope="session")
def kubectl_program() -> Path:
    """The kubectl of the test lock, never one on PATH."""
    program = Path(sysconfig.get_path("scripts")) / "kubectl"
    if not program.exists():
        absent("kubectl", HOW)
    return program


@pytest.fixture(scope="session")
def kubectl(
    cluster: Cluster, kubectl_program: Path, tmp_path_factory: pytest.TempPathFactory
) -> Client:
    """As the administrator."""
    home = tmp_path_factory.mktemp("kubectl")
    return client_of(kubectl_program, home, "--kubeconfig", str(cluster.kubeconfig))


@pytest.fixture(scope="session")
def alice(
    cluster: Cluster, kubectl_program: Path, tmp_path_factory: pytest.TempPathFactory
) -> Client:
    """As a user without rights."""
    home = tmp_path_factory.mktemp("alice")
    fixed = ("--server", cluster.server, "--certificate-authority", cluster.ca)
    return client_of(kubectl_program, home, *fixed, "--token", ALICE_TOKEN)


@pytest.fixture
def namespace(kubectl: Client, request: pytest.FixtureRequest) -> str:
    """A namespace of the test's own, with the account that a controller makes."""
    name = re.sub("[^a-z0-9]+", "-", request.node.name.lower().removeprefix("test_"))[:50].rstrip(
        "-"
    )
    kubectl("create", "namespace", name)
    kubectl("wait", "--for=create", "serviceaccount/default", "-n", name, PATIENT)
    request.addfinalizer(lambda: kubectl("delete", "namespace", name, "--wait=false", check=False))
    return name


@pytest.fixture
def here(kubectl: Client, namespace: str) -> Client:
    """kubectl in that namespace."""

    def call(*arguments: str, **more: object) -> object:
        return kubectl(*arguments[:1], "-n", namespace, *arguments[1:], **more)

    return call  # type: ignore[return-value]


LEAVES_SOCKETS = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.usefixtures("collected"),
]
"""For clients that leave the sockets of broken off watches to the collector."""


@pytest.fixture
def collected() -> Iterator[None]:
    """Collect within the test that made the garbage."""
    yield
    gc.collect()


Text = Callable[..., str]


@pytest.fixture
def said(here: Client) -> Text:
    """What kubectl prints in that namespace."""
    return lambda *arguments, **more: here(*arguments, **more).stdout
