"""How a component talks to an API server, whatever carries the words.

Schedulers, controllers and hollow nodes are cores whose events and effects are the ones of this
module. A shell carries them by frames to our API server, or by HTTPS to any kube-apiserver.

Resource keys: ``"pods"`` for the core group, ``"GROUP/PLURAL"`` for others, for example
``"apps/deployments"``, ``"coordination.k8s.io/leases"``. The version is the served preferred one.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, overload

import orjson

from api.core import Core, JsonObject

ADDED, MODIFIED, DELETED, BOOKMARK, ERROR = range(5)
"""Types of watch events, as numbers. ``WATCH_EVENT_NAMES[ADDED] == "ADDED"``."""
WATCH_EVENT_NAMES = ("ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR")

MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


class ApiRequest(NamedTuple):
    """One request. Verbs: get list create update patch delete deletecollection."""

    id: int
    """Chosen by the sender, unique among its open requests."""
    verb: str
    resource: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    query: str = ""
    """URL query as in HTTP, without ``?``, for example ``"propagationPolicy=Background"``."""
    body: JsonObject | bytes | None = None
    """An object, or its JSON already encoded."""
    content_type: str = ""
    """Empty: JSON. For patch: one of the four patch types."""
    quiet: bool = False
    """The sender needs code and revision only: a successful answer may come without a body."""


class ApiReply(NamedTuple):
    """The answer to the request of the same id."""

    id: int
    code: int
    """HTTP status code; 0 when the connection was lost and the outcome is unknown."""
    revision: int
    """resourceVersion of the object after the request, 0 when there is none."""
    body: bytes
    """JSON: the object, or a Status when the code is 400 or more. May be empty when quiet."""


@dataclass(frozen=True, slots=True)
class WatchSpec:
    """A collection that a component follows from its start to its end."""

    name: str
    """The component's own word for it; comes back in the events."""
    resource: str
    namespace: str = ""
    label_selector: str = ""
    field_selector: str = ""
    as_text: bool = False
    """Most of its objects are looked at by a few letters only: where they come as text, they are
    handed over as ``Texts``."""
    optional: bool = False
    """An API server that refuses the watch has none of it: the shell reports an empty list, and
    asks again from time to time."""


def followed(
    open_now: Collection[str], specs: Sequence[WatchSpec]
) -> tuple[list[str], list[WatchSpec]]:
    """What a shell closes, by name, and then opens, so that it follows just ``specs``."""
    named = {spec.name: spec for spec in specs}
    closing = [name for name in open_now if name not in named]
    return closing, [spec for name, spec in named.items() if name not in open_now]


# Events: facts that the shell reports.


@dataclass(frozen=True, slots=True)
class WatchReset:
    """A (re)list begins. ObjectsSeen up to WatchSynced are the whole state: what is not among
    them is gone. Always the first event of a watch."""

    watch: str


class Texts(Sequence[JsonObject]):
    """Objects as their JSON, each parsed when it is asked for, and again when it is asked again."""

    __slots__ = ("encoded",)

    def __init__(self, encoded: Sequence[bytes]) -> None:
        self.encoded = encoded

    def __len__(self) -> int:
        return len(self.encoded)

    @overload
    def __getitem__(self, place: int) -> JsonObject: ...
    @overload
    def __getitem__(self, place: slice) -> "Texts": ...
    def __getitem__(self, place: int | slice) -> "JsonObject | Texts":
        if isinstance(place, slice):
            return Texts(self.encoded[place])
        parsed: JsonObject = orjson.loads(self.encoded[place])
        return parsed


@dataclass(frozen=True, slots=True)
class ObjectsSeen:
    """A batch of one watch, in order of revision. Three parallel sequences."""

    watch: str
    types: Sequence[int]
    """ADDED, MODIFIED or DELETED. During a list: ADDED only."""
    objects: Sequence[JsonObject]
    """Whole objects with metadata.resourceVersion; for DELETED the last state."""
    revisions: Sequence[int]


@dataclass(frozen=True, slots=True)
class WatchSynced:
    """The list is complete; what follows are changes."""

    watch: str


@dataclass(frozen=True, slots=True)
class CallsDone:
    """Answers, in any order relative to the requests."""

    replies: Sequence[ApiReply]


# Effects: orders to the shell.


@dataclass(frozen=True, slots=True)
class Calls:
    """Send these requests. The shell bounds how many are in flight and keeps the rest in order;
    it does not retry: a lost answer comes back as code 0 and the core decides."""

    requests: Sequence[ApiRequest]


ComponentEvent = WatchReset | ObjectsSeen | WatchSynced | CallsDone


class Component(Core[ComponentEvent, Calls], Protocol):
    """A core that is a client of an API server."""

    @property
    def watches(self) -> Sequence[WatchSpec]:
        """What it follows. Fixed for the life of the core."""
        ...


# The same words on the frame port of our API server.
#
# A call is ("api", [[verb, resource, namespace, name, subresource, query, body bytes or nil,
# content_type, quiet], ...]) and its answer [[code, revision, body bytes], ...] in the same order:
# many requests, one frame. The answer to a batch comes when all of it is done.
#
# A watch is a stream opened with ("watch", resource, namespace, label_selector, field_selector,
# revision). revision 0 asks for the present state first. Bodies of the stream:
#   ("items", [type, ...], [revision, ...], [object as JSON bytes, ...])
#   ("synced", revision)      once, after the present state (revision 0 only)
#   ("bookmark", revision)    now and then: nothing up to here is outstanding
# It ends with the reason "expired" (revision too old: open again with 0), "slow", "stopping", or
# "invalid: MESSAGE".
