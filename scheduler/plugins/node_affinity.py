"""NodeAffinity: nodeSelector, required and preferred node affinity.
Source: plugins/nodeaffinity/node_affinity.go, v1.36."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from scheduler.framework import Filter, Reason, Score, always, one_reason
from scheduler.node_selector import NODE_NAME_FIELD, matches_any, matches_labels, matches_term
from scheduler.node_table import IntArray, Mask, NodeTable, Rows
from scheduler.pod_shape import Shape, Term

NAME = "NodeAffinity"
MISMATCH = "node(s) didn't match Pod's node affinity/selector"
ENFORCED = "node(s) didn't match scheduler-enforced node affinity"
CONFLICT = "pod affinity terms conflict"
"""PreFilter's refusal when the terms name no node in common."""


def has_requirements(shape: Shape, _table: NodeTable) -> bool:
    return shape.key.selector is not None or shape.key.required is not None


def passes(shape: Shape, table: NodeTable, rows: Rows) -> Mask:
    result = matches_labels(table, rows, shape.key.selector or ())
    if shape.key.required is not None:
        result &= matches_any(table, rows, shape.key.required)
    return result


def named_nodes(shape: Shape) -> tuple[str, ...] | None:
    """PreFilter: when every term names nodes by metadata.name, only these are looked at. An empty
    tuple is a conflict; None is no limit."""
    if not shape.key.required:
        return None
    names: dict[str, None] = {}
    for term in shape.key.required:
        of_term = _named_by(term)
        if of_term is None:
            return None
        names.update(dict.fromkeys(of_term))
    return tuple(names)


def _named_by(term: Term) -> list[str] | None:
    names: list[str] | None = None
    for requirement in term.fields:
        if requirement.key == NODE_NAME_FIELD and requirement.operator == "In":
            values = requirement.values
            names = [n for n in values if names is None or n in names]
    return names


def stops(shape: Shape, _table: NodeTable) -> str:
    return CONFLICT if named_nodes(shape) == () else ""


def has_preferences(shape: Shape, _table: NodeTable) -> bool:
    return bool(shape.key.preferred)


def preference(shape: Shape, table: NodeTable, rows: Rows) -> IntArray:
    """Sum of the weights of the matching preferred terms."""
    result = np.zeros(len(table.alive), np.int64)[rows]
    for weight, term in shape.key.preferred:
        result += weight * matches_term(table, rows, term)
    return result


class AddedAffinity(NamedTuple):
    """NodeAffinityArgs.addedAffinity: holds for every pod of a profile, beside its own."""

    required: tuple[Term, ...] | None
    preferred: tuple[tuple[int, Term], ...]


def filter_with(added: AddedAffinity) -> Filter:
    """The filter of a profile with an added affinity, which is looked at first."""
    terms = added.required
    if terms is None:
        return FILTER

    def passes_both(shape: Shape, table: NodeTable, rows: Rows) -> Mask:
        return matches_any(table, rows, terms) & passes(shape, table, rows)

    def reasons(shape: Shape, table: NodeTable, rows: IntArray) -> Sequence[Reason]:
        enforced = ~matches_any(table, rows, terms)
        found = (Reason(ENFORCED, enforced, enforced), Reason(MISMATCH, ~enforced, ~enforced))
        return [reason for reason in found if reason.rows.any()]

    return FILTER._replace(applies=always, passes=passes_both, reasons=reasons)


def score_with(added: AddedAffinity) -> Score:
    if not added.preferred:
        return SCORE

    def both(shape: Shape, table: NodeTable, rows: Rows) -> IntArray:
        result = preference(shape, table, rows)
        for weight, term in added.preferred:
            result += weight * matches_term(table, rows, term)
        return result

    return SCORE._replace(applies=always, raw=both)


FILTER = Filter(
    name=NAME,
    static=True,
    applies=has_requirements,
    passes=passes,
    reasons=one_reason(MISMATCH, hopeless=True),
    stops=stops,
)
SCORE = Score(
    name=NAME,
    weight=2,
    static=True,
    normalise="share of maximum",
    applies=has_preferences,
    raw=preference,
)
