"""Validation of label selectors.

Source: ValidateLabelSelector, apimachinery/pkg/apis/meta/v1/validation/validation.go.
"""

from api.core import JsonObject
from api.errors import Cause
from api.names import wrong_with_label_value, wrong_with_qualified_name
from api.validation.metadata import check_labels


def check_label_selector(causes: list[Cause], selector: JsonObject, field: str) -> None:
    """matchLabels and matchExpressions of a LabelSelector object."""
    check_labels(causes, selector.get("matchLabels", {}), f"{field}.matchLabels")
    for index, requirement in enumerate(selector.get("matchExpressions", ())):
        path = f"{field}.matchExpressions[{index}]"
        operator, values = requirement["operator"], requirement.get("values", ())
        if operator in ("In", "NotIn"):
            if not values:
                text = "must be specified when `operator` is 'In' or 'NotIn'"
                causes.append(Cause.required(f"{path}.values", text))
        elif operator in ("Exists", "DoesNotExist"):
            if values:
                text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                causes.append(Cause.forbidden(f"{path}.values", text))
        else:
            text = "not a valid selector operator"
            causes.append(Cause.invalid(f"{path}.operator", operator, text))
        for text in wrong_with_qualified_name(requirement["key"]):
            causes.append(Cause.invalid(f"{path}.key", requirement["key"], text))
        for place, value in enumerate(values):
            for text in wrong_with_label_value(value):
                causes.append(Cause.invalid(f"{path}.values[{place}]", value, text))
