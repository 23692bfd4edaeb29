"""Clients that hammer a few keys and write down what they asked and heard, for ``linearizable``.

One kind asks the shards directly, the other the API servers, with ConfigMaps. Each has one request
under way at a time, so several of them make the overlaps.
"""

from collections.abc import Callable
from typing import Any, Final

import orjson

from api.core import JsonObject
from api.storage import CONFLICT, DELETE, GET, NO_SPACE, OK, PUT
from api.streams import Stream
from sim.checkers.linearizable import NEVER, READ, REMOVE, WRITE, Operation
from sim.connection import MS, SECOND, Client
from sim.heap import ARRIVAL
from sim.kernel import Kernel
from sim.network import Network

KEYS: Final = 2
"""Keys that all probes share, on each side."""
TIMEOUT_NS: Final = SECOND
PREFIX: Final = "/registry/probes/"
YES, NO, LOST, REFUSED = "yes", "no", "lost", "refused"
"""Done; not done because of what was there; unknown; not done because the disk is full."""
Heard = Callable[[str, int, int], None]
"""(one of these, value, revision)."""


class Log:
    """What all probes did, by key, and the numbers that make every written value unique."""

    def __init__(self) -> None:
        self._operations: dict[str, list[Operation]] = {}
        self._asked: dict[tuple[str, int], Operation] = {}
        """By key and number: not answered yet."""
        self._number = 0
        self._value = 0

    def new_value(self) -> int:
        self._value += 1
        return self._value

    def asked(self, key: str, operation: Operation) -> int:
        """An operation begins; its answer counts as lost until ``answered`` is told its number."""
        self._number += 1
        self._asked[key, self._number] = operation
        return self._number

    def answered(self, key: str, number: int, operation: Operation) -> None:
        del self._asked[key, number]
        self._operations.setdefault(key, []).append(operation)

    def refused(self, key: str, number: int) -> None:
        """The write of ``number`` was refused, so it certainly took no effect."""
        del self._asked[key, number]

    def operations(self) -> dict[str, list[Operation]]:
        """All of them so far, by key."""
        out = {key: list(operations) for key, operations in self._operations.items()}
        for (key, _), operation in self._asked.items():
            out.setdefault(key, []).append(operation)
        return out


class StoreKeys:
    """Keys on the shards themselves."""

    def __init__(self, network: Network, name: str, stores: list[str], pause_ms: int) -> None:
        self.pause_ms = pause_ms
        self.clients = [Client(network, name, store) for store in stores]

    def key(self, number: int) -> str:
        return f"{PREFIX}{number}"

    def ask(self, key: str, kind: str, value: int, revision: int, heard: Heard) -> None:
        """``revision``: of the version that must be there (0: none), or -1."""
        request: tuple[Any, ...]
        encoded = key.encode()
        if kind == READ:
            request = (GET, encoded, 0)
        elif kind == WRITE:
            request = (PUT, encoded, b"", b"%d" % value, revision, 0)
        else:
            request = (DELETE, encoded, revision)

        def done(replies: Any) -> None:
            code = replies[0][0] if replies is not None else -1
            if code == OK and kind == READ:
                heard(YES, int(replies[0][3] or 0), replies[0][1])
            elif code == OK:
                heard(YES, value, replies[0][1])
            else:
                heard({CONFLICT: NO, NO_SPACE: REFUSED}.get(code, LOST), 0, 0)

        self.clients[int(key[-1]) % len(self.clients)].send([request], done, TIMEOUT_NS)


class ApiKeys:
    """ConfigMaps, each request by another API server."""

    pause_ms = 200

    def __init__(self, network: Network, name: str, servers: list[str]) -> None:
        self.clients = [Client(network, name, server) for server in servers]
        self._turn = 0

    def key(self, number: int) -> str:
        return f"probe-{number}"

    def ask(self, key: str, kind: str, value: int, revision: int, heard: Heard) -> None:
        body: JsonObject = {
            "metadata": {"name": key, "namespace": "default"},
            "data": {"value": str(value)},
        }
        verb, name, options = {READ: "get", REMOVE: "delete"}.get(kind, "update"), key, None
        if kind == WRITE:
            if revision == 0:
                verb, name = "create", ""
            else:
                body["metadata"]["resourceVersion"] = str(revision)
            options = orjson.dumps(body)
        words = (verb, "configmaps", "default", name, "", "", options, "", False)

        def done(answers: Any) -> None:
            code, at, text = answers[0] if answers is not None else (0, 0, b"")
            if code in (404, 409):
                # A read of what is not there is an answer, a write to it is a refusal.
                heard(YES if kind == READ else NO, 0, 0)
            elif code not in (200, 201):
                heard(REFUSED if b"the store cannot write" in text else LOST, 0, 0)
            elif kind == READ:
                item = orjson.loads(text)
                heard(YES, int(item["data"]["value"]), int(item["metadata"]["resourceVersion"]))
            else:
                heard(YES, value, at)

        self._turn += 1
        self.clients[self._turn % len(self.clients)].send([words], done, TIMEOUT_NS)


class Probe:
    """One client: asks, waits for the answer, thinks, asks again, until ``until_ns``."""

    def __init__(
        self, kernel: Kernel, name: str, keys: StoreKeys | ApiKeys, log: Log, until_ns: int
    ) -> None:
        self.clients = keys.clients
        self._kernel = kernel
        self._keys = keys
        self._log = log
        self._until_ns = until_ns
        self._chance: Stream = kernel.stream(name)
        self._known: dict[str, tuple[int, int]] = {}
        """Key to the (value, revision) that this client saw last."""
        self._think()

    def _think(self) -> None:
        agenda = self._kernel.agenda
        pause_ns = (5 + self._chance.below(self._keys.pause_ms)) * MS
        if agenda.now_ns + pause_ns < self._until_ns:
            agenda.at(agenda.now_ns + pause_ns, ARRIVAL, self._ask)

    def _ask(self) -> None:
        agenda, chance = self._kernel.agenda, self._chance
        key = self._keys.key(chance.below(KEYS))
        kind = (READ, READ, WRITE, WRITE, WRITE, REMOVE)[chance.below(6)]
        expected, revision = self._known.get(key, (0, 0))
        if kind == REMOVE:
            expected, revision = -1, -1
        value = self._log.new_value() if kind == WRITE else 0
        begin_ns = agenda.now_ns
        lost = Operation(kind, expected, value, begin_ns, NEVER, None)
        number = self._log.asked(key, lost)

        def heard(word: str, seen: int, at: int) -> None:
            if word in (YES, NO):
                got = seen if kind == READ else value
                done = Operation(kind, expected, got, begin_ns, agenda.now_ns, word == YES)
                self._log.answered(key, number, done)
            elif word == REFUSED:
                self._log.refused(key, number)
            if word == YES:
                self._known[key] = {READ: (seen, at), WRITE: (value, at)}.get(kind, (0, 0))
            self._think()

        self._keys.ask(key, kind, value, revision, heard)
