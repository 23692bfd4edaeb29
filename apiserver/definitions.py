"""What becomes of a CustomResourceDefinition: its names are accepted or not, and it goes last.

Every API server looks at every definition that changes; compare-and-swap lets one of them write,
and the others then find nothing to do.

Source: apiextensions-apiserver/pkg/controller/{status,establish,finalizer,apiapproval} (v1.36);
tests/golden/api/defaults.jsonl, def-crd.
"""

from collections.abc import Generator, Iterator, Sequence
from typing import Any

import orjson

from api.apply import Writer, track_update
from api.core import JsonObject
from api.errors import NotFound, aggregate
from api.kinds import kind_of
from api.times import rfc3339
from api.validation.definitions import approval_of, is_protected, is_true
from apiserver.change import change
from apiserver.customs import DEFINITIONS, CustomKinds, Definition
from apiserver.messages import Answer
from apiserver.options import DeleteOptions
from apiserver.records import Record
from apiserver.registry import AnyVerb, Ask, FreshAsk, Registry
from apiserver.verbs.delete import CLEANUP, delete_one

_KIND = kind_of(DEFINITIONS)
_CONFORMANT = "KubernetesAPIApprovalPolicyConformant"
_Condition = tuple[str, str, str, str]
"""Type, status, reason, message."""
_Doing = Generator[Ask, Any, None]


def settled(registry: Registry, verb: AnyVerb) -> AnyVerb:
    """The answer of a write to a definition, given when this server serves what it says."""
    answer = yield from verb
    yield FreshAsk(registry.group(_KIND))
    yield from keep_definitions(registry)
    return answer


def keep_definitions(registry: Registry) -> _Doing:
    """Bring the status of all definitions up to date, and empty those that are to go."""
    custom = registry.custom
    custom.news.clear()
    custom.catch_up()
    for definition in [one for one in custom if _wishes(custom, one)]:
        yield from _write(registry, definition.obj["metadata"]["name"], False)
        yield FreshAsk(registry.group(_KIND))
        custom.catch_up()
    for definition in [one for one in custom if one.deleting and _is_held(one.obj)]:
        yield from _empty(registry, definition)


def kept(registry: Registry) -> Generator[Ask, Any, Answer]:
    """The same as a task of the server's own."""
    yield from keep_definitions(registry)
    return Answer(200, b"")


def _is_held(definition: JsonObject) -> bool:
    return CLEANUP in (definition["metadata"].get("finalizers") or ())


def _wishes(custom: CustomKinds, definition: Definition) -> bool:
    """Whether its status is not what it should be."""
    obj = definition.obj
    wanted = _wanted_status(custom, obj)
    return wanted is not None and _without_times(wanted) != _without_times(obj["status"])


def _without_times(status: JsonObject) -> JsonObject:
    conditions = status["conditions"] or []
    bare = [{k: one[k] for k in one if k != "lastTransitionTime"} for one in conditions]
    return {**status, "conditions": bare}


def _write(registry: Registry, name: str, done: bool) -> _Doing:
    """Store the status that a definition should have. ``done``: it holds nothing any more."""

    def make(record: Record, old: JsonObject) -> JsonObject:
        new: JsonObject = orjson.loads(record.value)
        wanted = _wanted_status(registry.custom, new) or new["status"]
        if done:
            wanted = _with(wanted, _completed(new))
            finalizers = [one for one in new["metadata"]["finalizers"] if one != CLEANUP]
            new["metadata"]["finalizers"] = finalizers
            if not finalizers:
                del new["metadata"]["finalizers"]
        elif "deletionTimestamp" in new["metadata"] and _is_held(new):
            text = "CustomResource deletion is in progress"
            wanted = _with(wanted, ("Terminating", "True", "InstanceDeletionInProgress", text))
        new["status"] = _timed(wanted, new["status"], rfc3339(registry.now_ns))
        writer = Writer("kube-apiserver", rfc3339(registry.now_ns), "status")
        track_update(_KIND, old, new, writer)
        return new

    try:
        yield from change(registry, _KIND, "", name, make)
    except NotFound:
        # Another server has seen to it.
        return


def _completed(definition: JsonObject) -> _Condition:
    if is_true(definition, "Established"):
        return ("Terminating", "False", "InstanceDeletionCompleted", "removed all instances")
    return ("Terminating", "False", "NeverEstablished", "resource was never established")


def _empty(registry: Registry, definition: Definition) -> _Doing:
    """Delete all objects of a definition; let it go once none is left."""
    name = definition.obj["metadata"]["name"]
    yield from _write(registry, name, False)
    kind = registry.custom.stored(definition.key)
    if kind is not None:
        yield FreshAsk(registry.group(kind))
        cache = registry.cache(kind)
        for record in list(cache.walk("")):
            try:
                yield from delete_one(registry, kind, record.namespace, record.name, _BACKGROUND)
            except NotFound:
                continue
        yield FreshAsk(registry.group(kind))
        if cache.records:
            return
    yield from _write(registry, name, True)


