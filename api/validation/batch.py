"""Validation of Jobs and CronJobs.

Source: pkg/apis/batch/validation/validation.go of Kubernetes 1.36.
"""

import re
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from api.core import JsonObject
from api.cron import ScheduleError, parse_schedule
from api.errors import Cause
from api.names import wrong_with_label
from api.selectors import SelectorError, label_selector_of
from api.validation.label_selectors import check_label_selector
from api.validation.metadata import IMMUTABLE
from api.validation.outcomes import (
    check_failure_policy,
    check_indexes,
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
_ZONE_PART = re.compile(r"[A-Za-z._0-9+-]{1,14}")
_LOCAL_TEXT = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"


def check_job(causes: list[Cause], job: JsonObject) -> None:
    """A new Job, defaulted and prepared; metadata apart."""
    _check_generated_selector(causes, job)
    spec, name = job["spec"], job["metadata"].get("name", "")
    _check_job_spec(causes, spec)
    count = spec.get("completions") or 0
    if spec.get("completionMode") == "Indexed" and count > 0:
        last = f"{name}-{count - 1}"
        if wrong_with_label(last):
            text = f"will not able to create pod with invalid DNS label: {last}"
            causes.append(Cause.invalid("metadata.name", name, text))


def _check_job_spec(causes: list[Cause], spec: JsonObject) -> None:
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
    if spec.get("maxFailedIndexes") is not None and spec.get("backoffLimitPerIndex") is None:
        text = "when maxFailedIndexes is specified"
        causes.append(Cause.required(f"{field}.backoffLimitPerIndex", text))
    check_manager(causes, spec, field)
    mode = spec.get("completionMode", _MODES[0])
    if mode not in _MODES:
        causes.append(Cause.not_supported(f"{field}.completionMode", mode, _MODES))
    elif mode == "Indexed" and spec.get("completions") is None:
        text = "when completion mode is Indexed"
        causes.append(Cause.required(f"{field}.completions", text))
    if mode == "Indexed":
        check_indexes(causes, spec, field)
    if mode == "NonIndexed":
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
    """What a Job does stays; how many at a time, for how long, and whether now, may change. The
    rest is judged twice, as there."""
    after, before = new["spec"], old["spec"]
    if after == before:
        return
    check_job(causes, new)
    _check_job_spec(causes, after)
    _check_same_completions(causes, after, before)
    known, template = before["template"], after["template"]
    free = before.get("suspend") and _is_at_rest(old["status"])
    if free:
        known, template = _unscheduled(known["spec"]), _unscheduled(template["spec"])
    names = ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy")
    for name in ("selector", "template", *names, "successPolicy"):
        same = known == template if name == "template" else after.get(name) == before.get(name)
        if not same:
            path = "template.spec" if free and name == "template" else name
            causes.append(Cause.invalid(f"spec.{path}", after.get(name), IMMUTABLE))


def _check_same_completions(causes: list[Cause], after: JsonObject, before: JsonObject) -> None:
    """``completions`` may not change, except that those of an indexed Job follow
    ``parallelism``."""
    count = after.get("completions")
    if count == before.get("completions"):
        return
    if after.get("completionMode") != "Indexed":
        causes.append(Cause.invalid("spec.completions", count, IMMUTABLE))
    elif count is not None and count != after.get("parallelism"):
        text = "can only be modified in tandem with spec.parallelism"
        causes.append(Cause.invalid("spec.completions", count, text))


def _is_at_rest(status: JsonObject) -> bool:
    """Whether a suspended Job has no pods, and has not started or has stopped since."""
    stopped = any(
        condition.get("type") == "Suspended" and condition.get("status") == "True"
        for condition in status.get("conditions") or ()
    )
    return not status.get("active") and (stopped or not status.get("startTime"))


def _unscheduled(spec: JsonObject) -> JsonObject:
    """A pod's specification without what a suspended Job may change of it: where its pods go, and
    what their containers ask for."""
    rest = {name: value for name, value in spec.items() if name not in _SCHEDULING}
    for name in ("containers", "initContainers"):
        if rest.get(name):
            rest[name] = [{**one, "resources": {}} for one in rest[name]]
    affinity = {name: value for name, value in (spec.get("affinity") or {}).items() if value}
    affinity.pop("nodeAffinity", None)
    return {**rest, "affinity": affinity}


def check_cron_job(causes: list[Cause], cron_job: JsonObject) -> None:
    """A new CronJob, defaulted; metadata apart from the length of its name."""
    _check_cron_spec(causes, cron_job["spec"], {})
    name = cron_job["metadata"].get("name", "")
    if len(name) > CRON_NAME_MAX:
        text = f"must be no more than {CRON_NAME_MAX} characters"
        causes.append(Cause.invalid("metadata.name", name, text))


def check_cron_job_update(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """As a new one, but for its name, a time zone that stays, and one that was in the schedule."""
    if new["spec"] != old["spec"]:
        _check_cron_spec(causes, new["spec"], old["spec"])


def _check_cron_spec(causes: list[Cause], spec: JsonObject, old: JsonObject) -> None:
    """``old``: the last specification; empty for a new one."""
    schedule, zone = spec["schedule"], spec.get("timeZone")
    if not schedule:
        causes.append(Cause.required("spec.schedule"))
    else:
        _check_schedule(causes, schedule)
        known = "TZ" in old.get("schedule", "")
        text = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        if known:
            text = "cannot use both timeZone field and TZ or CRON_TZ in schedule"
        if "TZ" in schedule and (zone is not None or not known):
            causes.append(Cause.invalid("spec.schedule", schedule, text))
    check_counts(causes, spec, "spec", "startingDeadlineSeconds")
    if zone is not None and zone != old.get("timeZone"):
        _check_zone(causes, zone)
    policy = spec["concurrencyPolicy"]
    if policy not in _CONCURRENCY:
        causes.append(Cause.not_supported("spec.concurrencyPolicy", policy, _CONCURRENCY))
    template, field = spec["jobTemplate"]["spec"], "spec.jobTemplate.spec"
    _check_spec(causes, template, field)
    if template.get("selector") is not None:
        text = "`selector` will be auto-generated"
        causes.append(Cause.invalid(f"{field}.selector", template["selector"], text))
    if template.get("manualSelector"):
        causes.append(Cause.not_supported(f"{field}.manualSelector", True, ("nil", "false")))
    names = ("successfulJobsHistoryLimit", "failedJobsHistoryLimit")
    check_counts(causes, spec, "spec", *names)


def _check_schedule(causes: list[Cause], schedule: str) -> None:
    """What the parser says; a zone in front of the fields is one of its forms."""
    fields = schedule
    if schedule.startswith(("TZ=", "CRON_TZ=")):
        place, _, fields = schedule.partition(" ")
        zone = place.partition("=")[2]
        if not _is_zone(zone or "UTC"):
            text = f"provided bad location {zone}: unknown time zone {zone}"
            causes.append(Cause.invalid("spec.schedule", schedule, text))
            return
    if _EVERY.fullmatch(fields):
        return
    try:
        parse_schedule(fields.strip())
    except ScheduleError as error:
        causes.append(Cause.invalid("spec.schedule", schedule, str(error)))


def _check_zone(causes: list[Cause], zone: str) -> None:
    if not zone:
        text = "timeZone must be nil or non-empty string"
        causes.append(Cause.invalid("spec.timeZone", zone, text))
        return
    unnamed = any(
        part in (".", "..") or part.startswith("-") or not _ZONE_PART.fullmatch(part)
        for part in zone.split("/")
    )
    if zone.lower() == "local" and not unnamed:
        causes.append(Cause.invalid("spec.timeZone", zone, _LOCAL_TEXT))
    if unnamed or (zone != "Local" and not _is_zone(zone)):
        causes.append(Cause.invalid("spec.timeZone", zone, f"unknown time zone {zone}"))


@lru_cache(maxsize=1024)
def _is_zone(name: str) -> bool:
    """Whether the tz database, a table like our own, has it."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
