"""Bound pods as columns instead of objects: a hundred bytes each. What many have alike (relations,
node, namespace) is a number; names, uids and amounts are bytes in one buffer. They are looked at
when one of them changes, goes, or is to make room, and hardly ever otherwise.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple
from zlib import crc32

import numpy as np
import numpy.typing as npt

from scheduler.interned import Interned
from scheduler.packed_shapes import PackedShapes
from scheduler.placed import Placed, PodReference
from scheduler.pod_shape import Shape
from scheduler.relations import Relations

Columns = npt.NDArray[np.int32]
NONE = -1
CAPACITY_MIN = 64
GROWTH = 8
"""Columns that are full grow by an eighth."""
UID_BYTES = 16
GARBAGE_MIN = 1 << 16
"""Bytes of text that may be garbage before it is cleaned."""
FREE, GONE = -1, -2
"""In the index: nothing was ever here; something was, so look on."""


class Said(NamedTuple):
    """Of a pod's reference, what many pods have alike."""

    namespace: str
    scheduler: str


class PodColumns:
    """``at`` is the number of a pod; ``row`` that of its node in the table."""

    def __init__(self) -> None:
        self.count = 0
        self.away: dict[int, None] = {}
        """Rows of nodes that are gone while pods still name them."""
        self._used = 0
        """Numbers from here on were never given."""
        self._spare = NONE
        """A number that was given back; ``_after`` of it is the next one."""
        self._shapes = PackedShapes()
        self._relations: Interned[Relations] = Interned()
        self._said: Interned[Said] = Interned()
        self._wide: npt.NDArray[np.int64] = np.zeros((3, CAPACITY_MIN), np.int64)
        """[started in ns, generation or where its text begins; at]."""
        self._row, self._after, self._before, self._shape, self._kin, self._who, self._priority = (
            self._narrow
        ) = np.full((7, CAPACITY_MIN), NONE, np.int32)
        """[at]; row: NONE where the number is not given. after, before: pods on the same node."""
        self._hash: npt.NDArray[np.uint32] = np.zeros(CAPACITY_MIN, np.uint32)
        self._length: npt.NDArray[np.uint16] = np.zeros((3, CAPACITY_MIN), np.uint16)
        """[bytes of the name, of the uid or of the amounts; at]. A uid of 16 bytes is a UUID in its
        short form."""
        self._text = bytearray()
        self._garbage = 0
        self._first: Columns = np.full(CAPACITY_MIN, NONE, np.int32)
        """[row]: one of its pods."""
        self._index: Columns = np.full(2 * CAPACITY_MIN, FREE, np.int32)
        """Pods by hash, probed upwards; its length is a power of two."""
        self._taken = 0
        """Places of the index that are not FREE."""

    # One pod

    def add(self, pod: PodReference, row: int, placed: Placed) -> None:
        """It is not among them yet."""
        at = self._new_number()
        name, uid = pod.name.encode(), _packed(pod.uid)
        kind, amounts = self._shapes.pack(placed.shape)
        self._wide[:, at] = placed.started_ns, pod.generation, len(self._text)
        self._length[:, at] = len(name), len(uid), len(amounts)
        self._text += name + uid + amounts
        self._hash[at] = hashed = _hash(pod.namespace, pod.name)
        self._shape[at] = kind
        self._kin[at] = self._relations.take(placed.shape.relations)
        self._who[at] = self._said.take(Said(pod.namespace, pod.scheduler))
        self._priority[at] = placed.priority
        self._link(at, row)
        self._enter(at, hashed)

    def find(self, key: str) -> int:
        """The number of NAMESPACE/NAME, NONE when it is not among them."""
        namespace, _, name = key.partition("/")
        place = self._place_of(namespace, name)
        return NONE if place == NONE else self._index.item(place)

    def remove(self, at: int) -> None:
        pod = self.reference(at)
        place = self._place_of(pod.namespace, pod.name)
        assert self._index.item(place) == at, pod
        self._index[place] = GONE
        self._shapes.give_back(self._shape.item(at))
        self._relations.give_back(self._kin.item(at))
        self._said.give_back(self._who.item(at))
        self._garbage += int(self._length[:, at].sum())
        self._unlink(at)
        self._after[at], self._spare = self._spare, at
        self.count -= 1
        if self._garbage > GARBAGE_MIN and 2 * self._garbage > len(self._text):
            self._clean()

    def reference(self, at: int) -> PodReference:
        said = self._said[self._who.item(at)]
        _, generation, begin = self._wide[:, at].tolist()
        middle = begin + self._length.item(0, at)
        uid = bytes(self._text[middle : middle + self._length.item(1, at)])
        name = self._text[begin:middle].decode()
        return PodReference(said.namespace, name, _unpacked(uid), generation, said.scheduler)

    def placed(self, at: int) -> Placed:
        return Placed(self.shape(at), self._priority.item(at), self._wide.item(0, at))

    def shape(self, at: int) -> Shape:
        name, uid, amounts = self._length[:, at].tolist()
        begin = self._wide.item(2, at) + name + uid
        packed = bytes(self._text[begin : begin + amounts])
        return self._shapes.shape(self._shape.item(at), packed, self._relations[self._kin.item(at)])

    def row(self, at: int) -> int:
        return self._row.item(at)

    def set_started(self, at: int, started_ns: int) -> None:
        self._wide[0, at] = started_ns

    def key(self, at: int) -> str:
        begin = self._wide.item(2, at)
        name = self._text[begin : begin + self._length.item(0, at)].decode()
        return f"{self._said[self._who.item(at)].namespace}/{name}"

    # All of a node, all of them

    def on_row(self, row: int) -> Iterator[int]:
        """None may be added or removed meanwhile."""
        at = self._first.item(row) if 0 <= row < len(self._first) else NONE
        while at != NONE:
            yield at
            at = self._after.item(at)

    def any_on(self, row: int) -> bool:
        return row < len(self._first) and self._first.item(row) != NONE

    def below(self, row: int, priority: int) -> Iterator[int]:
        """Those of a node that are less important."""
        return (at for at in self.on_row(row) if self._priority.item(at) < priority)

    def __iter__(self) -> Iterator[int]:
        return iter(np.flatnonzero(self._row[: self._used] != NONE).tolist())

    def count_by_row(self, times: Callable[[Relations], int]) -> dict[int, int]:
        """How often pods count on each row that is not away, when one counts so many times. Cost:
        by the number of distinct relations, and a pass over the columns."""
        numbers = self._relations.numbers()
        weights = np.zeros(len(self._relations), np.int64)
        weights[numbers] = [times(self._relations[number]) for number in numbers]
        rows = self._row[: self._used]
        present = rows != NONE
        own = weights[self._kin[: self._used]] * present
        found = np.flatnonzero(own)
        if not len(found):
            return {}
        counts = np.bincount(rows[found], own[found]).astype(np.int64)
        counts[[row for row in self.away if row < len(counts)]] = 0
        where = np.flatnonzero(counts)
        return dict(zip(where.tolist(), counts[where].tolist(), strict=True))

    # Numbers and nodes

    def _new_number(self) -> int:
        self.count += 1
        at = self._spare
        if at != NONE:
            self._spare = self._after.item(at)
            return at
        at = self._used
        self._used += 1
        if at == len(self._row):
            more = max(CAPACITY_MIN, at // GROWTH)
            wider = ((0, 0), (0, more))
            self._wide = np.pad(self._wide, wider)
            self._length = np.pad(self._length, wider)
            self._hash = np.pad(self._hash, (0, more))
            self._narrow = np.pad(self._narrow, wider, constant_values=NONE)
            (
                self._row, self._after, self._before, self._shape, self._kin, self._who,
                self._priority,
            ) = self._narrow  # fmt: skip
        return at

    def _link(self, at: int, row: int) -> None:
        if row >= len(self._first):
            more = max(row + 1 - len(self._first), len(self._first) // GROWTH)
            self._first = np.pad(self._first, (0, more), constant_values=NONE)
        next_one = self._first.item(row)
        self._row[at], self._after[at], self._before[at] = row, next_one, NONE
        if next_one != NONE:
            self._before[next_one] = at
        self._first[row] = at

    def _unlink(self, at: int) -> None:
        row, after, before = self._row.item(at), self._after.item(at), self._before.item(at)
        if before == NONE:
            self._first[row] = after
        else:
            self._after[before] = after
        if after != NONE:
            self._before[after] = before
        self._row[at] = NONE

    # Names

    def _enter(self, at: int, hashed: int) -> None:
        if 3 * self._taken > 2 * len(self._index):
            self._build_index()
            return
        index, mask = self._index, len(self._index) - 1
        place = hashed & mask
        while index.item(place) >= 0:
            place = place + 1 & mask
        self._taken += index.item(place) == FREE
        index[place] = at

    def _place_of(self, namespace: str, name: str) -> int:
        hashed, wanted = _hash(namespace, name), name.encode()
        index, mask = self._index, len(self._index) - 1
        place = hashed & mask
        while (at := index.item(place)) != FREE:
            if at != GONE and self._hash.item(at) == hashed and self._is(at, namespace, wanted):
                return place
            place = place + 1 & mask
        return NONE

    def _is(self, at: int, namespace: str, name: bytes) -> bool:
        begin = self._wide.item(2, at)
        end = begin + self._length.item(0, at)
        same = self._text[begin:end] == name
        return same and self._said[self._who.item(at)].namespace == namespace

    def _build_index(self) -> None:
        """Of a size at which half of it is free at least, all pods at once."""
        waiting = np.flatnonzero(self._row[: self._used] != NONE).astype(np.int32)
        self._taken = len(waiting)
        size = 1 << max(7, (2 * self._taken - 1).bit_length())
        index: Columns = np.full(size, FREE, np.int32)
        places = self._hash[waiting].astype(np.int64) & size - 1
        while len(waiting):
            free = index[places] == FREE
            index[places[free]] = waiting[free]
            left = index[places] != waiting
            waiting, places = waiting[left], places[left] + 1 & size - 1
        self._index = index

    def _clean(self) -> None:
        """Text of pods that are gone goes."""
        old, self._text, self._garbage = self._text, bytearray(), 0
        for at in self:
            begin = self._wide.item(2, at)
            self._wide[2, at] = len(self._text)
            self._text += old[begin : begin + int(self._length[:, at].sum())]


def _hash(namespace: str, name: str) -> int:
    return crc32(name.encode(), crc32(namespace.encode()))


def _packed(uid: str) -> bytes:
    """A UUID in 16 bytes; anything else as it is, lengthened where its length would say UUID."""
    if len(uid) == 36 and uid.count("-") == 4:
        try:
            short = bytes.fromhex(uid.replace("-", ""))
        except ValueError:
            short = b""
        if len(short) == UID_BYTES and _unpacked(short) == uid:
            return short
    text = b"\0" + uid.encode()
    return text + b"\0" if len(text) == UID_BYTES else text


def _unpacked(uid: bytes) -> str:
    if len(uid) == UID_BYTES:
        text = uid.hex()
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
    return uid.strip(b"\0").decode()
