"""A tiny API server for tests of the load half: HTTPS, a token, list, watch, and a stall on demand.

Run as a process: ``python fake_api.py DIRECTORY NODES [AFTER HELD]``. It makes its own
certificate in DIRECTORY, prints its port, and answers until killed. Pods are bound and Running
at once. A change of what is not there yet waits for it: in an open loop it may come first. With
AFTER and HELD it stalls once: the requests after the first AFTER are held until there are HELD of
them, then all are answered. It is a real server with few rules, no stand-in for the semantics of
ours.
"""

import asyncio
import json
import socket
import sys
from pathlib import Path
from urllib.parse import parse_qs, unquote

import uvicorn

TOKEN = "secret-of-the-test"

UNSURE = "unsure"
"""What is so named is created, but the first answer does not say so."""


class FakeApi:
    def __init__(self, nodes: int, stall: tuple[int, int]) -> None:
        self.revision = 100
        self.objects: dict[str, dict[str, object]] = {}
        self.gone: dict[str, dict[str, object]] = {}
        self.awaited: dict[str, asyncio.Event] = {}
        self.watchers: list[tuple[str, asyncio.Queue[dict[str, object]]]] = []
        self.stall = stall
        self.came = 0
        self.released = asyncio.Event()
        for i in range(nodes):
            ready = {"conditions": [{"type": "Ready", "status": "True"}]}
            self.put(f"/api/v1/nodes/hollow-{i}", {"metadata": {"name": f"hollow-{i}"}}, ready)

    def put(self, path: str, body: dict, status: dict | None = None) -> dict:
        self.revision += 1
        parts = path.split("/")
        namespace = parts[parts.index("namespaces") + 1] if "namespaces" in parts[:-2] else None
        body["metadata"] |= {"uid": path, "resourceVersion": str(self.revision)}
        if namespace:
            body["metadata"]["namespace"] = namespace
        if status:
            body["status"] = status
        known = path in self.objects
        self.objects[path] = body
        self.awaited.pop(path, asyncio.Event()).set()
        self.notify(path, "MODIFIED" if known else "ADDED", body)
        return body

    def notify(self, path: str, event: str, body: dict) -> None:
        collection = path.rsplit("/", 1)[0]
        for watched, queue in self.watchers:
            if covers(watched, collection):
                queue.put_nowait({"type": event, "object": json.loads(json.dumps(body))})

    def start_pod(self, path: str, body: dict) -> None:
        body["spec"]["nodeName"] = "hollow-0"
        self.put(path, body)
        self.put(path, body, {"phase": "Running"})

    async def __call__(self, scope, receive, send) -> None:  # type: ignore[no-untyped-def]
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = dict(scope["headers"])
        path = unquote(scope["path"])
        query = {k: v[0] for k, v in parse_qs(scope["query_string"].decode()).items()}
        if headers.get(b"authorization") != f"Bearer {TOKEN}".encode():
            await answer(send, 401, {"kind": "Status", "code": 401, "message": "Unauthorized"})
        elif query.get("watch"):
            await self.watch(send, path, "resourceVersion" not in query)
        else:
            await self.stall_if_due()
            if scope["method"] in ("PATCH", "DELETE"):
                await self.came_to_be(path.removesuffix("/scale"))
            await answer(send, *self.handle(scope["method"], path, body))

    async def stall_if_due(self) -> None:
        """An open loop brings as many as are to be held, however long nobody is answered."""
        after, held = self.stall
        self.came += 1
        if after < self.came <= after + held:
            if self.came == after + held:
                self.released.set()
            await self.released.wait()

    async def came_to_be(self, path: str) -> None:
        if path not in self.objects and path not in self.gone:
            await self.awaited.setdefault(path, asyncio.Event()).wait()

    def handle(self, method: str, path: str, body: bytes) -> tuple[int, dict]:
        if method == "POST":
            parsed = json.loads(body)
            key = f"{path}/{parsed['metadata']['name']}"
            if key in self.objects:
                return 409, {"code": 409, "message": "already exists"}
            out = json.loads(json.dumps(self.put(key, parsed)))
            if parsed["metadata"]["name"] == UNSURE:
                return 503, {"code": 503, "message": "the store did not answer"}
            if parsed["kind"] == "Pod":
                self.start_pod(key, parsed)
            return 201, out
        if method == "PATCH":
            target = path.removesuffix("/scale")
            return 200, self.objects.get(target) or self.gone[target]
        if method == "DELETE":
            found = self.objects.pop(path, None)
            if found is None:
                return 404, {"code": 404}
            self.gone[path] = found
            self.revision += 1
            found["metadata"]["resourceVersion"] = str(self.revision)  # type: ignore[index]
            self.notify(path, "DELETED", found)
            return 200, found
        if path in self.objects:
            return 200, self.objects[path]
        if path.rsplit("/", 1)[1] in ("pods", "nodes", "namespaces", "deployments"):
            items = [o for k, o in self.objects.items() if covers(path, k.rsplit("/", 1)[0])]
            return 200, {"metadata": {"resourceVersion": str(self.revision)}, "items": items}
        return 404, {"code": 404, "message": f"{path} not found"}

    async def watch(self, send, path: str, present: bool) -> None:  # type: ignore[no-untyped-def]
        queue: asyncio.Queue[dict] = asyncio.Queue()
        for key, body in self.objects.items() if present else ():
            if covers(path, key.rsplit("/", 1)[0]):
                queue.put_nowait({"type": "ADDED", "object": json.loads(json.dumps(body))})
        entry = (path, queue)
        self.watchers.append(entry)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        try:
            while True:
                line = json.dumps(await queue.get()).encode() + b"\n"
                await send({"type": "http.response.body", "body": line, "more_body": True})
        finally:
            self.watchers.remove(entry)


def covers(watched: str, collection: str) -> bool:
    """Whether a cluster-wide or namespaced collection path contains another."""
    if watched == collection:
        return True
    root, plural = watched.rsplit("/", 1)
    return collection.startswith(f"{root}/namespaces/") and collection.endswith(f"/{plural}")


async def answer(send, code: int, body: dict) -> None:  # type: ignore[no-untyped-def]
    data = json.dumps(body).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(data))]
    await send({"type": "http.response.start", "status": code, "headers": headers})
    await send({"type": "http.response.body", "body": data})


class Announcing(uvicorn.Server):
    """Prints its port once it listens."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        print(self.servers[0].sockets[0].getsockname()[1], flush=True)


async def main(directory: Path, nodes: int, stall: tuple[int, int]) -> None:
    from actors.security import create_security

    security = create_security(str(directory / "security"))
    home = Path(security.directory)
    server = Announcing(
        uvicorn.Config(
            FakeApi(nodes, stall),
            host="127.0.0.1",
            port=0,
            ssl_certfile=str(home / "apiserver.crt"),
            ssl_keyfile=str(home / "apiserver.key"),
            log_level="error",
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
    )
    await server.serve()


if __name__ == "__main__":
    given = [int(text) for text in sys.argv[3:5]] or [0, 0]
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), (given[0], given[1])))
