"""``--set KEY=VALUE``: short names and dotted paths into a campaign document, before it is parsed.

A path starts at ``spec`` unless it begins with ``spec.`` or ``metadata.``; a number picks an item
of a list (``phases.0.duration=30s``). The value is YAML. Unknown keys are found by the parser.
"""

from collections.abc import Iterable
from typing import cast

from api.strict_yaml import YamlError, read_yaml
from loadtest.fields import CampaignError, nearest

SHORT_NAMES = {
    "name": "metadata.name",
    "nodes": "spec.cluster.nodes",
    "node_list": "spec.cluster.nodeList",
    "shards": "spec.cluster.storeShards",
    "shard_by": "spec.cluster.shardBy",
    "durability": "spec.cluster.durability",
    "engine": "spec.cluster.storeEngine",
    "placement": "spec.cluster.storePlacement",
    "compaction_retention": "spec.cluster.compactionRetention",
    "watch_cache": "spec.cluster.watchCacheIndex",
    "encode_once": "spec.cluster.encodeOnce",
    "consistent_list_from_cache": "spec.cluster.consistentListFromCache",
    "heartbeat_by": "spec.cluster.heartbeatBy",
    "percentage_of_nodes_to_score": "spec.cluster.percentageOfNodesToScore",
    "api_servers": "spec.cluster.apiServers",
    "schedulers": "spec.cluster.schedulers",
    "queueing_hints": "spec.cluster.queueingHints",
    "gather_quorum": "spec.cluster.gatherQuorum",
    "scheduler_kernel": "spec.cluster.schedulerKernel",
    "machines": "spec.cluster.machines",
    "kills": "spec.faults.kills",
    "partitions": "spec.cluster.schedulerPartitions",
    "controllers": "spec.cluster.controllerShards",
    "hollow_actors": "spec.cluster.hollowActors",
    "pod_delay": "spec.cluster.podDelay",
    "profile": "spec.cluster.controllerProfile",
    "generators": "spec.generator.processes",
    "seed": "spec.seed",
    "settle": "spec.settle",
    "trace_sample": "spec.tracing.sample",
    "namespaces": "spec.namespaces",
}


def apply_overrides(doc: dict[str, object], overrides: Iterable[str]) -> None:
    """Change ``doc`` in place. Errors: CampaignError naming the override."""
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key:
            raise CampaignError(f"--set {override}: must be KEY=VALUE, for example nodes=3000")
        try:
            value = read_yaml(text)
        except YamlError as error:
            raise CampaignError(f"--set {override}: is not a YAML value: {error}") from None
        set_value(doc, key, value, f"--set {override}")


def set_value(doc: dict[str, object], key: str, value: object, source: str) -> None:
    """Change one value in place. ``key``: a short name or a path; ``source`` names who asks, in
    errors. Errors: CampaignError."""
    _assign(doc, path_of(key, source), value, source)


def path_of(key: str, source: str) -> list[str]:
    """Where a key lies in a campaign document. Errors: CampaignError."""
    if key in SHORT_NAMES:
        return SHORT_NAMES[key].split(".")
    if "[" in key:
        dotted = key.replace("[", ".").replace("]", "")
        raise CampaignError(f"{source}: places stand between dots; did you mean '{dotted}'?")
    if "." not in key:
        hint = nearest(key, list(SHORT_NAMES))
        raise CampaignError(f"{source}: unknown name '{key}'{hint}")
    parts = key.split(".")
    return parts if parts[0] in ("spec", "metadata") else ["spec", *parts]


def _assign(doc: dict[str, object], path: list[str], value: object, source: str) -> None:
    place: object = doc
    for depth, part in enumerate(path):
        last = depth == len(path) - 1
        if isinstance(place, list):
            if part not in map(str, range(len(place))):
                raise CampaignError(f"{source}: '{part}' is not an index below {len(place)}")
            if last:
                place[int(part)] = value
            else:
                place = place[int(part)]
        elif isinstance(place, dict):
            if last:
                cast("dict[str, object]", place)[part] = value
            else:
                place = place.setdefault(part, {})
        else:
            raise CampaignError(f"{source}: '{part}' is below a plain value")
