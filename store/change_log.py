"""Every version that is written, in order, until its change is compacted away.

Kept in chunks: what is behind the freed ones does not move, and a record is let go of when it is
freed, not with 50,000 others at once.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from operator import itemgetter
from typing import Final

from store.messages import MOD, Record

CHUNK: Final = 4096
"""A chunk as long as this is followed by a new one."""
_mod_revision = itemgetter(MOD)


def _first_revision(chunk: list[Record]) -> int:
    return chunk[0][MOD]


class ChangeLog:
    """Records in order of revision; those of one transaction share theirs.

    Invariant: no chunk is empty.
    """

    __slots__ = ("_chunks", "_count")

    def __init__(self) -> None:
        self._chunks: list[list[Record]] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Record]:
        for chunk in self._chunks:
            yield from chunk

    @property
    def newest(self) -> int:
        """The last revision; 0 when there is none."""
        return self._chunks[-1][-1][MOD] if self._chunks else 0

    def extend(self, records: Sequence[Record]) -> None:
        if not records:
            return
        self._count += len(records)
        chunks = self._chunks
        if chunks and len(chunks[-1]) < CHUNK:
            chunks[-1] += records
        else:
            chunks.append(list(records))

    def count_after(self, revision: int) -> int:
        """How many are above ``revision``. Cost: a look at each chunk that is."""
        number, place = self._behind(revision)
        return sum(map(len, self._chunks[number:])) - place

    def after(self, revision: int, limit: int) -> list[Record]:
        """The first ``limit`` above ``revision``, and those that share the last one's revision."""
        number, place = self._behind(revision)
        begun = [chunk[place:] for chunk in self._chunks[number : number + 1]]
        behind = chain.from_iterable(chain(begun, islice(self._chunks, number + 1, None)))
        found = list(islice(behind, limit))
        for record in behind:
            if record[MOD] != found[-1][MOD]:
                break
            found.append(record)
        return found

    def take(self, revision: int, limit: int) -> tuple[list[Record], bool]:
        """Take out the first ``limit`` up to ``revision``, from one chunk; and whether there is no
        such any more."""
        if not self._chunks or self._chunks[0][0][MOD] > revision:
            return [], True
        chunk = self._chunks[0]
        stop = min(limit, bisect_right(chunk, revision, key=_mod_revision))
        taken = chunk[:stop]
        del chunk[:stop]
        self._count -= stop
        if not chunk:
            del self._chunks[0]
        return taken, not self._chunks or self._chunks[0][0][MOD] > revision

    def _behind(self, revision: int) -> tuple[int, int]:
        """Chunk and place of the first record above ``revision``."""
        number = bisect_right(self._chunks, revision, key=_first_revision)
        if not number:
            return 0, 0
        place = bisect_right(self._chunks[number - 1], revision, key=_mod_revision)
        return number - 1, place
