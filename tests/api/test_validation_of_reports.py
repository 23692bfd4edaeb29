"""What is refused of what controllers report of Jobs and of disruption budgets."""

from typing import Any

import pytest

from api.core import JsonObject
from api.defaulting import set_defaults
from api.kinds import kind_of
from api.lifecycle import prepare_create
from api.validation import validate_create, validate_status_update, validate_update

BEGUN, DONE = "2026-01-01T00:00:01Z", "2026-01-01T00:00:02Z"
TEMPLATE = {"spec": {"containers": [{"name": "c", "image": "i"}], "restartPolicy": "Never"}}
INDEXED = {"completionMode": "Indexed", "completions": 9, "backoffLimitPerIndex": 1}
INVALID = "status.conditions: Invalid value: cannot"


def job(spec: JsonObject) -> JsonObject:
    kind = kind_of("batch/jobs")
    metadata = {"name": "j", "namespace": "x", "uid": "u"}
    obj: JsonObject = {"metadata": metadata, "spec": {"template": TEMPLATE, **spec}}
    set_defaults(kind, obj)
    prepare_create(kind, obj, 0)
    return obj


def said(after: JsonObject, before: JsonObject, spec: JsonObject | None = None) -> list[str]:
    known = job(spec or {})
    new, old = {**known, "status": after}, {**known, "status": before}
    return [cause.text for cause in validate_status_update(kind_of("batch/jobs"), new, old)]


def true(*kinds: str, **status: Any) -> JsonObject:
    return {"conditions": [{"type": kind, "status": "True"} for kind in kinds], **status}


COMPLETE = true("SuccessCriteriaMet", "Complete", startTime=BEGUN, completionTime=DONE)


def test_the_life_of_a_job() -> None:
    running = {"active": 2, "ready": 1, "startTime": BEGUN}
    assert said(running, {}) == []
    assert said({**running, "failed": 1}, running) == []
    assert said(COMPLETE, running) == []
    assert said(true("FailureTarget", "Failed", startTime=BEGUN), running) == []
    indexes = {"completedIndexes": "0,2-4", "failedIndexes": "1,5-7"}
    assert said({**running, **indexes}, running, INDEXED) == []


@pytest.mark.parametrize(
    ("after", "before", "texts"),
    [
        (
            {"active": 1, "ready": 2, "failed": 1},
            {"failed": 2},
            [
                "status.ready: Invalid value: 2: cannot set more ready pods than active",
                "status.failed: Invalid value: 1: cannot decrease the failed counter",
            ],
        ),
        (
            true("Complete", active=1),
            {},
            [
                "status.completionTime: Required value: completionTime is required for Complete "
                "jobs",
                f"{INVALID} set Complete=True condition without the SuccessCriteriaMet=true "
                "condition",
                "status.active: Invalid value: 1: active>0 is invalid for finished job",
                "status.startTime: Required value: startTime is required for finished job",
            ],
        ),
        (
            true("Failed", startTime=BEGUN),
            {"startTime": BEGUN},
            [f"{INVALID} set Failed=True condition without the FailureTarget=true condition"],
        ),
        (
            {**COMPLETE, "startTime": DONE, "completionTime": BEGUN},
            {},
            [
                f'status.completionTime: Invalid value: "{BEGUN}": completionTime cannot be set '
                "before startTime"
            ],
        ),
        (
            {},
            COMPLETE,
            [
                f"{INVALID} disable the terminal Complete=True condition",
                "status.startTime: Required value: startTime cannot be removed for unsuspended job",
                f"{INVALID} disable the SuccessCriteriaMet=True condition",
            ],
        ),
        (
            {"completedIndexes": "0"},
            {},
            [
                'status.completedIndexes: Invalid value: "0": error parsing completedIndexes: too '
                'large index: "0"',
                'status.completedIndexes: Invalid value: "0": cannot set non-empty '
                "completedIndexes when non-indexed completion mode",
            ],
        ),
        (
            {"uncountedTerminatedPods": {"succeeded": ["a"], "failed": ["a", ""]}},
            {},
            [
                'status.uncountedTerminatedPods.failed[0]: Duplicate value: "a"',
                'status.uncountedTerminatedPods.failed[1]: Invalid value: "": must not be empty',
            ],
        ),
    ],
)
def test_reports_of_a_job(after: JsonObject, before: JsonObject, texts: list[str]) -> None:
    assert said(after, before, {"completions": 0}) == texts


@pytest.mark.parametrize(
    ("done", "failed", "text"),
    [
        ("3,1", "", "error parsing completedIndexes: non-increasing order, previous: 3, current"),
        ("x", "", 'cannot convert string to integer for index: "x"'),
        ("1-9", "", 'too large index: "9"'),
        ("1-2-3", "", 'the fragment "1-2-3" violates the requirement'),
        ("1-4", "0,4-5", "failedIndexes and completedIndexes overlap at index: 4"),
    ],
)
def test_indexes(done: str, failed: str, text: str) -> None:
    found = said({"completedIndexes": done, "failedIndexes": failed}, {}, INDEXED)
    assert len(found) == 1 and text in found[0]


def test_conditions_of_a_budget() -> None:
    kind = kind_of("policy/poddisruptionbudgets")
    known: JsonObject = {"metadata": {"name": "b", "namespace": "x", "uid": "u"}, "spec": {}}
    right = {"type": "T", "status": "True", "reason": "R", "lastTransitionTime": BEGUN}

    def texts(*conditions: JsonObject) -> list[str]:
        new = {**known, "status": {"conditions": list(conditions)}}
        return [cause.text for cause in validate_status_update(kind, new, known)]

    assert texts(right) == []
    assert texts(right, right) == ['status.conditions[1]: Duplicate value: "T"']
    assert texts({"type": "T", "status": "X", "reason": "R"}) == [
        'status.conditions[0].status: Unsupported value: "X": supported values: "False", "True", '
        '"Unknown"',
        "status.conditions[0].lastTransitionTime: Required value",
    ]
    assert "a condition reason must start" in texts({**right, "reason": "1"})[0]


