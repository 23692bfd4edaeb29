"""What the verbs of the API server stand on: caches, shards, chance, the time of this step.

A verb is a generator. It yields what it needs from outside (an Ask) and is resumed with the answer;
it returns an ``Answer`` or raises an ``ApiError``. So a read, a change and a compare-and-swap read
in one place from top to bottom, and no IO happens in them.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, NamedTuple

from api.conversion import View
from api.core import JsonObject
from api.kinds import SERVED, Kind, kind_of
from api.storage import GRANT, NOT_FOUND, OK, PUT, StoreReply, StoreRequest
from api.streams import Stream
from apiserver.cache import ResourceCache
from apiserver.customs import CustomKinds
from apiserver.documents import Documents
from apiserver.endings import Endings
from apiserver.expiry import TTL_S, Leases
from apiserver.identity import Identities
from apiserver.keys import CacheIndex
from apiserver.messages import Answer, Upgrade, User
from apiserver.metrics import NOTHING_ASKED
from apiserver.negotiate import OBJECT, Form
from apiserver.podspecs import PodSpecs
from apiserver.records import Record
from apiserver.renewals import Renewal
from apiserver.services import Addresses
from apiserver.sessions import OpenedSession
from apiserver.shards import Sharding
from apiserver.turns import Turns
from apiserver.watch import OpenedWatch


class StoreAsk(NamedTuple):
    """Resumed with the shard's reply."""

    shard: int
    request: StoreRequest


class FreshAsk(NamedTuple):
    """A consistent read: resumed (with None) when the cache holds every write of this group that
    was acknowledged before the asking."""

    group: int


class RevisionAsk(NamedTuple):
    """Resumed with True when the group's frontier has reached ``revision``, with False after
    ``wait_ns``."""

    group: int
    revision: int
    wait_ns: int


class TurnAsk(NamedTuple):
    """Resumed when no other request of this server has the turn at ``key``. Whoever was resumed
    gives it back: ``registry.turns.release``."""

    key: bytes


Ask = StoreAsk | FreshAsk | RevisionAsk | TurnAsk
Verb = Generator[Ask, Any, Answer]
AnyVerb = Generator[Ask, Any, Answer | OpenedWatch | OpenedSession]


def after_loads(groups: Sequence[int], verb: AnyVerb) -> AnyVerb:
    """The verb, begun when the caches of these groups are whole again: in a half-loaded cache an
    object that exists is missing, and what followed a revision is not known."""
    for group in groups:
        yield FreshAsk(group)
    return (yield from verb)


class Request:
    """One request, whatever port it came by."""

    __slots__ = (
        "body",
        "content_type",
        "form",
        "id",
        "kind",
        "name",
        "namespace",
        "options",
        "over_frames",
        "patch",
        "query",
        "quiet",
        "subresource",
        "upgrade",
        "user",
        "user_agent",
        "verb",
        "view",
    )

    def __init__(self, request_id: int, user: User, verb: str, kind: Kind) -> None:
        self.id = request_id
        self.user = user
        self.verb = verb
        self.kind = kind
        self.namespace = ""
        self.name = ""
        self.subresource = ""
        self.options: Mapping[str, str] = {}
        self.query = ""
        """The options as they were sent, for those that may come several times."""
        self.content_type = ""
        self.form: Form = OBJECT
        self.patch: Callable[[JsonObject], JsonObject] | None = None
        """How a PATCH changes the stored form, when its body does not say so by itself."""
        self.body = b""
        self.user_agent = ""
        self.over_frames = False
        self.upgrade: Upgrade | None = None
        self.quiet = False
        self.view: View | None = None
        """The form in which the client writes, when it is not the stored one: who owns what is
        told in its words."""


