"""Validation of conditions of the common form, ``metav1.Condition``.

Source: ValidateConditions, apimachinery/pkg/apis/meta/v1/validation/validation.go.
"""

import re
from collections.abc import Sequence
from typing import Final

from api.core import JsonObject
from api.errors import Cause
from api.names import wrong_with_qualified_name

_STATUSES: Final = ("False", "True", "Unknown")
_REASON_BYTES_MAX: Final = 1024
_MESSAGE_BYTES_MAX: Final = 32 * 1024
_REASON_TEXT: Final = "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?"
_REASON: Final = re.compile(_REASON_TEXT)
_REASON_MESSAGE: Final = (
    "a condition reason must start with alphabetic character, optionally followed by a string of "
    "alphanumeric characters or '_,:', and must end with an alphanumeric character or '_' (e.g. "
    "'my_name',  or 'MY_NAME',  or 'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex "
    f"used for validation is '{_REASON_TEXT}')"
)


def check_conditions(causes: list[Cause], conditions: Sequence[JsonObject], field: str) -> None:
    """Each type once, with a state, a reason and the time of its last change."""
    seen: list[str] = []
    for index, condition in enumerate(conditions):
        path, kind = f"{field}[{index}]", condition.get("type", "")
        if kind in seen:
            causes.append(Cause.duplicate(path, kind))
        seen.append(kind)
        _check_condition(causes, condition, path)


def _check_condition(causes: list[Cause], condition: JsonObject, field: str) -> None:
    kind, status, reason = (condition.get(name, "") for name in ("type", "status", "reason"))
    if not kind:
        causes.append(Cause.required(f"{field}.type", "is required"))
    for text in wrong_with_qualified_name(kind) if kind else ():
        causes.append(Cause.invalid(f"{field}.type", kind, text))
    if not status:
        causes.append(Cause.required(f"{field}.status"))
    elif status not in _STATUSES:
        causes.append(Cause.not_supported(f"{field}.status", status, _STATUSES))
    generation = condition.get("observedGeneration", 0)
    if generation < 0:
        text = "must be greater than or equal to zero"
        causes.append(Cause.invalid(f"{field}.observedGeneration", generation, text))
    if not condition.get("lastTransitionTime"):
        causes.append(Cause.required(f"{field}.lastTransitionTime"))
    if not reason:
        causes.append(Cause.required(f"{field}.reason"))
    elif not _REASON.fullmatch(reason):
        causes.append(Cause.invalid(f"{field}.reason", reason, _REASON_MESSAGE))
    if len(reason.encode()) > _REASON_BYTES_MAX:
        causes.append(Cause.too_long(f"{field}.reason", _REASON_BYTES_MAX))
    if len(condition.get("message", "").encode()) > _MESSAGE_BYTES_MAX:
        causes.append(Cause.too_long(f"{field}.message", _MESSAGE_BYTES_MAX))
