"""A campaign aimed at a cluster that is there: what is read, what may be written, what is left out.

Reads go to what was found before the run. Writes, and reads of what they would have made, stay
only with consent, and then lie in one namespace of the run's own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from loadtest.campaign import Campaign
from loadtest.compiled import Compiled, compile_campaign
from loadtest.faults import NO_FAULTS
from loadtest.fields import CampaignError
from loadtest.foreign.surroundings import Right, Surroundings
from loadtest.loads import DeploymentLoad, PodLoad
from loadtest.schedule import Arrival
from loadtest.target import Target

WRITES = (DeploymentLoad, PodLoad)
VERBS = {"create": "create", "delete": "delete", "get": "get", "list": "list", "watch": "watch"}
WRITING = ("create", "scale", "delete")
IMAGE = "registry.k8s.io/pause:3.10"
"""Real kubelets can run it. Source: kubernetes cmd/kubeadm/app/constants, v1.34."""


def check_foreign(campaign: Campaign, source: str) -> None:
    """Refuse what needs a cluster of the run's own. Errors: CampaignError."""
    if campaign.faults != NO_FAULTS:
        raise CampaignError(
            f"{source}: spec.faults needs a cluster of the run's own: leave out --kubeconfig, or it"
        )


def aimed(
    campaign: Campaign, directory: Path, server: str, found: Surroundings, namespace: str
) -> Compiled:
    """The compiled campaign, its cluster knobs without meaning. Errors: CampaignError."""
    whole = compile_campaign(replace(campaign, namespaces=1), directory)
    compiled = whole
    if not namespace:
        phases = tuple(
            replace(phase, load=tuple(one for one in phase.load if not isinstance(one, WRITES)))
            for phase in campaign.phases
        )
        compiled = compile_campaign(replace(campaign, namespaces=1, phases=phases), directory)
    arrivals = tuple(_placed(arrival, found, namespace) for arrival in compiled.arrivals)
    if not arrivals:
        raise CampaignError(
            "the campaign has nothing but writes: --writes-in-namespace NAME allows them, in a "
            "namespace that the run makes and removes"
        )
    target = Target(
        server=server,
        version=found.version,
        nodes=found.nodes,
        namespace=namespace,
        left_out=len(whole.arrivals) - len(arrivals),
        image=IMAGE,
    )
    plan = replace(compiled.cluster, nodes=(), node_list_csv="")
    return replace(compiled, arrivals=arrivals, cluster=plan, nodes=0, target=target)


def _placed(arrival: Arrival, found: Surroundings, namespace: str) -> Arrival:
    """One arrival, where it may be."""
    if namespace:
        assert arrival.namespace or arrival.verb not in WRITING, arrival
        name = namespace if arrival.resource == "namespaces" else arrival.name
        return arrival._replace(namespace=arrival.namespace and namespace, name=name)
    assert arrival.verb not in WRITING, arrival
    nearby = found.namespaces[arrival.group % len(found.namespaces)]
    if arrival.verb != "get":
        return arrival._replace(namespace=arrival.namespace and nearby)
    if not found.pods:
        return arrival._replace(resource="namespaces", namespace="", name=nearby)
    space, name = found.pods[arrival.group % len(found.pods)]
    return arrival._replace(resource="pods", namespace=space, name=name)


def rights_of(arrivals: Sequence[Arrival], namespace: str) -> Iterator[Right]:
    """What a run needs, each as often as it comes."""
    if namespace:
        for verb in ("get", "watch", "create", "delete"):
            yield Right(verb, "", "namespaces", "", "")
        for verb in ("list", "watch"):
            yield Right(verb, "", "pods", "", namespace)
    for arrival in arrivals:
        group, slash, plural = arrival.resource.partition("/")
        group, resource = (group, plural) if slash else ("", group)
        # Single reads are spread over what a cluster-wide list gave.
        everywhere = arrival.verb == "get" and not namespace
        place = "" if everywhere else arrival.namespace
        if arrival.verb == "scale":
            yield Right("patch", group, resource, "scale", place)
        else:
            yield Right(VERBS[arrival.verb], group, resource, "", place)