def cron(schedule: str, zone: str | None = None, **template: Any) -> JsonObject:
    inner = {"template": TEMPLATE, **template}
    spec: JsonObject = {"schedule": schedule, "jobTemplate": {"spec": inner}}
    obj: JsonObject = {"metadata": {"name": "c", "namespace": "x", "uid": "u"}, "spec": spec}
    if zone is not None:
        spec["timeZone"] = zone
    set_defaults(kind_of("batch/cronjobs"), obj)
    return obj


TIME = "spec.schedule: Invalid value:"


@pytest.mark.parametrize(
    ("made", "texts"),
    [
        (cron("@every 5m", "Europe/Berlin"), []),
        (
            cron("TZ=UTC 0 * * * *", "Etc/UTC"),
            [f'{TIME} "TZ=UTC 0 * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone '],
        ),
        (
            cron("TZ=Nowhere 0 * * * *"),
            [
                f'{TIME} "TZ=Nowhere 0 * * * *": provided bad location Nowhere: unknown time zone',
                f'{TIME} "TZ=Nowhere 0 * * * *": cannot use TZ or CRON_TZ in schedule, use ',
            ],
        ),
        (
            cron("0 * * * *", "local"),
            [
                'spec.timeZone: Invalid value: "local": timeZone must be an explicit time zone',
                'spec.timeZone: Invalid value: "local": unknown time zone local',
            ],
        ),
        (
            cron("0 * * * *", "a/../b"),
            ['spec.timeZone: Invalid value: "a/../b": unknown time zone a/../b'],
        ),
        (
            cron("0 * * * *", manualSelector=True, selector={"matchLabels": {"a": "b"}}),
            [
                "spec.jobTemplate.spec.selector: Invalid value: ",
                "spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported values: "
                '"nil", "false"',
            ],
        ),
    ],
)
def test_schedules(made: JsonObject, texts: list[str]) -> None:
    found = [cause.text for cause in validate_create(kind_of("batch/cronjobs"), made)]
    assert len(found) == len(texts)
    assert all(text.startswith(known) for text, known in zip(found, texts, strict=True))


def test_a_zone_that_was_in_the_schedule_may_stay_there() -> None:
    kind, old = kind_of("batch/cronjobs"), cron("TZ=UTC 0 * * * *")
    assert validate_update(kind, cron("TZ=UTC 1 * * * *"), old) == []
    found = validate_update(kind, cron("TZ=UTC 0 * * * *", "Etc/UTC"), old)
    assert len(found) == 1 and "cannot use both timeZone field and TZ" in found[0].text


def test_what_of_a_job_may_change() -> None:
    kind = kind_of("batch/jobs")

    def texts(new: JsonObject, old: JsonObject) -> list[str]:
        return [cause.text for cause in validate_update(kind, job(new), job(old))]

    assert texts({**INDEXED, "completions": 5, "parallelism": 5}, INDEXED) == []
    assert texts({**INDEXED, "completions": 5}, INDEXED) == [
        "spec.completions: Invalid value: 5: can only be modified in tandem with spec.parallelism"
    ]

    def waiting(**spec: Any) -> JsonObject:
        return {"suspend": True, "template": {"spec": {**TEMPLATE["spec"], **spec}}}

    preferred = {"weight": 1, "preference": {"matchFields": []}}
    near = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [preferred]}}
    term = {"topologyKey": "z", "labelSelector": {}}
    apart = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    assert texts(waiting(affinity=near, nodeSelector={"a": "b"}), waiting()) == []
    assert [text[:33] for text in texts(waiting(affinity=apart), waiting())] == [
        "spec.template.spec: Invalid value"
    ]


def test_scopes_that_a_quota_selects() -> None:
    def texts(hard: JsonObject, *scopes: str) -> list[str]:
        chosen = [{"scopeName": scope, "operator": "Exists"} for scope in scopes]
        spec = {"hard": hard, "scopeSelector": {"matchExpressions": chosen}}
        quota: JsonObject = {"metadata": {"name": "q", "namespace": "x"}, "spec": spec}
        return [cause.text for cause in validate_create(kind_of("resourcequotas"), quota)]

    field = "spec.scopeSelector.matchExpressions: Invalid value:"
    assert texts({"pods": "1"}, "BestEffort") == []
    assert texts({"pods": "1"}, "Terminating", "NotTerminating") == [
        f"{field} null: conflicting scopes"
    ]
    (found,) = texts({"cpu": "1"}, "BestEffort")
    assert found.startswith(field) and found.endswith("unsupported scope applied to resource")


def test_strategies_of_leases() -> None:
    def texts(strategy: str) -> list[str]:
        spec = {"strategy": strategy}
        lease: JsonObject = {"metadata": {"name": "l", "namespace": "x"}, "spec": spec}
        return [
            cause.text for cause in validate_create(kind_of("coordination.k8s.io/leases"), lease)
        ]

    assert texts("OldestEmulationVersion") == texts("example.com/mine") == []
    assert texts("Mine") == [
        'spec.strategy.strategy: Unsupported value: "Mine": supported values: '
        '"OldestEmulationVersion"'
    ]
