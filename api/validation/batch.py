"""Validation of Jobs and CronJobs.

Source: pkg/apis/batch/validation/validation.go of Kubernetes 1.36.
"""

import re
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from api.core import JsonObject
from api.cron import ScheduleError, parse_schedule
from api.errors import Cause
from api.selectors import SelectorError, label_selector_of
from api.validation.label_selectors import check_label_selector
from api.validation.metadata import IMMUTABLE
from api.validation.outcomes import (
    INDEXED_PARALLELISM_MAX,
    check_failure_policy,
    check_manager,
    check_success_policy,
)
from api.validation.templates import check_counts, check_template, not_selected

CRON_NAME_MAX = 52
_COUNTS = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
)
_MODES = ("NonIndexed", "Indexed")
_REPLACEMENTS = ("Failed", "TerminatingOrFailed")
_CONCURRENCY = ("Allow", "Forbid", "Replace")
_SCHEDULING = ("nodeSelector", "tolerations", "affinity", "schedulingGates")
_EVERY = re.compile(r"@every (?:\d+(?:\.\d*)?(?:ns|us|µs|ms|s|m|h))+")
_LOCAL_TEXT = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"


def check_job(causes: list[Cause], job: JsonObject) -> None:
    """A new Job, defaulted and prepared; metadata apart."""
    spec = job["spec"]
    _check_generated_selector(causes, job)
    _check_spec(causes, spec, "spec")
    selector = spec.get("selector")
    if selector is None:
        causes.append(Cause.required("spec.selector"))
        return
    check_label_selector(causes, selector, "spec.selector")
    labels = spec["template"]["metadata"].get("labels")
    try:
        if not label_selector_of(selector).matches(labels):
            causes.append(not_selected(labels))
    except SelectorError:
        causes.append(Cause.invalid("spec.selector", selector, "invalid label selector"))


def _check_generated_selector(causes: list[Cause], job: JsonObject) -> None:
    spec, metadata = job["spec"], job["metadata"]
    if spec.get("manualSelector") or not spec.get("selector"):
        return
    try:
        matcher = label_selector_of(spec["selector"])
    except SelectorError:
        return
    uid, name = metadata.get("uid", ""), metadata.get("name", "")
    labels = {
        "batch.kubernetes.io/controller-uid": uid,
        "batch.kubernetes.io/job-name": name,
        "controller-uid": uid,
        "job-name": name,
    }
    if not matcher.matches(labels):
        text = "`selector` not auto-generated"
        causes.append(Cause.invalid("spec.selector", spec["selector"], text))


def _check_spec(causes: list[Cause], spec: JsonObject, field: str) -> None:
    check_counts(causes, spec, field, *_COUNTS)
    check_manager(causes, spec, field)
    mode = spec.get("completionMode", _MODES[0])
    if mode not in _MODES:
        causes.append(Cause.not_supported(f"{field}.completionMode", mode, _MODES))
    elif mode == "Indexed" and spec.get("completions") is None:
        text = "when completion mode is Indexed"
        causes.append(Cause.required(f"{field}.completions", text))
    parallelism = spec.get("parallelism") or 0
    if mode == "Indexed" and parallelism > INDEXED_PARALLELISM_MAX:
        text = f"must be less than or equal to {INDEXED_PARALLELISM_MAX} when completion mode is "
        causes.append(Cause.invalid(f"{field}.parallelism", parallelism, f"{text}Indexed"))
    if mode != "Indexed":
        for name in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if spec.get(name) is not None:
                text = "requires indexed completion mode"
                causes.append(Cause.invalid(f"{field}.{name}", spec[name], text))
    check_failure_policy(causes, spec, field)
    check_success_policy(causes, spec, field)
    _check_replacement(causes, spec, field)
    template = spec["template"]
    check_template(causes, template, f"{field}.template")
    policy, path = template["spec"]["restartPolicy"], f"{field}.template.spec.restartPolicy"
    if policy in ("Always", ""):
        causes.append(Cause.required(path, 'valid values: "OnFailure", "Never"'))
    elif policy not in ("OnFailure", "Never"):
        causes.append(Cause.not_supported(path, policy, ("OnFailure", "Never")))
    elif policy == "OnFailure" and spec.get("podFailurePolicy") is not None:
        text = 'only "Never" is supported when podFailurePolicy is specified'
        causes.append(Cause.invalid(path, policy, text))


