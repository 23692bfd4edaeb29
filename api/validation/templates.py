"""Validation of pod templates and of the selectors that they have to match.

Source: pkg/apis/{apps,core}/validation/validation.go.
"""

from api.core import JsonObject
from api.errors import Cause
from api.selectors import SelectorError, label_selector_of
from api.validation.label_selectors import check_label_selector
from api.validation.metadata import check_annotations, check_labels, nonnegative
from api.validation.pods import check_pod_spec


def check_selector_and_template(
    causes: list[Cause], spec: JsonObject, noun: str, owner: str
) -> None:
    """``selector`` and ``template`` of a controller that keeps its pods running.

    ``noun``, ``owner``: what it is called in the messages about either.
    """
    if check_selector(causes, spec, noun):
        check_template(causes, spec["template"], "spec.template")
        check_runs_on(causes, spec["template"]["spec"], "spec.template.spec", owner)


def check_selector(causes: list[Cause], spec: JsonObject, noun: str) -> bool:
    """``selector``, and whether it finds what ``template`` makes. False: it is none."""
    selector = spec.get("selector")
    if selector is None:
        causes.append(Cause.required("spec.selector"))
    else:
        check_label_selector(causes, selector, "spec.selector")
        if not selector.get("matchLabels") and not selector.get("matchExpressions"):
            text = f"empty selector is invalid for {noun}"
            causes.append(Cause.invalid("spec.selector", selector, text))
    try:
        matcher = label_selector_of(selector)
    except SelectorError:
        causes.append(Cause.invalid("spec.selector", selector, "invalid label selector"))
        return False
    labels = spec["template"]["metadata"].get("labels")
    if not matcher.empty and not matcher.matches(labels):
        causes.append(not_selected(labels))
    return True


def not_selected(labels: object) -> Cause:
    """The cause of a template that its own controller would not find."""
    text = "`selector` does not match template `labels`"
    return Cause.invalid("spec.template.metadata.labels", labels, text)


def check_template(causes: list[Cause], template: JsonObject, field: str) -> None:
    """Labels, annotations and specification of a pod template."""
    spec = template["spec"]
    check_template_metadata(causes, template, field)
    check_pod_spec(causes, spec, f"{field}.spec")
    if "ephemeralContainers" in spec:
        text = "ephemeral containers not allowed in pod template"
        causes.append(Cause.forbidden(f"{field}.spec.ephemeralContainers", text))


def check_template_metadata(causes: list[Cause], template: JsonObject, field: str) -> None:
    """Its labels and annotations."""
    metadata = template["metadata"]
    check_labels(causes, metadata.get("labels", {}), f"{field}.labels")
    check_annotations(causes, metadata.get("annotations", {}), f"{field}.annotations")


def check_runs_on(causes: list[Cause], spec: JsonObject, field: str, owner: str) -> None:
    """Pods of a controller that replaces them neither end nor have a deadline."""
    if spec["restartPolicy"] != "Always":
        path = f"{field}.restartPolicy"
        causes.append(Cause.not_supported(path, spec["restartPolicy"], ("Always",)))
    if "activeDeadlineSeconds" in spec:
        text = f"activeDeadlineSeconds in {owner} is not Supported"
        causes.append(Cause.forbidden(f"{field}.activeDeadlineSeconds", text))


def check_counts(causes: list[Cause], spec: JsonObject, field: str, *names: str) -> None:
    """Numbers that may not be negative, of the object at ``field`` (empty: the whole)."""
    for name in names:
        value = spec.get(name) or 0
        if value < 0:
            causes.append(nonnegative(f"{field}.{name}" if field else name, value))
