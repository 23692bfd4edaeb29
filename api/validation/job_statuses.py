"""Validation of what a Job controller reports: each rule looks at what an update changed.

Source: validateJobStatus and ValidateJobStatusUpdate in pkg/apis/batch/validation/validation.go,
getStatusValidationOptions in pkg/registry/batch/job/strategy.go of Kubernetes 1.36.
"""

import re
from collections.abc import Sequence
from typing import Any, Final

from api.core import JsonObject
from api.errors import Cause
from api.times import parse_time
from api.validation.metadata import nonnegative

_CONDITIONS: Final = "status.conditions"
_NUMBER: Final = re.compile(r"[+-]?\d+", re.ASCII)


class _Report:
    """The status of a Job with what is asked of it."""

    def __init__(self, job: JsonObject) -> None:
        self.status: JsonObject = job.get("status") or {}
        self.true = [
            condition.get("type", "")
            for condition in self.status.get("conditions") or ()
            if condition.get("status") == "True"
        ]
        self.finished = "Complete" in self.true or "Failed" in self.true

    def count(self, name: str) -> int:
        return self.status.get(name) or 0

    def uncounted(self) -> tuple[list[str], list[str]]:
        pods = self.status.get("uncountedTerminatedPods") or {}
        return pods.get("succeeded") or [], pods.get("failed") or []


def check_job_status(causes: list[Cause], new: JsonObject, old: JsonObject) -> None:
    """The status that ``new`` has instead of that of ``old``."""
    after, before = _Report(new), _Report(old)
    for name in ("active", "succeeded", "failed", "ready", "terminating"):
        if after.count(name) < 0:
            causes.append(nonnegative(f"status.{name}", after.count(name)))
    _check_uncounted(causes, after)
    _check_ends(causes, after, before)
    _check_times(causes, after, before)
    _check_finished(causes, after, before)
    _check_indexes(causes, new["spec"], after.status, before.status)
    _check_pods(causes, after, before)
    _check_success(causes, new["spec"], after.true)
    _check_steps(causes, new["spec"], after, before)


def _forbid(causes: list[Cause], text: str) -> None:
    """A fault of the conditions, which are not shown."""
    causes.append(Cause(_CONDITIONS, "FieldValueInvalid", f"Invalid value: {text}"))


def _changed(after: _Report, before: _Report, *names: str) -> bool:
    """Whether any of these fields, or of these conditions, is another one now."""
    return any(
        (name in after.true) != (name in before.true)
        if name[0].isupper()
        else after.status.get(name) != before.status.get(name)
        for name in names
    )


def _check_uncounted(causes: list[Cause], after: _Report) -> None:
    seen: list[str] = []
    for name, pods in zip(("succeeded", "failed"), after.uncounted(), strict=True):
        for index, uid in enumerate(pods):
            field = f"status.uncountedTerminatedPods.{name}[{index}]"
            if not uid:
                causes.append(Cause.invalid(field, uid, "must not be empty"))
            elif uid in seen:
                causes.append(Cause.duplicate(field, uid))
            seen.append(uid)


def _check_ends(causes: list[Cause], after: _Report, before: _Report) -> None:
    """Ends of a Job that exclude each other."""
    if "Complete" in after.true:
        for other in ("Failed", "FailureTarget"):
            if other in after.true and _changed(after, before, "Complete", other):
                _forbid(causes, f"cannot set Complete=True and {other}=true conditions")


def _check_times(causes: list[Cause], after: _Report, before: _Report) -> None:
    done, field = after.status.get("completionTime"), "status.completionTime"
    complete = "Complete" in after.true
    if _changed(after, before, "Complete", "completionTime"):
        if done and not complete:
            text = "cannot set completionTime when there is no Complete=True condition"
            causes.append(Cause.invalid(field, done, text))
        if not done and complete:
            text = "completionTime is required for Complete jobs"
            causes.append(Cause.required(field, text))
    begun = after.status.get("startTime")
    moved = _changed(after, before, "startTime", "completionTime")
    if begun and done and moved and parse_time(done) < parse_time(begun):
        text = "completionTime cannot be set before startTime"
        causes.append(Cause.invalid(field, done, text))


def _check_finished(causes: list[Cause], after: _Report, before: _Report) -> None:
    """What a Job that has ended has, or has no more."""
    ended = after.finished != before.finished
    true = after.true
    for end, cause in (("Failed", "FailureTarget"), ("Complete", "SuccessCriteriaMet")):
        if end in true and cause not in true and _changed(after, before, end, cause):
            text = f"cannot set {end}=True condition without the {cause}=true condition"
            _forbid(causes, text)
    if after.finished:
        if after.count("active") > 0 and (ended or _changed(after, before, "active")):
            text = "active>0 is invalid for finished job"
            causes.append(Cause.invalid("status.active", after.count("active"), text))
        started = after.status.get("startTime")
        if not started and (ended or _changed(after, before, "startTime")):
            text = "startTime is required for finished job"
            causes.append(Cause.required("status.startTime", text))
        name = "uncountedTerminatedPods"
        if any(after.uncounted()) and (ended or _changed(after, before, name)):
            text = "uncountedTerminatedPods needs to be empty for finished job"
            causes.append(Cause.invalid(f"status.{name}", after.status[name], text))