def _check_replacement(causes: list[Cause], spec: JsonObject, field: str) -> None:
    policy = spec.get("podReplacementPolicy")
    if policy is None:
        return
    allowed = _REPLACEMENTS[:1] if spec.get("podFailurePolicy") is not None else _REPLACEMENTS
    if policy not in allowed:
        causes.append(Cause.not_supported(f"{field}.podReplacementPolicy", policy, allowed))


def check_job_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """What a Job does stays; how many at a time, for how long, and whether now, may change."""
    after, before = new["spec"], old["spec"]
    if after == before:
        return
    _check_spec(causes, after, "spec")
    elastic = after.get("completionMode") == "Indexed"
    if after.get("completions") != before.get("completions") and not (
        elastic and after.get("completions") == after.get("parallelism")
    ):
        causes.append(Cause.invalid("spec.completions", after.get("completions"), IMMUTABLE))
    waiting = before.get("suspend") and not old["status"].get("startTime")
    template = _with_old_scheduling(after, before) if waiting else after["template"]
    names = ("selector", "completionMode", "podFailurePolicy", "backoffLimitPerIndex")
    for name in (*names, "managedBy", "successPolicy"):
        if after.get(name) != before.get(name):
            causes.append(Cause.invalid(f"spec.{name}", after.get(name), IMMUTABLE))
    if template != before["template"]:
        causes.append(Cause.invalid("spec.template", after["template"], IMMUTABLE))


def _with_old_scheduling(after: JsonObject, before: JsonObject) -> JsonObject:
    """The template as if nothing of what a suspended Job may change had changed."""
    template, known = after["template"], before["template"]
    spec = {name: value for name, value in template["spec"].items() if name not in _SCHEDULING}
    spec.update({name: known["spec"][name] for name in _SCHEDULING if name in known["spec"]})
    return {"metadata": known["metadata"], "spec": spec}


def check_cron_job(causes: list[Cause], cron_job: JsonObject) -> None:
    """A new CronJob, defaulted; metadata apart from the length of its name."""
    spec = cron_job["spec"]
    schedule, zone = spec["schedule"], spec.get("timeZone")
    if not schedule:
        causes.append(Cause.required("spec.schedule"))
    else:
        _check_schedule(causes, schedule, zone)
    check_counts(causes, spec, "spec", "startingDeadlineSeconds")
    if zone is not None:
        _check_zone(causes, zone)
    policy = spec["concurrencyPolicy"]
    if policy not in _CONCURRENCY:
        causes.append(Cause.not_supported("spec.concurrencyPolicy", policy, _CONCURRENCY))
    _check_spec(causes, spec["jobTemplate"]["spec"], "spec.jobTemplate.spec")
    names = ("successfulJobsHistoryLimit", "failedJobsHistoryLimit")
    check_counts(causes, spec, "spec", *names)
    name = cron_job["metadata"].get("name", "")
    if len(name) > CRON_NAME_MAX:
        text = f"must be no more than {CRON_NAME_MAX} characters"
        causes.append(Cause.invalid("metadata.name", name, text))


def check_cron_job_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """As a new one."""
    if new["spec"] != old["spec"]:
        check_cron_job(causes, new)


def _check_schedule(causes: list[Cause], schedule: str, zone: str | None) -> None:
    if "TZ" in schedule:
        text = (
            "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
            if zone is None
            else "cannot use both timeZone field and TZ or CRON_TZ in schedule"
        )
        causes.append(Cause.invalid("spec.schedule", schedule, text))
        return
    if _EVERY.fullmatch(schedule):
        return
    try:
        parse_schedule(schedule)
    except ScheduleError as error:
        causes.append(Cause.invalid("spec.schedule", schedule, str(error)))


def _check_zone(causes: list[Cause], zone: str) -> None:
    if not zone:
        text = "timeZone must be nil or non-empty string"
        causes.append(Cause.invalid("spec.timeZone", zone, text))
    elif zone.lower() == "local":
        causes.append(Cause.invalid("spec.timeZone", zone, _LOCAL_TEXT))
    elif not _is_zone(zone):
        causes.append(Cause.invalid("spec.timeZone", zone, f"unknown time zone {zone}"))


@lru_cache(maxsize=1024)
def _is_zone(name: str) -> bool:
    """Whether the tz database, a table like our own, has it."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
