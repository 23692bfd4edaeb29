"""Scale, binding and eviction: parts of objects with shapes of their own."""

from functools import partial

import orjson

from api.apply import track_scale
from api.core import JsonObject
from api.errors import BadRequest, Cause, Conflict, Invalid, NotFound, PlainError, aggregate
from api.kinds import Kind, kind_by_gvk
from api.lifecycle import prepare_update
from api.selectors import label_selector_of
from api.times import rfc3339
from apiserver.answers import answer_of_object, success_status
from apiserver.bodies import decode_object
from apiserver.change import change
from apiserver.forms import shaped
from apiserver.messages import Answer
from apiserver.negotiate import check_shape
from apiserver.options import DeleteOptions, write_options
from apiserver.ownership import writer_of
from apiserver.records import Record
from apiserver.registry import Registry, Request, Verb
from apiserver.verbs.budgets import spend_budget
from apiserver.verbs.delete import delete_one
from apiserver.verbs.read import check_include, not_older, revision_of
from apiserver.verbs.scalepatch import SCALE, set_owners, wish_of
from apiserver.verbs.update import uid_precondition

_BINDING = kind_by_gvk("", "v1", "Binding")
_EVICTION = kind_by_gvk("policy", "v1", "Eviction")
_SCALE_META = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


# Scale


def scale_of(obj: JsonObject, revision: int) -> JsonObject:
    """The Scale of a parsed Deployment or ReplicaSet."""
    meta = {**obj["metadata"], "resourceVersion": str(revision)}
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    scale: JsonObject = {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {name: meta[name] for name in _SCALE_META if name in meta},
        "spec": {"replicas": spec["replicas"]} if spec.get("replicas") else {},
        "status": {"replicas": status.get("replicas", 0)},
    }
    selector = str(label_selector_of(spec.get("selector")))
    if selector:
        scale["status"]["selector"] = selector
    return scale


def get_scale(registry: Registry, request: Request) -> Verb:
    """GET of the Scale of an object that has one of itself."""
    kind = request.kind
    yield from not_older(registry, kind, revision_of(request.options.get("resourceVersion", "")))
    cache = registry.cache(kind)
    record = cache.records.get(cache.key(request.namespace, request.name))
    if record is None:
        raise NotFound(kind.key, request.name)
    scale = scale_of(record.object(), record.revision)
    check_include(request)
    check_shape(request.form, "autoscaling.Scale", False)
    if request.form.kind in ("table", "partial"):
        include = request.options.get("includeObject", "")
        scale = shaped(SCALE, scale, request.form, include, registry.now_ns)
    return answer_of_object(200, scale, record.revision)


def set_scale(registry: Registry, request: Request) -> Verb:
    """PUT or PATCH of a Scale: a change of spec.replicas."""
    kind = request.kind
    patch, options, given = wish_of(registry, request)

    def make(record: Record, old: JsonObject) -> JsonObject:
        wanted = given
        if patch is not None:
            wanted = patch.wanted(scale_of(old, record.revision), old, _REPLICAS)
        new = _scaled(kind, record, old, wanted)
        if patch is not None and patch.applies:
            set_owners(kind, new, old, wanted, _REPLICAS)
        else:
            track_scale(kind, old, new, writer_of(registry, request))
        return new

    changed = yield from change(
        registry, kind, request.namespace, request.name, make, options.dry_run
    )
    obj: JsonObject = orjson.loads(changed.value)
    return answer_of_object(200, scale_of(obj, changed.revision), changed.revision)


_REPLICAS = ("spec", "replicas")


def _scaled(kind: Kind, record: Record, old: JsonObject, scale: JsonObject) -> JsonObject:
    revision = scale["metadata"].get("resourceVersion")
    if revision and revision != str(record.revision):
        raise Conflict(kind.key, record.name)
    replicas = (scale.get("spec") or {}).get("replicas", 0)
    if replicas < 0:
        text = "must be greater than or equal to 0"
        causes = [Cause.invalid("spec.replicas", replicas, text)]
        raise Invalid(SCALE.qualified, record.name, causes)
    new: JsonObject = orjson.loads(record.value)
    new["spec"]["replicas"] = replicas
    prepare_update(kind, new, old)
    return new


