"""LimitRange admission: what containers get from a namespace's limits, and what they may ask for.

Pure functions on a defaulted pod or claim and the LimitRange objects of its namespace.

Source: plugin/pkg/admission/limitranger/admission.go of Kubernetes 1.36;
tests/golden/api/errors.jsonl, err-limitrange.
"""

from collections.abc import Iterator, Mapping, Sequence

from api.core import JsonObject
from api.podspec import aggregate_requests, amounts_of
from api.quantity import DECIMAL_SI, parse, text_of

ANNOTATION = "kubernetes.io/limit-ranger"
NANO = 1_000_000_000


def limit_pod(pod: JsonObject, ranges: Sequence[JsonObject]) -> list[str]:
    """Fill in the default requests and limits in place; say what is still out of bounds."""
    for limit_range in ranges:
        _fill(pod, limit_range)
    return [text for limit_range in ranges for text in _pod_faults(pod, limit_range)]


def limit_claim(claim: JsonObject, ranges: Sequence[JsonObject]) -> list[str]:
    """Messages about the storage that a PersistentVolumeClaim requests beyond the ranges'
    bounds."""
    kind = "PersistentVolumeClaim"
    requests = claim["spec"].get("resources", {}).get("requests", {})
    faults: list[str] = []
    for limit_range in ranges:
        for item in _items(limit_range, kind):
            for name, bound in item.get("min", {}).items():
                fault = _below(bound, requests.get(name), None)
                if fault:
                    faults.append(f"minimum {name} usage per {kind} is {bound}{fault}")
            for name, bound in item.get("max", {}).items():
                fault = _asks_more(bound, requests.get(name))
                if fault:
                    faults.append(f"maximum {name} usage per {kind} is {bound}{fault}")
    return faults


def _items(limit_range: JsonObject, kind: str) -> Iterator[JsonObject]:
    for item in limit_range["spec"].get("limits") or ():
        if item.get("type") == kind:
            yield item


def _fill(pod: JsonObject, limit_range: JsonObject) -> None:
    requests: dict[str, str] = {}
    limits: dict[str, str] = {}
    for item in _items(limit_range, "Container"):
        requests.update(item.get("defaultRequest", {}))
        limits.update(item.get("default", {}))
    spec = pod["spec"]
    told: list[str] = []
    for word, field in (("container", "containers"), ("init container", "initContainers")):
        for container in spec.get(field) or ():
            told += _fill_container(container, word, requests, limits)
    if told:
        text = "LimitRanger plugin set: " + "; ".join(told)
        pod["metadata"].setdefault("annotations", {})[ANNOTATION] = text


def _fill_container(
    container: JsonObject, word: str, requests: Mapping[str, str], limits: Mapping[str, str]
) -> list[str]:
    told: list[str] = []
    resources = container["resources"]
    for field, noun, defaults in (("requests", "request", requests), ("limits", "limit", limits)):
        present = resources.get(field, {})
        missing = sorted(name for name in defaults if name not in present)
        if missing:
            resources[field] = {**present, **{name: defaults[name] for name in missing}}
            told.append(f"{', '.join(missing)} {noun} for {word} {container['name']}")
    return told


def _pod_faults(pod: JsonObject, limit_range: JsonObject) -> Iterator[str]:
    spec = pod["spec"]
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    for item in _items(limit_range, "Container"):
        for container in containers:
            resources = container["resources"]
            requests, limits = resources.get("requests", {}), resources.get("limits", {})
            yield from _bounds(item, "Container", requests, limits)
    for item in _items(limit_range, "Pod"):
        yield from _bounds(item, "Pod", _sum_of_requests(spec), _sum_of_limits(spec))


def _sum_of_requests(spec: JsonObject) -> dict[str, str]:
    totals = aggregate_requests(spec)
    return {name: text_of(nanos, DECIMAL_SI) for name, nanos in totals.items()}


def _sum_of_limits(spec: JsonObject) -> dict[str, str]:
    """Limits of the containers together, or the largest of the init containers if that is more."""
    totals: dict[str, int] = {}
    for container in spec.get("containers") or ():
        for name, nanos in amounts_of(container["resources"].get("limits")).items():
            totals[name] = totals.get(name, 0) + nanos
    for container in spec.get("initContainers") or ():
        for name, nanos in amounts_of(container["resources"].get("limits")).items():
            totals[name] = max(totals.get(name, 0), nanos)
    return {name: text_of(nanos, DECIMAL_SI) for name, nanos in totals.items()}


def _bounds(
    item: JsonObject, kind: str, requests: Mapping[str, str], limits: Mapping[str, str]
) -> Iterator[str]:
    for name, bound in item.get("min", {}).items():
        fault = _below(bound, requests.get(name), limits.get(name))
        if fault:
            yield f"minimum {name} usage per {kind} is {bound}{fault}"
    for name, bound in item.get("max", {}).items():
        fault = _above(bound, requests.get(name), limits.get(name))
        if fault:
            yield f"maximum {name} usage per {kind} is {bound}{fault}"
    for name, bound in item.get("maxLimitRequestRatio", {}).items():
        fault = _beyond(bound, requests.get(name), limits.get(name))
        if fault:
            yield f"{name} max limit to request ratio per {kind} is {bound}{fault}"


def _below(bound: str, request: str | None, limit: str | None) -> str:
    if request is None:
        return ".  No request is specified"
    if parse(request)[0] < parse(bound)[0]:
        return f", but request is {request}"
    if limit is not None and parse(limit)[0] < parse(bound)[0]:
        return f", but limit is {limit}"
    return ""


def _above(bound: str, request: str | None, limit: str | None) -> str:
    if limit is None:
        return ".  No limit is specified"
    if parse(limit)[0] > parse(bound)[0]:
        return f", but limit is {limit}"
    return _asks_more(bound, request)


def _asks_more(bound: str, request: str | None) -> str:
    if request is not None and parse(request)[0] > parse(bound)[0]:
        return f", but request is {request}"
    return ""


def _beyond(bound: str, request: str | None, limit: str | None) -> str:
    asked, allowed = _nanos(request), _nanos(limit)
    if not asked:
        return ", but no request is specified or request is 0"
    if not allowed:
        return ", but no limit is specified or limit is 0"
    if allowed * NANO > asked * parse(bound)[0]:
        return f", but provided ratio is {allowed / asked:f}"
    return ""


def _nanos(text: str | None) -> int:
    return 0 if text is None else parse(text)[0]
