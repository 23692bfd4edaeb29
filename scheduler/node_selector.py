"""Node selector terms evaluated over label columns.

Source: k8s.io/component-helpers/scheduling/corev1/nodeaffinity/nodeaffinity.go and
apimachinery/pkg/labels/selector.go, v1.36.
"""

import numpy as np

from scheduler.node_table import Mask, NodeTable, Rows
from scheduler.pod_shape import Requirement, Term

NODE_NAME_FIELD = "metadata.name"


def matches_labels(table: NodeTable, rows: Rows, labels: tuple[tuple[str, str], ...]) -> Mask:
    """nodeSelector: every label has this value."""
    result = table.alive[rows].copy()
    for key, value in labels:
        column, values = table.label_column(key)
        result &= column[rows] == values.get(value, -1)
    return result


def matches_any(table: NodeTable, rows: Rows, terms: tuple[Term, ...]) -> Mask:
    result = np.zeros_like(table.alive[rows])
    for term in terms:
        result |= matches_term(table, rows, term)
    return result


def matches_term(table: NodeTable, rows: Rows, term: Term) -> Mask:
    if not term.expressions and not term.fields:
        return np.zeros_like(table.alive[rows])
    result = table.alive[rows].copy()
    for requirement in term.expressions:
        result &= _matches_expression(table, rows, requirement)
    for requirement in term.fields:
        result &= _matches_field(table, rows, requirement)
    return result


def _matches_expression(table: NodeTable, rows: Rows, requirement: Requirement) -> Mask:
    column, values = table.label_column(requirement.key)
    numbers = column[rows]
    result: Mask
    match requirement.operator:
        case "Exists":
            result = numbers > 0
        case "DoesNotExist":
            result = numbers == 0
        case "In" | "NotIn" | "Gt" | "Lt":
            # Answers by value number; number 0 is a node without the label.
            answers = np.zeros(len(values) + 1, np.bool_)
            if requirement.operator in ("Gt", "Lt"):
                for value, number in values.items():
                    answers[number] = _compares(value, requirement)
            else:
                for value in requirement.values:
                    answers[values.get(value, 0)] = True
                answers[0] = False
            if requirement.operator == "NotIn":
                answers = ~answers
            result = answers[numbers]
        case _:
            result = np.zeros_like(table.alive[rows])
    return result


def _compares(value: str, requirement: Requirement) -> bool:
    """Gt and Lt compare integers; what is none does not match."""
    left = _integer(value)
    right = _integer(requirement.values[0]) if len(requirement.values) == 1 else None
    if left is None or right is None:
        return False
    return left > right if requirement.operator == "Gt" else left < right


def _integer(text: str) -> int | None:
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not (digits.isascii() and digits.isdigit()):
        return None
    number = int(text)
    return number if -(1 << 63) <= number < 1 << 63 else None


def _matches_field(table: NodeTable, rows: Rows, requirement: Requirement) -> Mask:
    """Only metadata.name, with In or NotIn and one value; anything else matches nothing."""
    result = np.zeros(len(table.alive), np.bool_)
    known = requirement.key == NODE_NAME_FIELD and requirement.operator in ("In", "NotIn")
    if known and len(requirement.values) == 1:
        row = table.row_of.get(requirement.values[0])
        if row is not None:
            result[row] = True
        if requirement.operator == "NotIn":
            result = ~result
    return result[rows]
