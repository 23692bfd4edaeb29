"""The objects that a cluster has before anybody asks, as a fresh kube-apiserver makes them.

Namespaces and the API's own Service go through the rules of a create. The others (roles and their
bindings, flow schemas, priority levels and classes, the service range) are written as recorded, by
several lanes at once. Namespaces, the Service and flow control are looked after in rounds, if
somebody deleted or changed one. Roles come back at the next start.

Source: tests/golden/api/bootstrap.jsonl; pkg/controlplane/controller/kubernetesservice/
controller.go, systemnamespaces/system_namespaces_controller.go, pkg/registry/flowcontrol/ensurer
and pkg/registry/{rbac,scheduling,flowcontrol}/rest at v1.36.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import orjson

from api.apply import Writer, track_create
from api.calls import ADDED, DELETED
from api.core import JsonObject
from api.errors import AlreadyExists, NotFound
from api.kinds import Kind, kind_of
from api.storage import CONFLICT
from api.times import rfc3339
from apiserver.change import change
from apiserver.messages import Answer, User
from apiserver.recent import CacheEvent
from apiserver.records import Record, encode
from apiserver.registry import Registry, Request, Verb
from apiserver.storefail import raise_if_failed
from apiserver.tasks import BOOTSTRAP_LANES
from apiserver.verbs.create import Draft, create_object

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
ROUND_NS = 10 * 10**9
"""Source: DefaultEndpointReconcilerInterval, pkg/controlplane/apiserver/config.go. Namespaces and
flow control have a minute there."""
_SERVER = User("system:apiserver", ("system:masters",))
_SERVICE_KEY = b"/registry/services/default/kubernetes"
_PORTS = ({"name": "https", "protocol": "TCP", "port": 443, "targetPort": 6443},)

_FLOW_SCHEMAS = "flowcontrol.apiserver.k8s.io/flowschemas"
_LEVELS = "flowcontrol.apiserver.k8s.io/prioritylevelconfigurations"
_CARED_FOR = ("services", "namespaces", _FLOW_SCHEMAS, _LEVELS)
_MANDATORY = ("exempt", "catch-all")
"""Changes of these are undone whatever their annotation says."""
_AUTO = "apf.kubernetes.io/autoupdate-spec"
_TRUE = ("1", "t", "T", "true", "TRUE", "True")
_FALSE = ("0", "f", "F", "false", "FALSE", "False")
"""Source: strconv.ParseBool of Go."""

_FILE = Path(__file__).parent / "data" / "bootstrap.json"
_TIME = b"0001-01-01T00:00:00Z"
_DATE = b"0001-01-01"
_UID = b"00000000-0000-0000-0000-000000000000"
"""What stands in the file for what each start makes; as long as what takes its place, so that an
object is encoded once in a process."""


class Recorded(NamedTuple):
    """An object of the file, encoded."""

    kind: Kind
    namespace: str
    name: str
    header: bytes
    value: bytes


@cache
def recorded() -> tuple[Recorded, ...]:
    """The objects that a real server makes at its first start, as they were recorded."""
    return tuple(_encoded(kind_of(key), obj) for key, obj in orjson.loads(_FILE.read_bytes()))


def _encoded(kind: Kind, obj: JsonObject) -> Recorded:
    meta = obj["metadata"]
    obj["metadata"] = {
        "name": meta.pop("name"),
        **({"namespace": meta.pop("namespace")} if kind.namespaced else {}),
        "uid": _UID.decode(),
        **({"generation": meta.pop("generation")} if "generation" in meta else {}),
        "creationTimestamp": _TIME.decode(),
        **meta,
    }
    track_create(kind, obj, Writer("kube-apiserver", _TIME.decode(), ""))
    header, value, _ = encode(kind, obj)
    meta = obj["metadata"]
    return Recorded(kind, meta.get("namespace", ""), meta["name"], header, value)


def bootstrap(registry: Registry) -> Iterator[Verb]:
    """Tasks that create what is missing. Every API server does it; the first one wins."""
    yield _first_objects(registry)
    for lane in range(BOOTSTRAP_LANES):
        yield _write_missing(registry, recorded()[lane::BOOTSTRAP_LANES])


def _first_objects(registry: Registry) -> Verb:
    for name in NAMESPACES:
        yield from _create(registry, "namespaces", "", {"metadata": {"name": name}})
    service: JsonObject = {
        "metadata": {
            "name": "kubernetes",
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {
            "ports": [dict(port) for port in _PORTS],
            "clusterIP": "10.96.0.1",
            "type": "ClusterIP",
        },
    }
    yield from _create(registry, "services", "default", service)
    return Answer(200, b"")


def _write_missing(registry: Registry, objects: tuple[Recorded, ...]) -> Verb:
    for one in objects:
        known = registry.cache(one.kind)
        key = known.key(one.namespace, one.name)
        if key in known.records:
            continue
        now, uid = rfc3339(registry.now_ns).encode(), registry.uids.uuid().encode()
        header = one.header.replace(_UID, uid)
        value = one.value.replace(_UID, uid).replace(_TIME, now).replace(_DATE, now[: len(_DATE)])
        reply = yield from registry.put(one.kind, key, (header, value), 0)
        raise_if_failed(reply, CONFLICT)
    return Answer(200, b"")


def needs_care(resource: str, events: Sequence[CacheEvent]) -> bool:
    """Whether one of these changes is one that ``look_after`` may have to undo."""
    if resource not in _CARED_FOR:
        return False
    if resource == "services":
        return any(one.record.key == _SERVICE_KEY and one.type != ADDED for one in events)
    if resource == "namespaces":
        return any(one.type == DELETED and one.record.name in NAMESPACES for one in events)
    return any(one.type != ADDED for one in events)


def look_after(registry: Registry) -> Verb:
    """What ``bootstrap`` made, as it made it: the Service with its type and ports, flow control
    with its specification unless somebody has taken that over."""
    yield from _first_objects(registry)
    flow = tuple(one for one in recorded() if one.kind.key in (_FLOW_SCHEMAS, _LEVELS))
    yield from _write_missing(registry, flow)
    try:
        yield from change(registry, kind_of("services"), "default", "kubernetes", _restored)
        for one in flow:
            if _astray(registry, one):
                yield from change(registry, one.kind, "", one.name, _Ensured(one))
    except NotFound:
        pass  # Deleted again since: there will be another round.
    return Answer(200, b"")


def _astray(registry: Registry, one: Recorded) -> bool:
    known = registry.cache(one.kind)
    record = known.records.get(known.key("", one.name))
    if record is None:
        return False
    current = record.parsed(one.kind)
    return _Ensured(one)(record, current) != current


class _Ensured:
    """A FlowSchema or priority level with its specification, if it is the server's to write.

    Source: ShouldUpdate, pkg/registry/flowcontrol/ensurer/strategy.go.
    """

    def __init__(self, one: Recorded) -> None:
        self._spec = orjson.loads(one.value)["spec"]
        self._mandatory = one.name in _MANDATORY

    def __call__(self, record: Record, current: JsonObject) -> JsonObject:
        meta = current["metadata"]
        said = (meta.get("annotations") or {}).get(_AUTO, "")
        ours = self._mandatory or (
            said in _TRUE if said in _TRUE + _FALSE else meta.get("generation") == 1
        )
        new = {**current, "metadata": dict(meta)}
        if said not in (_TRUE if ours else _FALSE):
            new["metadata"]["annotations"] = {
                **(meta.get("annotations") or {}),
                _AUTO: "true" if ours else "false",
            }
        if ours and current["spec"] != self._spec:
            new["spec"] = self._spec
            new["metadata"]["generation"] = meta.get("generation", 0) + 1
        return new


def _restored(record: Record, service: JsonObject) -> JsonObject:
    spec = {**service["spec"], "type": "ClusterIP", "ports": [dict(port) for port in _PORTS]}
    return {**service, "metadata": dict(service["metadata"]), "spec": spec}


def _create(registry: Registry, resource: str, namespace: str, obj: JsonObject) -> Verb:
    kind = kind_of(resource)
    request = Request(0, _SERVER, "create", kind)
    request.namespace = namespace
    request.user_agent = "kube-apiserver/v1.36"
    cached = registry.cache(kind)
    if cached.key(namespace, obj["metadata"]["name"]) in cached.records:
        return Answer(409, b"")
    obj = {"kind": kind.kind, "apiVersion": kind.api_version, **obj}
    try:
        return (yield from create_object(registry, request, Draft(obj)))
    except AlreadyExists:
        return Answer(409, b"")
