"""How the tests start what users have: the cluster, and programs that nobody has changed."""

import json
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import httpx
import pytest

from actors.plan import Security
from actors.security import admin_token, load_security

ROOT = Path(__file__).parents[2]
COMMAND_S = 300.0
PATIENCE_S = 180
"""More than any wait takes on a busy machine; it turns a hang into a failure."""
PATIENT = f"--timeout={PATIENCE_S}s"
Finished = subprocess.CompletedProcess[str]
Client = Callable[..., Finished]
"""``client(*arguments, stdin=None, check=True)``."""


@dataclass(frozen=True)
class Cluster:
    """A running cluster."""

    server: str
    kubeconfig: Path
    security: Security

    @property
    def ca(self) -> str:
        return f"{self.security.directory}/ca.crt"

    def http(self, token: str = "") -> httpx.Client:
        """A plain client, as the administrator unless a token is given."""
        headers = {"authorization": f"Bearer {token or admin_token(self.security)}"}
        context = ssl.create_default_context(cafile=self.ca)
        return httpx.Client(
            base_url=self.server, verify=context, headers=headers, timeout=PATIENCE_S
        )

    def await_event(self, namespace: str, about: str, reason: str) -> None:
        """Wait until there is an Event of this reason about an object of this name."""
        fields = f"involvedObject.name={about},reason={reason}"
        query = {"watch": "1", "timeoutSeconds": str(PATIENCE_S), "fieldSelector": fields}
        path = f"/api/v1/namespaces/{namespace}/events"
        with self.http() as http, http.stream("GET", path, params=query) as reply:
            assert next(reply.iter_lines(), ""), f"no event {reason} about {about}"

    def await_empty(self, path: str) -> None:
        """Wait until a collection holds nothing."""
        with self.http() as http:
            listed = http.get(path).json()
            left = {item["metadata"]["name"] for item in listed["items"]}
            version = listed["metadata"]["resourceVersion"]
            query = {"watch": "1", "timeoutSeconds": str(PATIENCE_S), "resourceVersion": version}
            with http.stream("GET", path, params=query) as reply:
                lines = reply.iter_lines()
                while left:
                    event = json.loads(next(lines, "{}"))
                    assert event, f"left of {path}: {left}"
                    name = event["object"]["metadata"]["name"]
                    (left.discard if event["type"] == "DELETED" else left.add)(name)


@contextmanager
def running_cluster(home: Path) -> Iterator[Cluster]:
    """A cluster of a few hollow nodes in a process of its own; gone at the end."""
    errors = home / "errors"
    with (
        errors.open("wb") as to,
        subprocess.Popen(
            [sys.executable, "-m", "tests.clients.serve", str(home)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=to,
            text=True,
        ) as process,
    ):
        assert process.stdin is not None and process.stdout is not None
        try:
            server = process.stdout.readline().strip()
            assert server, errors.read_text()
            yield Cluster(server, home / "kubeconfig", load_security(f"{home}/security"))
        finally:
            process.stdin.close()
            try:
                code = process.wait(COMMAND_S)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
    assert code == 0, errors.read_text()
    assert "request_crashed" not in errors.read_text(), errors.read_text()


def client_of(program: Path, home: Path, *fixed: str, **environment: str) -> Client:
    """Run a program with these arguments first and with no settings of the user who tests."""
    home.mkdir(parents=True, exist_ok=True)

    def call(
        *arguments: str, stdin: str | None = None, check: bool = True, **more: str
    ) -> Finished:
        done = subprocess.run(
            [str(program), *fixed, *arguments],
            check=False,
            input=stdin,
            env={"HOME": str(home), "PATH": "/usr/bin:/bin", **environment, **more},
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
        )
        if check:
            assert done.returncode == 0, f"{program.name} {arguments}: {done.stdout}{done.stderr}"
        return done

    return call


@contextmanager
def talking(command: Sequence[str]) -> Iterator["subprocess.Popen[str]"]:
    """A program whose lines, of both kinds, are read while it runs; it ends with the block."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def absent(name: str, how: str) -> NoReturn:
    """Skip, and say so: pytest lists what was skipped and why (``-rs`` in pyproject.toml)."""
    pytest.skip(f"WARNING: {name} is absent, its tests are SKIPPED: {how}")
