"""TaintToleration: NoSchedule and NoExecute taints keep pods away that do not tolerate them;
untolerated PreferNoSchedule taints cost score.
Source: plugins/tainttoleration/taint_toleration.go, k8s.io/component-helpers
scheduling/corev1/helpers.go, v1.36."""

import numpy as np

from scheduler.framework import Filter, Score, always, one_reason
from scheduler.node_facts import Taint
from scheduler.node_table import IntArray, Mask, NodeTable, Rows
from scheduler.pod_shape import Shape, Toleration

NAME = "TaintToleration"


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    """Empty effect and empty key stand for all. Source: core/v1/toleration.go, ToleratesTaint."""
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    match toleration.operator:
        case "" | "Equal":
            return toleration.value == taint.value
        case "Exists":
            return True
        case _:
            return False


def passes(shape: Shape, table: NodeTable, rows: Rows) -> Mask:
    # One answer for each distinct list of taints, then one look-up for each row.
    answers = np.array(
        [
            all(
                taint.effect == "PreferNoSchedule"
                or any(tolerates(toleration, taint) for toleration in shape.key.tolerations)
                for taint in taints
            )
            for taints in table.taint_sets
        ]
    )
    return answers[table.taint_set[rows]]


def untolerated(shape: Shape, table: NodeTable, rows: Rows) -> IntArray:
    """How many PreferNoSchedule taints the pod does not tolerate."""
    soft = [t for t in shape.key.tolerations if t.effect in ("", "PreferNoSchedule")]
    counts = np.array(
        [
            sum(
                taint.effect == "PreferNoSchedule"
                and not any(tolerates(toleration, taint) for toleration in soft)
                for taint in taints
            )
            for taints in table.taint_sets
        ],
        np.int64,
    )
    return counts[table.taint_set[rows]]


FILTER = Filter(
    name=NAME,
    static=True,
    applies=always,
    passes=passes,
    reasons=one_reason("node(s) had untolerated taint(s)", hopeless=True),
)
SCORE = Score(
    name=NAME,
    weight=3,
    static=True,
    normalise="reversed share of maximum",
    applies=always,
    raw=untolerated,
)