_BACKGROUND = DeleteOptions()


# Names


def _wanted_status(custom: CustomKinds, definition: JsonObject) -> JsonObject | None:
    """The status that a definition should have; None when its names are as they should be."""
    status: JsonObject = definition["status"]
    wanted: list[_Condition] = list(_approval(definition))
    accepted = status["acceptedNames"]
    if definition["spec"]["names"] != accepted:
        accepted, conditions = _judged_names(custom, definition)
        wanted += conditions
    if not wanted:
        return None
    made = {**status, "acceptedNames": accepted}
    for condition in wanted:
        made = _with(made, condition)
    return made


def _approval(definition: JsonObject) -> Iterator[_Condition]:
    if not is_protected(definition["spec"]["group"]):
        return
    text, state = approval_of(definition)
    if state == "approved":
        yield (_CONFORMANT, "True", "ApprovedAnnotation", f"approved in {text}")
    elif state == "unapproved":
        shown = orjson.dumps(text).decode()
        yield (_CONFORMANT, "False", "UnapprovedAnnotation", f"not approved: {shown}")


def _judged_names(
    custom: CustomKinds, definition: JsonObject
) -> tuple[JsonObject, list[_Condition]]:
    """The names that a definition gets, and the conditions that say so."""
    spec, accepted = definition["spec"], definition["status"]["acceptedNames"]
    wanted = spec["names"]
    resources, kinds = _taken(custom, spec["group"])
    names: JsonObject = dict(accepted)
    conflict: tuple[str, str] | None = None
    for name, used in (
        ("plural", resources),
        ("singular", resources),
        ("shortNames", resources),
        ("kind", kinds),
        ("listKind", kinds),
    ):
        wrong = _in_use(wanted.get(name), accepted, name, used)
        if wrong:
            conflict = f"{name[0].upper()}{name[1:]}Conflict", aggregate(wrong)
        elif name in wanted:
            names[name] = wanted[name]
        else:
            names.pop(name, None)
    names.pop("categories", None)
    if wanted.get("categories"):
        names["categories"] = wanted["categories"]
    ordered = {name: names[name] for name in _NAME_ORDER if name in names}
    if conflict is not None:
        conditions: list[_Condition] = [("NamesAccepted", "False", *conflict)]
        if not is_true(definition, "Established"):
            text = "not all names are accepted"
            conditions.append(("Established", "False", "NotAccepted", text))
        return ordered, conditions
    conditions = [("NamesAccepted", "True", "NoConflicts", "no conflicts found")]
    if not is_true(definition, "Established"):
        text = "the initial names have been accepted"
        conditions.append(("Established", "True", "InitialNamesAccepted", text))
    return ordered, conditions


_NAME_ORDER = ("plural", "singular", "shortNames", "kind", "listKind", "categories")


def _taken(custom: CustomKinds, group: str) -> tuple[list[str], list[str]]:
    """Names of resources and of kinds that definitions of a group have already."""
    resources: list[str] = []
    kinds: list[str] = []
    for definition in custom:
        if definition.obj["spec"]["group"] == group:
            names = definition.obj["status"]["acceptedNames"]
            resources += [names["plural"], names.get("singular", ""), *names.get("shortNames", ())]
            kinds += [names["kind"], names.get("listKind", "")]
    return resources, kinds


def _in_use(wanted: Any, accepted: JsonObject, name: str, used: Sequence[str]) -> list[str]:
    """Which of the wanted names belong to somebody else."""
    if wanted is None:
        return []
    mine = accepted.get(name)
    if isinstance(wanted, str):
        return [f'"{wanted}" is already in use'] if wanted != mine and wanted in used else []
    own = [*(mine or ()), accepted["plural"], accepted.get("singular", "")]
    return [f'"{one}" is already in use' for one in wanted if one not in own and one in used]


# Conditions


def _with(status: JsonObject, condition: _Condition) -> JsonObject:
    """A status with a condition in place of the one of its type."""
    kind, state, reason, message = condition
    made = {"type": kind, "status": state, "reason": reason, "message": message}
    conditions = list(status["conditions"] or [])
    for index, one in enumerate(conditions):
        if one["type"] == kind:
            conditions[index] = made
            return {**status, "conditions": conditions}
    return {**status, "conditions": [*conditions, made]}


def _timed(status: JsonObject, before: JsonObject, now: str) -> JsonObject:
    """The same with the times at which conditions came to be so."""
    known = {one["type"]: one for one in before["conditions"] or ()}
    conditions = []
    for one in status["conditions"] or ():
        past = known.get(one["type"])
        same = past is not None and past["status"] == one["status"]
        since = past.get("lastTransitionTime") if same and past is not None else now
        entry = {"type": one["type"], "status": one["status"], "lastTransitionTime": since or now}
        # A client may have written conditions without them.
        said = {name: one[name] for name in ("reason", "message") if name in one}
        conditions.append({**entry, **said})
    return {**status, "conditions": conditions}