class Registry:
    """State shared by all verbs. ``now_ns`` is set at the start of each step."""

    __slots__ = (
        "_name",
        "_seed",
        "addresses",
        "asked",
        "caches",
        "charged",
        "custom",
        "decoded",
        "documents",
        "frontiers",
        "identities",
        "leases",
        "lists_from_cache",
        "loading",
        "names",
        "now_ns",
        "pod_endings",
        "pod_specs",
        "renewals",
        "report",
        "sharding",
        "turns",
        "uids",
        "unattended",
    )

    def __init__(self, sharding: Sharding, seed: int, name: str, index: CacheIndex) -> None:
        self.sharding = sharding
        self.caches = {key: ResourceCache(kind_of(key), index) for key in SERVED}
        self.custom = CustomKinds(self.caches, index)
        self.documents: Documents | None = None
        """What is said of the custom kinds of now; made when first asked for."""
        self.frontiers = [0] * len(sharding.groups)
        """For each group of shards: the merged revision up to which its caches are complete."""
        self.pod_specs = PodSpecs()
        self.pod_endings = Endings()
        self.renewals: dict[tuple[str, str], Renewal] = {}
        """By namespace and name of the Lease."""
        self.turns = Turns()
        self.charged: dict[bytes, Record] = {}
        """ResourceQuotas by key as this server wrote them last, while its cache is behind."""
        self.identities = Identities({}, b"")
        self.unattended: Mapping[str, str] = {}
        """Key of a kind -> what is said of its new objects."""
        self.report: Callable[[], str] = str
        """Makes the text of /metrics: set by the core, which counts."""
        self.loading: Callable[[], bool] = bool
        """Whether a group of shards is being read anew: set by the core."""
        self.asked = NOTHING_ASKED
        """What the request is about that is being taken up."""
        self.lists_from_cache = True
        """Or a list of the most recent state reads all of a resource from the store, as before
        Kubernetes 1.31. Source: keps/sig-api-machinery/2340-Consistent-reads-from-cache."""
        self.decoded = 0
        """Objects that such lists have read from the store."""
        self._seed = seed
        self._name = name
        self.begin(0)

    def begin(self, now_ns: int) -> None:
        """Start the streams of chance at the first step. They are named after its time, so that a
        server that was restarted does not give its uids a second time."""
        seed, name = self._seed, f"{self._name}/{now_ns}"
        self.uids = Stream(seed, f"{name}/uid")
        self.names = Stream(seed, f"{name}/name")
        self.leases = Leases(Stream(seed, f"{name}/lease"))
        self.addresses = Addresses(self.caches["services"], Stream(seed, f"{name}/address"))
        self.now_ns = now_ns

    def cache(self, kind: Kind) -> ResourceCache:
        """The objects of a kind, as this server has seen them."""
        return self.caches[kind.key]

    def group(self, kind: Kind) -> int:
        """The number of the group of shards that holds a kind."""
        return self.sharding.group_of(kind.key)

    def frontier(self, kind: Kind) -> int:
        """The revision up to which this server has seen all changes of a kind."""
        return self.frontiers[self.sharding.group_of(kind.key)]

    def user_of_token(self, token: bytes, now_ns: int) -> User | None:
        """Whom a bearer token stands for."""
        return self.identities.user_of(token, self.caches, now_ns)

    def contents(self, kind: Kind) -> int:
        """Revision of the newest write, of any resource, that the caches of its group hold."""
        group = self.group(kind)
        return max(
            cache.last_revision for cache in self.caches.values() if self.group(cache.kind) == group
        )

    def ask(self, kind: Kind, key: bytes, request: StoreRequest) -> StoreAsk:
        """A request to the shard that holds ``key``."""
        return StoreAsk(self.sharding.shard_of(kind.key, key), request)

    def put(
        self, kind: Kind, key: bytes, encoded: tuple[bytes, bytes], expected: int
    ) -> Generator[Ask, Any, StoreReply]:
        """Write (header, value) in place of the revision ``expected`` (0: of nothing)."""
        shard = self.sharding.shard_of(kind.key, key)
        if kind.key not in TTL_S:
            reply: StoreReply = yield StoreAsk(shard, (PUT, key, *encoded, expected, 0))
            return reply
        for _ in range(2):
            lease, granted_s = self.leases.take(kind, shard, self.now_ns)
            if granted_s:
                reply = yield StoreAsk(shard, (GRANT, lease, granted_s))
                if reply[0] != OK:
                    self.leases.forget(kind, shard, lease)
                    return reply
            reply = yield StoreAsk(shard, (PUT, key, *encoded, expected, lease))
            if reply[0] != NOT_FOUND:
                break
            # Its grant was lost on the way.
            self.leases.forget(kind, shard, lease)
        return reply
