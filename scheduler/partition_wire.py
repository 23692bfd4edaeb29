"""What leader and partition say to each other, as one list each. Arrays are byte strings, little
endian: of 4 bytes a number, amounts of 8. What is the same for all partitions is one byte string,
packed once a round.
"""

from collections.abc import Sequence
from typing import Any

import msgpack
import numpy as np

from scheduler.node_facts import NodeFacts, Taint
from scheduler.node_table import IntArray
from scheduler.partition import RowsChanged, Scored, ScoreRequested, Stale
from scheduler.pod_shape import Port, ShapeKey, key_from_wire

STALE = "stale"
LONG, SHORT = "<i8", "<i4"


def question_body(
    changing: int, tie_bits: int, shapes: Sequence[ShapeKey], pods: Sequence[tuple[int, int]]
) -> bytes:
    """The part of a request that all partitions get: see ScoreRequested. Shapes that differ in
    amounts alone are said once."""
    kinds: dict[ShapeKey, int] = {}
    of_kind: list[int] = []
    amounts: list[int] = []
    for key in shapes:
        kind = key._replace(
            requests=tuple((name, 0) for name, _ in key.requests), scored=(0, 0), counted=(0, 0)
        )
        of_kind.append(kinds.setdefault(kind, len(kinds)))
        amounts += [amount for _, amount in key.requests]
        amounts += (*key.scored, *key.counted)
    packed: bytes = msgpack.packb(
        [
            changing,
            tie_bits,
            list(kinds),
            _pack(np.array(of_kind), SHORT),
            _pack(np.array(amounts), LONG),
            [index for index, _ in pods],
            [salt for _, salt in pods],
        ]
    )
    return packed


def _shapes_from(kinds: Any, of_kind: bytes, amounts: bytes) -> list[ShapeKey]:
    known = [key_from_wire(kind) for kind in kinds]
    names = [[name for name, _ in kind.requests] for kind in known]
    numbers = _unpack(of_kind, SHORT).tolist()
    if len(amounts) != 8 * sum(len(names[kind]) + 4 for kind in numbers):
        raise ValueError("amounts are not those of the shapes")
    left = iter(_unpack(amounts, LONG).tolist())
    return [
        ShapeKey(
            tuple((name, next(left)) for name in names[kind]),
            (next(left), next(left)),
            (next(left), next(left)),
            *known[kind][3:],
        )
        for kind in numbers
    ]


def request_body(
    rows: RowsChanged, number: int, partitions: int, share: int, question: bytes
) -> list[Any]:
    """What the leader sends to a partition."""
    return [
        rows.sequence,
        rows.reset,
        rows.cluster_nodes,
        list(rows.gone),
        [[row, order, *_facts_body(facts)] for row, order, facts in rows.nodes],
        list(rows.resources),
        _pack(rows.rows, SHORT),
        _pack(rows.counts, LONG),
        [[row, [list(port) for port in ports]] for row, ports in rows.ports],
        [list(image) for image in rows.images],
        number,
        partitions,
        share,
        question,
    ]


def request_from(body: Any) -> tuple[RowsChanged, ScoreRequested]:
    """The inverse, at the partition. TypeError or ValueError when it is no such body."""
    sequence, reset, cluster_nodes, gone, nodes, resources, rows, counts, *rest = body
    ports, images, number, partitions, share, question = rest
    changing, bits, kinds, of_kind, amounts, indices, salts = msgpack.unpackb(question)
    row_array = _unpack(rows, SHORT)
    changed = RowsChanged(
        sequence=sequence,
        reset=reset,
        cluster_nodes=cluster_nodes,
        gone=gone,
        nodes=[(row, order, _facts_from(facts)) for row, order, *facts in nodes],
        resources=resources,
        rows=row_array,
        counts=_unpack(counts, LONG).reshape(len(resources) + 3, len(row_array)),
        ports=[(row, [Port(*port) for port in held]) for row, held in ports],
        images=[(name, size, count) for name, size, count in images],
    )
    request = ScoreRequested(
        number=number,
        partitions=partitions,
        changing=changing,
        share=share,
        tie_bits=bits,
        shapes=_shapes_from(kinds, of_kind, amounts),
        pods=list(zip(indices, salts, strict=True)),
    )
    return changed, request


def answer_body(answer: Scored | Stale) -> list[Any] | str:
    if isinstance(answer, Stale):
        return STALE
    return [
        [list(levels) for levels in answer.levels],
        _pack(answer.lists, SHORT),
        _pack(answer.rows, SHORT),
        _pack(answer.bases, SHORT),
        list(answer.raised),
    ]


def answer_from(body: Any) -> Scored:
    """Of one that is not STALE."""
    levels, lists, rows, bases, raised = body
    return Scored(
        levels=[tuple(one) for one in levels],
        lists=_unpack(lists, SHORT).reshape(6, -1),
        rows=_unpack(rows, SHORT),
        bases=_unpack(bases, SHORT),
        raised=raised,
    )


def _facts_body(facts: NodeFacts) -> list[Any]:
    return [
        facts.name,
        dict(facts.labels),
        [list(taint) for taint in facts.taints],
        facts.unschedulable,
        dict(facts.allocatable),
        [list(image) for image in facts.images],
    ]


def _facts_from(body: Sequence[Any]) -> NodeFacts:
    name, labels, taints, unschedulable, allocatable, images = body
    return NodeFacts(
        name=name,
        labels=labels,
        taints=tuple(Taint(*taint) for taint in taints),
        unschedulable=unschedulable,
        allocatable=allocatable,
        images=tuple((image, size) for image, size in images),
    )


def _pack(array: IntArray, width: str) -> bytes:
    return array.astype(width).tobytes()


def _unpack(data: bytes, width: str) -> IntArray:
    return np.frombuffer(data, width).astype(np.int64)
