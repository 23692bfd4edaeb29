"""Which placed pods are meant, and how often each counts: what counters are asked for."""

from typing import NamedTuple

from api.selectors import LabelSelector
from scheduler.relations import Namespaces, PodTerm, Relations


class Selected(NamedTuple):
    """Pods of a namespace that a selector matches and that are not about to go."""

    namespace: str
    selector: LabelSelector

    def times(self, pod: Relations, _namespaces: Namespaces) -> int:
        key = pod.key
        return (
            key.namespace == self.namespace
            and not key.terminating
            and not self.selector.empty
            and self.selector.matches(pod.labels)
        )


class NamedByAll(NamedTuple):
    """Pods that every one of these terms names."""

    terms: tuple[PodTerm, ...]

    def times(self, pod: Relations, namespaces: Namespaces) -> int:
        return all(term.names(pod, namespaces) for term in self.terms)


class Carried(NamedTuple):
    """Pods that carry this term themselves. weight 0: required anti-affinity; REQUIRED: required
    affinity; otherwise the weight of a preference."""

    weight: int
    term: PodTerm

    def times(self, pod: Relations, _namespaces: Namespaces) -> int:
        return carried_terms(pod).get(self, 0)


ANTI = 0
REQUIRED = 1 << 20
Description = Selected | NamedByAll | Carried


def carried_terms(pod: Relations) -> dict[Carried, int]:
    """Terms of a pod and how often it has each."""
    found: dict[Carried, int] = {}
    for weight, term in (
        *((ANTI, term) for term in pod.key.anti),
        *((REQUIRED, term) for term in pod.key.required),
        *pod.key.preferred,
    ):
        carried = Carried(weight, term)
        found[carried] = found.get(carried, 0) + 1
    return found
