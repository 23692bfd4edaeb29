"""Rows of Jobs and CronJobs.

Source: printJob, printCronJob in pkg/printers/internalversion/printers.go.
"""

from typing import Any

from api.core import JsonObject
from api.printers.ages import NONE, age, human_duration
from api.printers.workloads import containers_of
from api.selectors import label_selector_of
from api.times import parse_time


def job_cells(job: JsonObject, now_ns: int) -> list[Any]:
    """Name, status, completions, duration, age; wide: containers, images, selector."""
    metadata, spec, status = job["metadata"], job["spec"], job.get("status", {})
    names, images = containers_of(spec["template"]["spec"])
    return [
        metadata["name"],
        _job_state(job),
        _completions(spec, status),
        _duration(status, now_ns),
        age(metadata.get("creationTimestamp"), now_ns),
        names,
        images,
        str(label_selector_of(spec.get("selector"))),
    ]


def _job_state(job: JsonObject) -> str:
    conditions = job.get("status", {}).get("conditions") or ()
    true = [one.get("type") for one in conditions if one.get("status") == "True"]
    for condition, shown in (
        ("Complete", "Complete"),
        ("Failed", "Failed"),
    ):
        if condition in true:
            return shown
    if "deletionTimestamp" in job["metadata"]:
        return "Terminating"
    for condition in ("Suspended", "FailureTarget", "SuccessCriteriaMet"):
        if condition in true:
            return condition
    return "Running"


def _completions(spec: JsonObject, status: JsonObject) -> str:
    done, wanted = status.get("succeeded", 0), spec.get("completions")
    if wanted is not None:
        return f"{done}/{wanted}"
    parallelism = spec.get("parallelism") or 0
    return f"{done}/1 of {parallelism}" if parallelism > 1 else f"{done}/1"


def _duration(status: JsonObject, now_ns: int) -> str:
    start, end = status.get("startTime"), status.get("completionTime")
    if not start:
        return ""
    return human_duration((parse_time(end) if end else now_ns) - parse_time(start))


def cron_job_cells(cron_job: JsonObject, now_ns: int) -> list[Any]:
    """Name, schedule, zone, suspended, active, last, age; wide: containers, images, selector."""
    metadata, spec = cron_job["metadata"], cron_job["spec"]
    status = cron_job.get("status", {})
    last, template = status.get("lastScheduleTime"), spec["jobTemplate"]["spec"]
    names, images = containers_of(template["template"]["spec"])
    return [
        metadata["name"],
        spec.get("schedule", ""),
        spec.get("timeZone") or NONE,
        str(bool(spec.get("suspend"))),
        len(status.get("active") or ()),
        age(last, now_ns) if last else NONE,
        age(metadata.get("creationTimestamp"), now_ns),
        names,
        images,
        str(label_selector_of(template.get("selector"))) or NONE,
    ]
