"""Promise: operations on one key look as if each happened at one instant between its call and its
answer; one whose answer was lost may have happened at any later time, or never.

The search is Wing and Gong's, with the states visited remembered as Lowe proposed. Source: J. Wing,
C. Gong, Testing and verifying concurrent objects, JPDC 1993; G. Lowe, Testing for linearizability,
2017. Exponential at worst, so histories are kept short and few operations overlap.
"""

from typing import Final, NamedTuple

from sim.topics import Violation

NEVER: Final = 1 << 62
"""When an operation ends whose answer was lost."""
STATES_MAX: Final = 200_000
"""About a second. At the bound a history counts as undecided."""
READ, WRITE, REMOVE = "read", "write", "remove"


class Operation(NamedTuple):
    """One operation on one key. A value 0 is an absent key, else it is unique to its write."""

    kind: str
    expected: int
    """WRITE and REMOVE: the value that must be there (0: none), or -1: whatever is."""
    value: int
    """WRITE: what is written. READ: what was read."""
    begin_ns: int
    end_ns: int
    succeeded: bool | None
    """None: the answer was lost."""


def check(key: str, operations: list[Operation]) -> bool:
    """Raise Violation when no order of the operations explains their answers. False: undecided,
    after STATES_MAX states."""
    # A lost read says nothing.
    todo = [one for one in operations if one.kind != READ or one.succeeded is not None]
    todo.sort(key=lambda one: (one.begin_ns, one.end_ns))
    required = sum(1 << n for n, one in enumerate(todo) if one.end_ns < NEVER)
    seen: set[tuple[int, int]] = set()
    stack = [(0, 0)]
    while stack:
        done, state = stack.pop()
        if done & required == required:
            return True
        if (done, state) in seen:
            continue
        if len(seen) >= STATES_MAX:
            return False
        seen.add((done, state))
        for number in _next(todo, done):
            stack.extend((done | 1 << number, after) for after in _outcomes(todo[number], state))
    lines = [f"  {one}" for one in todo]
    message = f"no order of {len(todo)} operations on {key} explains their answers:\n"
    raise Violation("linearizable", message + "\n".join(lines))


def _next(todo: list[Operation], done: int) -> list[int]:
    """The operations that may come next: those that began before any other has ended. The first to
    end is last, so that it is tried first; what was lost is tried when all else fails."""
    first_end_ns = NEVER
    out = []
    # The first one that is not done: everything before it is.
    start = (~done & done + 1).bit_length() - 1
    for number in range(start, len(todo)):
        one = todo[number]
        if done >> number & 1:
            continue
        if one.begin_ns > first_end_ns:
            break
        first_end_ns = min(first_end_ns, one.end_ns)
        out.append(number)
    out = [number for number in out if todo[number].begin_ns <= first_end_ns]
    out.sort(key=lambda number: -todo[number].end_ns)
    return out


def _outcomes(one: Operation, state: int) -> list[int]:
    """States that the operation can leave behind with the answer that it gave."""
    if one.kind == READ:
        return [state] if one.value == state else []
    applies = one.expected in (-1, state)
    if one.kind == REMOVE and state == 0:
        applies = False
    after = one.value if one.kind == WRITE else 0
    if one.succeeded is None:
        return [after, state] if applies else [state]
    if one.succeeded:
        return [after] if applies else []
    return [] if applies else [state]
