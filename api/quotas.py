"""ResourceQuotas: which of them concern an object, and what one more of it does to them.

Pure functions, for the admission that refuses and for the controller that counts. A quota is
enforced by its ``status.hard``, so nothing is before somebody has counted.

Source: CheckRequest, staging/src/k8s.io/apiserver/pkg/admission/plugin/resourcequota/controller.go
and pkg/quota/v1/evaluator/core of Kubernetes 1.36.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from api.core import JsonObject
from api.quota_scopes import in_scope
from api.quota_usage import (
    COMPUTE,
    COUNTED_BY_NAME,
    OF_CLASS,
    Amount,
    Usage,
    amounts,
    count_name,
    of_containers,
    plus,
    usage_of,
)
from api.validation.resources import is_native


class Exceeded(NamedTuple):
    """A quota has no room for an object: why."""

    text: str


IGNORED: Final = ("events", "events.k8s.io/events")
"""Kinds that no quota counts."""
_WORDS: Final = ("", "requests.", "limits.")
_STATED: Final = tuple(f"{word}{name}" for word in _WORDS for name in COMPUTE[:2])
"""If a quota has one of these, each container of a pod has to state it."""
_OF_PODS: Final = (
    *("count/pods", "pods"),
    *(f"{word}{name}" for word in _WORDS for name in COMPUTE),
)
_OF_SERVICES: Final = ("count/services", "services", "services.nodeports", "services.loadbalancers")
_OF_CLAIMS: Final = ("count/persistentvolumeclaims", "persistentvolumeclaims", "requests.storage")


def names_of(key: str, names: Mapping[str, object]) -> list[str]:
    """Those of a quota's resources that objects of this kind may take."""
    if key in IGNORED:
        return []
    if key == "pods":
        return [name for name in names if name in _OF_PODS or _is_of_pods(name)]
    if key == "services":
        return [name for name in names if name in _OF_SERVICES]
    if key == "persistentvolumeclaims":
        ends = (f"{OF_CLASS}requests.storage", f"{OF_CLASS}persistentvolumeclaims")
        return [name for name in names if name in _OF_CLAIMS or name.endswith(ends)]
    counted = (count_name(key), *((key,) if key in COUNTED_BY_NAME else ()))
    return [name for name in names if name in counted]


def charged(
    quota: JsonObject, key: str, obj: JsonObject, before: JsonObject | None
) -> Usage | Exceeded | None:
    """``status.used`` of a quota with ``obj`` (which takes the place of ``before``); None when the
    quota has nothing to do with that."""
    status = quota.get("status") or {}
    hard = amounts(status.get("hard"))
    names = names_of(key, hard)
    if not names or not in_scope(quota, key, obj):
        return None
    name = quota["metadata"]["name"]
    missing = _unstated(names, obj) if key == "pods" and before is None else ""
    if missing:
        return Exceeded(f"failed quota: {name}: {missing}")
    used = amounts(status.get("used"))
    if any(one not in used for one in names):
        return Exceeded(f"status unknown for quota: {name}, resources: {','.join(sorted(names))}")
    asked = _delta(usage_of(key, obj, 0), {} if before is None else usage_of(key, before, 0))
    asked = {one: amount for one, amount in asked.items() if one in hard and amount.nanos}
    if not asked:
        return None
    after = plus(used, asked)
    beyond = [one for one in sorted(asked) if after[one].nanos > hard[one].nanos]
    if beyond:
        return Exceeded(
            f"exceeded quota: {name}, requested: {_told(asked, beyond)}, "
            f"used: {_told(used, beyond)}, limited: {_told(hard, beyond)}"
        )
    return after


def _told(usage: Usage, names: list[str]) -> str:
    return ",".join(f"{name}={usage[name]}" for name in names if name in usage)


def _delta(after: Usage, before: Usage) -> Usage:
    less = {name: Amount(-amount.nanos, amount.form) for name, amount in before.items()}
    return plus(after, less)


def _is_of_pods(name: str) -> bool:
    """Huge pages, and resources of others as ``requests.NAME``."""
    if name.startswith(("hugepages-", "requests.hugepages-")):
        return True
    return name.startswith("requests.") and not is_native(name)


def _unstated(names: list[str], pod: JsonObject) -> str:
    """What the containers of a pod should state and do not; empty when nothing."""
    missing: dict[str, dict[str, None]] = {}
    spec = pod["spec"]
    for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
        resources = container.get("resources") or {}
        requests, limits = amounts(resources.get("requests")), amounts(resources.get("limits"))
        stated = of_containers(requests, limits)
        for name in names:
            if name in _STATED and name not in stated:
                missing.setdefault(name, {})[container["name"]] = None
    parts = [f"{name} for: {','.join(sorted(missing[name]))}" for name in sorted(missing)]
    return f"must specify {'; '.join(parts)}" if parts else ""
