"""From which nodes a PersistentVolume is reached: its node affinity, and what becomes of it where
a CSI driver has taken over from the plugin that the volume names.

Source: component-helpers/storage/volume/helpers.go (CheckNodeAffinity), component-helpers/
scheduling/corev1/nodeaffinity (nodeSelectorTerm.match), k8s.io/csi-translation-lib/plugins/
in_tree_volume.go (translateTopologyFromInTreeToCSI), v1.36.
"""

from collections.abc import Mapping, Sequence

from api.core import JsonObject
from scheduler.migrated_volumes import OLD_ZONE, SEPARATOR, ZONE, source_of
from scheduler.pod_shape import Requirement, Term, node_selector_term

Terms = tuple[Term, ...] | None
"""One of them holds; None: everywhere."""
OLD_REGION, REGION = "failure-domain.beta.kubernetes.io/region", "topology.kubernetes.io/region"


def reach_of(spec: JsonObject) -> Terms:
    """By the node's labels alone: a node is shown to a volume without its name, and requirements
    of fields do not count then, if they are well-formed."""
    required = (spec.get("nodeAffinity") or {}).get("required")
    if required is None:
        return None
    found: list[Term] = []
    for item in required.get("nodeSelectorTerms") or ():
        term = node_selector_term(item)
        if not all(map(_is_of_fields, term.fields)):
            continue
        if term.fields and not term.expressions:
            return None
        found.append(Term(term.expressions, ()))
    return tuple(found)


def migrated_reach_of(spec: JsonObject, labels: Mapping[str, str]) -> Terms:
    """The same on nodes where its plugin has become a driver."""
    terms, plugin = reach_of(spec), source_of(spec)
    if plugin is None or not plugin.zone_label:
        return terms
    zone = _zone_label(terms or (), labels)
    if _values(terms or (), zone):
        terms = _renamed(terms or (), zone, plugin.zone_label)
    elif zone in labels:
        zones = tuple(sorted({one for one in labels[zone].split(SEPARATOR) if one}))
        more = Requirement(plugin.zone_label, "In", zones)
        terms = tuple(Term((*t.expressions, more), ()) for t in terms or (Term((), ()),))
    if zone == OLD_ZONE and _values(terms or (), OLD_REGION):
        terms = _renamed(terms or (), OLD_REGION, REGION)
    return terms


def _is_of_fields(requirement: Requirement) -> bool:
    return requirement.operator in ("In", "NotIn") and len(requirement.values) == 1


def _zone_label(terms: Sequence[Term], labels: Mapping[str, str]) -> str:
    """The one that it uses: the new one before the old one, terms before labels."""
    named = {one.key: None for term in terms for one in term.expressions}
    for known in (named, labels):
        for label in (ZONE, OLD_ZONE):
            if label in known:
                return label
    return ZONE


def _values(terms: Sequence[Term], key: str) -> bool:
    """Whether terms name values of the key, and in no other way than In."""
    found = [one for term in terms for one in term.expressions if one.key == key]
    return any(one.values for one in found) and all(one.operator == "In" for one in found)


def _renamed(terms: Sequence[Term], old: str, new: str) -> tuple[Term, ...]:
    return tuple(
        Term(tuple(r._replace(key=new) if r.key == old else r for r in term.expressions), ())
        for term in terms
    )
