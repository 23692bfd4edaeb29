"""Extenders: programs beside the scheduler that have a say in where a pod goes, asked over HTTP.
What is asked, in whose words, and what an answer means; an answer may be anything.

Source: staging/src/k8s.io/kube-scheduler/extender/v1/types.go, pkg/scheduler/extender.go, v1.36.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from api.core import JsonObject

Verb = Literal["filter", "prioritize", "preempt", "bind"]
TIMEOUT_NS = 5_000_000_000
"""Source: DefaultExtenderTimeout."""
POINTS_FACTOR = 10
"""Extenders give 0 to 10 points, plugins 0 to 100."""
POINTS_MAX = 1 << 31
"""More than that, times any weight, is no priority."""
REASON_MAX = 200
"""Characters of an extender's word for a refusal that are told."""


class ExtenderTls(NamedTuple):
    """Files by path, data as PEM text."""

    insecure: bool = False
    server_name: str = ""
    """Whom the server's certificate must name; "": the host of the URL."""
    ca_file: str = ""
    ca_pem: str = ""
    certificate_file: str = ""
    key_file: str = ""
    certificate_pem: str = ""
    key_pem: str = ""


class Extender(NamedTuple):
    """One entry of a configuration."""

    url: str
    """Also its name."""
    verbs: Mapping[Verb, str]
    """Path below the URL of each verb that it serves."""
    weight: int = 1
    timeout_ns: int = TIMEOUT_NS
    tls: ExtenderTls | None = None
    """None: as the URL says."""
    node_cache_capable: bool = False
    """It knows the nodes and is sent their names alone."""
    managed: tuple[str, ...] = ()
    """It is asked about pods that use one of these; none: about all."""
    ignorable: bool = False
    """Without an answer of it pods are scheduled all the same."""

    def is_interested(self, spec: JsonObject) -> bool:
        """In a pod of this spec."""
        if not self.managed:
            return True
        containers = [*spec.get("containers", ()), *(spec.get("initContainers") or ())]
        return any(
            name in (container.get("resources", {}).get(part) or {})
            for container in containers
            for part in ("requests", "limits")
            for name in self.managed
        )


@dataclass(frozen=True, slots=True)
class AskExtender:
    """Order: POST the body to this verb of the extender of this number; report ExtenderAnswered."""

    extender: int
    ask: int
    """Comes back with the answer."""
    verb: Verb
    body: JsonObject


@dataclass(frozen=True, slots=True)
class ExtenderAnswered:
    """What came of it."""

    ask: int
    body: object
    """Parsed JSON of an answer with code 200."""
    trouble: str = ""
    """Why there is none; empty: there is."""


class WrongAnswer(Exception):
    """An extender says what it may not; the text says what."""


class Filtered(NamedTuple):
    """What an extender left of the nodes."""

    kept: tuple[str, ...]
    refused: Mapping[str, tuple[str, bool]]
    """Node to reason, and whether not even preemption helps."""


def arguments(extender: Extender, pod: JsonObject, nodes: Mapping[str, JsonObject]) -> JsonObject:
    """Body of filter and prioritize. ``nodes``: the objects by name."""
    if extender.node_cache_capable:
        return {"Pod": pod, "Nodes": None, "NodeNames": list(nodes)}
    return {"Pod": pod, "Nodes": {"metadata": {}, "items": list(nodes.values())}, "NodeNames": None}


def binding_arguments(namespace: str, name: str, uid: str, node: str) -> JsonObject:
    return {"PodName": name, "PodNamespace": namespace, "PodUID": uid, "Node": node}


def preemption_arguments(
    extender: Extender, pod: JsonObject, victims: Mapping[str, JsonObject]
) -> JsonObject:
    """Body of preempt. ``victims``: by node, whole pods or uids as the extender wants them."""
    whole = None if extender.node_cache_capable else victims
    uids = victims if extender.node_cache_capable else None
    return {"Pod": pod, "NodeNameToVictims": whole, "NodeNameToMetaVictims": uids}


def victims_of(pods: Sequence[JsonObject], violations: int) -> JsonObject:
    """Those of one node, and how many of them a budget would keep."""
    return {"Pods": list(pods), "NumPDBViolations": violations}


def filtered(body: object, extender: Extender, asked: Sequence[str]) -> Filtered:
    """The answer to filter. WrongAnswer."""
    found = _fields(body)
    _check_error(found)
    known = dict.fromkeys(asked)
    names = found.get("nodenames")
    if names is None or not extender.node_cache_capable:
        items = _fields(found.get("nodes") or {}).get("items") or []
        names = [_name_of(item) for item in _list(items)]
    kept = _list(names)
    for name in kept:
        if not isinstance(name, str) or name not in known:
            raise WrongAnswer(f"claims a filtered node {name!r:.100} that it was not asked about")
    chosen = dict.fromkeys(str(name) for name in kept)
    refused: dict[str, tuple[str, bool]] = {}
    for field, hopeless in (("failednodes", False), ("failedandunresolvablenodes", True)):
        for name, reason in _mapping(found.get(field) or {}).items():
            refused[str(name)] = (str(reason)[:REASON_MAX], hopeless)
    return Filtered(tuple(name for name in asked if name in chosen), refused)


def points(body: object) -> dict[str, int]:
    """The answer to prioritize: points by node. WrongAnswer."""
    result: dict[str, int] = {}
    for one in _list(body):
        found = _fields(one)
        host, score = found.get("host"), found.get("score", 0)
        if not isinstance(host, str) or not isinstance(score, int) or abs(score) > POINTS_MAX:
            raise WrongAnswer(f"gives points that are none: {one!r:.100}")
        result[host] = score
    return result


class Named(NamedTuple):
    """Victims on one node."""

    uids: tuple[str, ...]
    violations: int


def victims_named(body: object) -> dict[str, Named]:
    """The answer to preempt, by node: uids, whatever was sent. WrongAnswer."""
    result: dict[str, Named] = {}
    for node, victims in _mapping(_fields(body).get("nodenametometavictims") or {}).items():
        found = _fields(victims or {})
        uids = [_fields(one).get("uid") for one in _list(found.get("pods"))]
        violations = found.get("numpdbviolations") or 0
        if not isinstance(violations, int) or abs(violations) > POINTS_MAX:
            raise WrongAnswer(f"counts {violations!r:.100} violations of budgets")
        for uid in uids:
            if not isinstance(uid, str):
                raise WrongAnswer(f"names a victim {uid!r:.100} that is no uid")
        result[str(node)] = Named(tuple(str(uid) for uid in dict.fromkeys(uids)), violations)
    return result


def check_bound(body: object) -> None:
    """The answer to bind. WrongAnswer when it did not bind."""
    _check_error(_fields(body))


def _check_error(found: Mapping[str, object]) -> None:
    error = found.get("error")
    if error:
        raise WrongAnswer(str(error)[:REASON_MAX])


def _fields(body: object) -> Mapping[str, object]:
    """Go reads names of fields in any case."""
    return {str(name).lower(): value for name, value in _mapping(body).items()}


def _mapping(body: object) -> Mapping[object, object]:
    if not isinstance(body, dict):
        raise WrongAnswer(f"answers {body!r:.100} where an object belongs")
    return body


def _list(body: object) -> Sequence[object]:
    if body is None:
        return ()
    if not isinstance(body, list):
        raise WrongAnswer(f"answers {body!r:.100} where a list belongs")
    return body


def _name_of(node: object) -> object:
    return _mapping(_mapping(node).get("metadata") or {}).get("name")