# Binding


def bind(registry: Registry, request: Request) -> Verb:
    """POST of a Binding: the scheduler's decision. Source: BindingREST, core/pod/storage."""
    options = write_options("CreateOptions", request.options, request.over_frames)
    binding, _ = decode_object(_BINDING, request, options.field_validation)
    meta = binding["metadata"]
    name = request.name or meta.get("name", "")
    if request.name and meta.get("name", "") != request.name and not request.over_frames:
        raise BadRequest("name in URL does not match name in Binding object")
    _check_target(binding.get("target") or {})
    make = partial(_bound, name, binding, rfc3339(registry.now_ns))
    pods = registry.caches["pods"].kind
    changed = yield from change(registry, pods, request.namespace, name, make, options.dry_run)
    if request.quiet:
        return Answer(201, b"", changed.revision)
    return answer_of_object(201, success_status(201, None), changed.revision)


def _check_target(target: JsonObject) -> None:
    wrong: list[str] = []
    if target.get("kind", "") not in ("", "Node"):
        shown = target["kind"]
        wrong.append(
            f'target.kind: Unsupported value: "{shown}": supported values: "Node", "<empty>"'
        )
    if not target.get("name"):
        wrong.append("target.name: Required value")
    if wrong:
        raise PlainError(aggregate(wrong))


def _bound(
    name: str, binding: JsonObject, time: str, record: Record, old: JsonObject
) -> JsonObject:
    meta = binding["metadata"]
    if meta.get("uid") and meta["uid"] != record.uid:
        raise Conflict("pods", name, uid_precondition(record, meta["uid"]))
    revision = meta.get("resourceVersion")
    if revision and revision != str(record.revision):
        raise Conflict("pods", name)
    spec = old["spec"]
    if "deletionTimestamp" in old["metadata"]:
        raise Conflict(
            "pods/binding", name, f"pod {name} is being deleted, cannot be assigned to a host"
        )
    if spec.get("nodeName"):
        raise Conflict(
            "pods/binding", name, f'pod {name} is already assigned to node "{spec["nodeName"]}"'
        )
    if spec.get("schedulingGates"):
        raise Conflict("pods/binding", name, f"pod {name} has non-empty .spec.schedulingGates")
    new: JsonObject = orjson.loads(record.value)
    new["spec"]["nodeName"] = binding["target"]["name"]
    if meta.get("annotations"):
        new["metadata"]["annotations"] = {
            **(new["metadata"].get("annotations") or {}),
            **meta["annotations"],
        }
    status = new.setdefault("status", {})
    conditions = [c for c in status.get("conditions") or () if c.get("type") != "PodScheduled"]
    scheduled = {
        "type": "PodScheduled",
        "status": "True",
        "lastProbeTime": None,
        "lastTransitionTime": time,
    }
    status["conditions"] = [*conditions, scheduled]
    return new


# Eviction


def evict(registry: Registry, request: Request) -> Verb:
    """POST of an Eviction: a DELETE that a disruption budget may refuse."""
    options = write_options("CreateOptions", request.options, request.over_frames)
    if b'"policy/v1beta1"' in request.body:
        request.body = request.body.replace(b'"policy/v1beta1"', b'"policy/v1"', 1)
    eviction, _ = decode_object(_EVICTION, request, options.field_validation)
    name = request.name
    if eviction["metadata"].get("name") != name:
        raise BadRequest("name in URL does not match name in Eviction object")
    given = eviction.get("deleteOptions") or {}
    conditions = given.get("preconditions") or {}
    wanted = DeleteOptions(
        dry_run=options.dry_run or bool(given.get("dryRun")),
        grace_period_s=given.get("gracePeriodSeconds"),
        propagation=given.get("propagationPolicy") or "",
        uid=conditions.get("uid") or "",
        resource_version=conditions.get("resourceVersion") or "",
    )
    cache = registry.cache(request.kind)
    pod = cache.records.get(cache.key(request.namespace, name))
    if pod is not None:
        yield from spend_budget(registry, pod, wanted.dry_run)
    deleted = yield from delete_one(registry, request.kind, request.namespace, name, wanted)
    return answer_of_object(201, success_status(201, None), deleted.revision)