def _check_indexes(
    causes: list[Cause], spec: JsonObject, status: JsonObject, before: JsonObject
) -> None:
    done, failed = status.get("completedIndexes") or "", status.get("failedIndexes")
    total, per_index = spec.get("completions"), spec.get("backoffLimitPerIndex")
    done_field, failed_field = "status.completedIndexes", "status.failedIndexes"
    more_done = done != (before.get("completedIndexes") or "")
    more_failed = failed != before.get("failedIndexes")
    if more_done and total is not None:
        wrong = _wrong_with_indexes(done, total)
        if wrong:
            text = f"error parsing completedIndexes: {wrong}"
            causes.append(Cause.invalid(done_field, done, text))
    if more_failed and total is not None and per_index is not None and failed is not None:
        wrong = _wrong_with_indexes(failed, total)
        if wrong:
            text = f"error parsing failedIndexes: {wrong}"
            causes.append(Cause.invalid(failed_field, failed, text))
    if more_done and done and spec.get("completionMode") != "Indexed":
        text = "cannot set non-empty completedIndexes when non-indexed completion mode"
        causes.append(Cause.invalid(done_field, done, text))
    if more_failed and failed is not None and per_index is None:
        text = "cannot set non-null failedIndexes when backoffLimitPerIndex is null"
        causes.append(Cause.invalid(failed_field, failed, text))
    if (more_done or more_failed) and total is not None and failed is not None:
        common = _first_common(_intervals(done, total), _intervals(failed, total))
        if common is not None:
            text = f"failedIndexes and completedIndexes overlap at index: {common}"
            causes.append(Cause.invalid(failed_field, failed, text))


def _wrong_with_indexes(text: str, total: int) -> str:
    last: int | None = None
    for part in text.split(",") if text else ():
        found = _interval(part, total)
        if isinstance(found, str):
            return found
        if last is not None and last >= found[0]:
            return f"non-increasing order, previous: {last}, current: {found[0]}"
        last = found[1]
    return ""


def _interval(part: str, total: int) -> tuple[int, int] | str:
    """First and last index of ``3`` or ``3-5``; or what is wrong with it."""
    ends = part.split("-")
    if len(ends) > 2:
        return (
            f'the fragment "{part}" violates the requirement that an index interval can have at '
            "most two parts separated by '-'"
        )
    for end in ends:
        if not _NUMBER.fullmatch(end) or len(end) > _DIGITS_MAX:
            return f'cannot convert string to integer for index: "{end}"'
        if int(end) >= total:
            return f'too large index: "{end}"'
    first, last = int(ends[0]), int(ends[-1])
    if len(ends) == 2 and first >= last:
        return f"non-increasing order, previous: {first}, current: {last}"
    return first, last


_DIGITS_MAX: Final = 19


def _intervals(text: str, total: int) -> list[tuple[int, int]]:
    found = (_interval(part, total) for part in text.split(","))
    return [interval for interval in found if not isinstance(interval, str)]


def _first_common(one: Sequence[tuple[int, int]], other: Sequence[tuple[int, int]]) -> int | None:
    """The first index that lies in both; both in order. Cost: one pass over each."""
    left, right = 0, 0
    while left < len(one) and right < len(other):
        (first, last), (begin, end) = one[left], other[right]
        if first <= end and begin <= last:
            return max(first, begin)
        if first <= begin:
            left += 1
        else:
            right += 1
    return None


def _check_pods(causes: list[Cause], after: _Report, before: _Report) -> None:
    ended = after.finished != before.finished
    terminating, ready = after.count("terminating"), after.count("ready")
    if terminating > 0 and after.finished and (ended or _changed(after, before, "terminating")):
        text = "terminating>0 is invalid for finished job"
        causes.append(Cause.invalid("status.terminating", terminating, text))
    if ready > after.count("active") and _changed(after, before, "ready", "active"):
        text = "cannot set more ready pods than active"
        causes.append(Cause.invalid("status.ready", ready, text))


def _check_success(causes: list[Cause], spec: JsonObject, true: Sequence[str]) -> None:
    met = "SuccessCriteriaMet" in true
    for other in ("Failed", "FailureTarget"):
        if met and other in true:
            _forbid(causes, f"cannot set SuccessCriteriaMet=True and {other}=true conditions")
    if spec.get("successPolicy") is not None and not met and "Complete" in true:
        text = "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True"
        _forbid(causes, text)


def _check_steps(causes: list[Cause], spec: JsonObject, after: _Report, before: _Report) -> None:
    """What never goes back."""
    for kind in ("Failed", "Complete", "FailureTarget"):
        if kind in before.true and kind not in after.true:
            _forbid(causes, f"cannot disable the terminal {kind}=True condition")
    elastic = spec.get("completionMode") == "Indexed" and (
        spec.get("completions") == spec.get("parallelism")
    )
    for name in ("failed",) if elastic else ("failed", "succeeded"):
        if after.count(name) < before.count(name):
            text = f"cannot decrease the {name} counter"
            causes.append(Cause.invalid(f"status.{name}", after.count(name), text))
    done: Any = after.status.get("completionTime")
    known: Any = before.status.get("completionTime")
    if done and known and done != known:
        text = "completionTime cannot be mutated"
        causes.append(Cause.invalid("status.completionTime", done, text))
    begun = before.status.get("startTime")
    if begun and begun != after.status.get("startTime") and not spec.get("suspend"):
        text = "startTime cannot be removed for unsuspended job"
        causes.append(Cause.required("status.startTime", text))
    met, was_met = ("SuccessCriteriaMet" in report.true for report in (after, before))
    if was_met and not met:
        _forbid(causes, "cannot disable the SuccessCriteriaMet=True condition")
    if "Complete" in before.true and met and not was_met:
        text = "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions"
        _forbid(causes, text)
