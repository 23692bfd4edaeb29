"""The store protocol: what API servers say to a shard of the store, and what it answers.

Requests and replies are plain sequences (first item: the operation), because a write crosses this
border once and a dataclass for each would cost more than the write. One batch of them is one frame.

Keys are ``/registry/RESOURCE[/NAMESPACE]/NAME`` as UTF-8 bytes, RESOURCE being the resource key
with its group, for example ``/registry/pods/default/web-1`` or
``/registry/apps/deployments/default/web``.

A record is ``(header, value)``, both bytes, opaque to the store. The API server's header is a
msgpack array with what a selector or a listing needs without parsing the value.

Revisions are int64 > 0, strictly increasing within a shard and unique over the shards of a cluster
(``revision % MAX_SHARDS == shard``). They come from a hybrid clock: microseconds since
the cluster was made times MAX_SHARDS plus the shard, pushed up where needed, so they may skip
values. A single shard can count densely instead, as etcd does: 1 when empty, then one more with
each transaction that writes.
"""

from collections.abc import Sequence
from typing import Any, Final

MAX_SHARDS: Final = 64

PUT: Final = "put"
"""("put", key, header, value, expected, lease) -> (OK, revision) or (CONFLICT, mod_revision).
expected: -1 unconditional, 0 must not exist, else the mod revision that must be current. A seventh
argument adds flags: KEEP_VALUE and KEEP_LEASE take that part from the present record, which must
exist; WANT_PREVIOUS makes the reply (OK, revision, what was replaced as an item, or
None)."""
KEEP_VALUE: Final = 1
KEEP_LEASE: Final = 2
WANT_PREVIOUS: Final = 4
DELETE: Final = "del"
"""("del", key, expected) -> (OK, revision, header, value of what was deleted);
(CONFLICT, mod_revision) where 0 means absent."""
DELETE_RANGE: Final = "delrange"
"""("delrange", start, end, want_previous) -> (OK, revision, count, items): everything in
[start, end) at one revision, the items only if wanted. Nothing there: count 0, nothing written, and
the revision is the last one."""
GET: Final = "get"
"""("get", key, revision) -> (OK, mod_revision, header, value); mod_revision 0: absent. revision 0:
latest persisted."""
RANGE: Final = "range"
"""("range", start, end, revision, limit, mode) -> (OK, at_revision, more, items) in key order;
items are (key, create_revision, mod_revision, version, header, value, lease); limit 0: all.
mode: 0 whole records, 1 keys and headers only, 2 count only (items is then a number).
end is exclusive, empty: no upper bound. ``more`` may also be set without a limit, when the reply
reaches 24 MiB: go on behind the last key at ``at_revision``.
mode 3 is for etcd's clients: (OK, current_revision, more, items, count), count being all keys of
the range whatever the limit; see ORDER for a seventh argument.
Errors: (COMPACTED, compact_revision), (FUTURE, current_revision)."""
TXN: Final = "txn"
"""("txn", compares, then, otherwise) -> (OK, revision, succeeded, replies). A compare is
(field, operator, key, operand) with field in version, create, mod, value, lease and operator in
``= != < >``, and a fifth item, an end, asks it of every key in [key, end); then / otherwise are
lists of put, del, delrange, get, range requests with expected -1 and no key written twice, and of
such transactions: all compares are of the state before, a reply of one inside has no revision (0),
and there are 1,024 operations in all at most. All writes share the revision; reads see the writes
before them in the list, and a range returns 1,000 items at most, of mode 3 10,000. A read that is
malformed, COMPACTED or FUTURE refuses the whole; beside writes, what time compacts before these are
applied is COMPACTED in ``replies``."""
PROMISE: Final = "promise"
"""("promise", at_least) -> (OK, revision): every write acknowledged so far has a revision of at
most ``revision``, every later one has a greater one, and ``revision >= at_least``. Each watch
stream of the shard carries a watermark of at least ``at_least`` (``revision``, where that is 0)
before or with this answer."""
ORDER: Final = ("key", "version", "create", "mod", "value")
"""A range of mode 3 may take (field, descending, min_mod, max_mod, min_create, max_create): items
in order of the field, and only those between the bounds (0: none); applied before the limit."""
GRANT: Final = "grant"
"""("grant", lease or 0, ttl_s) -> (OK, lease). ("revoke", lease) -> (OK, revision).
("keepalive", lease) -> (OK, ttl_s). Unknown lease: (NOT_FOUND,)."""
ADOPT: Final = "adopt"
"""("adopt", lease) -> (OK, lease): keys of this shard may hang on a lease that another shard keeps.
Here it has no time (ttl 0 in what LEASE tells) and lasts until it is revoked. Idempotent."""
REVOKE: Final = "revoke"
KEEPALIVE: Final = "keepalive"
LEASE: Final = "lease"
"""("lease", lease) -> (OK, granted ttl_s, remaining ttl_s, attached keys) or (NOT_FOUND,)."""
LEASES: Final = "leases"
"""("leases",) -> (OK, [lease granted here, ...], [lease adopted, ...])."""
COMPACT: Final = "compact"
"""("compact", revision) -> (OK, revision), in the log. Versions older than the newest at
``revision`` go. Errors as of a range; the revision compacted last is COMPACTED too."""
ALARM: Final = "alarm"
"""("alarm", action) -> (OK, raised): action 0 asks, 1 raises, 2 clears, in the log. While the alarm
is raised, which a shard over its quota does itself, put, grant and a txn that could put get
NO_SPACE; deletes and compaction pass."""
STATUS: Final = "status"
"""("status",) -> (OK, map): shard, keys, revision, compact_revision, log_bytes, durability."""

OK: Final = 0
CONFLICT: Final = 1
NOT_FOUND: Final = 2
COMPACTED: Final = 3
FUTURE: Final = 4
INVALID: Final = 5
"""(INVALID, message): malformed request, key or value too large, too many operations."""
NO_SPACE: Final = 6
"""(NO_SPACE, message): the disk refused, or the quota; nothing was acknowledged."""

StoreRequest = Sequence[Any]
"""A tuple where it is made, a list where a frame has brought it; replies and their items, too."""
StoreReply = Sequence[Any]

# Watch: open a frame stream with body ("watch", prefix, start_revision, want_previous).
# The shard then sends bodies (events, watermark): events is a list of
# (type, key, mod_revision, create_revision, version, header, value, previous), type 0 put and
# 1 delete (header and value of a delete are those of the last state), in order of revision, each
# > start_revision; every event of this shard with revision <= watermark has been sent. previous, if
# wanted and there is one: what was replaced, as an item of a range. Events of one revision are
# never split over two bodies. Idle streams hear a new watermark every 100 ms; promise is faster.
# start_revision 0: from now on. The first body has no events and gives the watermark at opening.
# The stream ends with reason "compacted" when start_revision is older than what is kept, or
# "slow" when the reader does not keep up.
