"""Campaign files: what is refused, and with which sentence."""

import copy
from pathlib import Path
from typing import Any

import pytest

from actors.blueprint import parts_of
from actors.plan import (
    ApiServerConfig,
    EtcdStoreConfig,
    HollowNodesConfig,
    PartitionConfig,
    SchedulerConfig,
    Security,
)
from actors.plugins import scheduler_configuration
from hollow_node.fleet import Heartbeats
from loadtest.campaign import Campaign, parse_campaign, read_campaign
from loadtest.compiled import compile_campaign, describe
from loadtest.experiments.profile import read_profile
from loadtest.fields import CampaignError, load_yaml, parse_duration, parse_rate
from loadtest.loads import PodLoad
from loadtest.overrides import apply_overrides
from loadtest.virtual import virtual_plan
from scheduler.kernel_choice import numba_installed
from sim.campaign.costs import DEFAULT

EXAMPLES = Path(__file__).resolve().parent.parent.parent / "examples"
MINIMAL: dict[str, Any] = {
    "apiVersion": "hollowfleet.dev/v1alpha1",
    "kind": "Campaign",
    "metadata": {"name": "mini"},
    "spec": {
        "phases": [
            {
                "name": "one",
                "duration": "1m30s",
                "load": [{"scenario": "pods", "rate": "90/m", "requests": {"cpu": "1500m"}}],
            }
        ]
    },
}


def parse(change: str = "", value: object = None) -> Campaign:
    doc = copy.deepcopy(MINIMAL)
    if change:
        *path, last = change.split("/")
        place: Any = doc
        for part in path:
            place = place[int(part) if part.isdigit() else part]
        place[last] = value
    return parse_campaign(doc, "mini.yaml")


def test_defaults_are_filled_in() -> None:
    campaign = parse()
    assert campaign.phases[0].duration_ns == 90_000_000_000
    load = campaign.phases[0].load[0]
    assert isinstance(load, PodLoad)
    assert load.pace.rate == 1.5
    assert load.requests == (("cpu", "1500m"),)
    assert campaign.cluster.nodes == 100
    assert campaign.cluster.durability == "fsync"
    assert campaign.slos.mutating_ns == 1_000_000_000
    assert campaign.slos.pod_start_ns == 5_000_000_000


@pytest.mark.parametrize(
    ("change", "value", "message"),
    [
        (
            "spec/phases/0/load/0/raet",
            5,
            "spec.phases[0].load[0].raet: unknown key; did you mean 'rate'?",
        ),
        ("spec/sloz", {}, "spec.sloz: unknown key; did you mean 'slos'?"),
        ("spec/cluster", {"storeShard": 3}, "spec.cluster.storeShard: unknown key; did you mean"),
        ("metadata/labels", {}, "metadata.labels: unknown key"),
        ("kind", "Campain", "kind: unknown value 'Campain'; did you mean 'Campaign'?"),
        ("apiVersion", "v1", "apiVersion: unknown value 'v1'"),
        ("spec/phases/0/duration", "90", "'90' is not a duration such as 90s or 1m30s"),
        ("spec/phases/0/duration", "0s", "must be above 0s"),
        ("spec/phases/0/duration", "9601h", "spec.phases[0].duration: must be above 0s and at"),
        ("spec/phases/0/duration", "9" * 400 + "h", "is above 292 years"),
        ("spec/phases/0/load/0/rate", "90000/s", "load[0].rate: over 90 s this makes 8100000"),
        ("spec/phases/0/load/0/rate", "fast", "'fast' is not a rate"),
        ("spec/phases/0/load/0/rate", 0, "must be above 0"),
        ("spec/phases/0/load/0/rate", None, "load[0].rate: is required"),
        ("spec/phases/0/load/0/arrivals", "poison", "did you mean 'poisson'?"),
        ("spec/phases/0/load/0/scenario", "pod", "did you mean 'pods'?"),
        ("spec/phases/0/load/0/requests", {"cpu": "1x"}, "load[0].requests.cpu: '1x'"),
        ("spec/cluster", {"storeEngine": "etcdd"}, "storeEngine: unknown value 'etcdd'; did you"),
        (
            "spec/cluster",
            {"storeEngine": "etcd", "durability": "none"},
            "spec.cluster.durability: must be fsync where storeEngine is etcd",
        ),
        (
            "spec/cluster",
            {"storeEngine": "etcd", "shardBy": "namespace"},
            "spec.cluster.shardBy: must be kind where storeEngine is etcd",
        ),
        (
            "spec/cluster",
            {"storePlacement": "apiserver", "apiServers": 2},
            "spec.cluster.apiServers: must be 1 where storePlacement is apiserver",
        ),
        (
            "spec/cluster",
            {"storePlacement": "apiserver", "storeEngine": "etcd"},
            "spec.cluster.storeEngine: must be own where storePlacement is apiserver",
        ),
        (
            "spec/cluster",
            {"compactionRetention": "4s"},
            "spec.cluster.compactionRetention: must be at least 5s",
        ),
        (
            "spec/cluster",
            {"compactionRetention": "1h", "heartbeats": "off"},
            "spec.cluster.compactionRetention: must be left out where heartbeats are off",
        ),
        ("spec/cluster", {"nodes": 0}, "must be a whole number from 1"),
        ("spec/cluster", {"nodes": True}, "must be a whole number"),
        ("spec/cluster", 7, "spec.cluster: must be a mapping"),
        ("spec/slos", {"errors": 2}, "must be a number from 0 to 1"),
        ("spec/phases", [], "must have at least one phase"),
        ("spec/phases", None, "spec.phases: is required"),
        ("metadata/name", "Not Good", "lower-case"),
    ],
)
def test_errors_name_the_file_and_the_key(change: str, value: object, message: str) -> None:
    with pytest.raises(CampaignError) as caught:
        parse(change, value)
    assert str(caught.value).startswith("mini.yaml: ")
    assert message in str(caught.value)


def test_two_phases_of_one_name_are_refused() -> None:
    with pytest.raises(CampaignError, match="same name"):
        parse("spec/phases", MINIMAL["spec"]["phases"] * 2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("90s", 90e9), ("1m30s", 90e9), ("250ms", 25e7), ("1h2m3s", 3723e9), ("1.5s", 15e8), (0, 0)],
)
def test_durations(text: object, expected: float) -> None:
    assert parse_duration(text) == int(expected)


@pytest.mark.parametrize("text", ["", "s", "5", "1m 3s", "-3s", 5, None, "3x", "1ss"])
def test_bad_durations(text: object) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        parse_duration(text)


def test_rates() -> None:
    assert parse_rate("36/h") == 0.01
    assert parse_rate(3) == 3.0
    with pytest.raises(ValueError, match="not a rate"):
        parse_rate(True)


def test_the_engine_of_the_store() -> None:
    doc = copy.deepcopy(MINIMAL)
    apply_overrides(doc, ["engine=etcd", "shard_by=hash", "shards=1"])
    compiled = compile_campaign(parse_campaign(doc, "mini.yaml"), Path())
    assert "1 store shards by hash, each an etcd, durability fsync" in describe(compiled)
    security = Security("cluster-a", "token", "/nonexistent")
    stores = [
        part for part in parts_of(compiled.cluster, security) if part.name.startswith("store-")
    ]
    assert [type(part.config) for part in stores] == [EtcdStoreConfig]


def test_shards_in_the_program_of_the_api_server() -> None:
    doc = copy.deepcopy(MINIMAL)
    apply_overrides(doc, ["placement=apiserver", "shards=3", "trace_sample=1"])
    compiled = compile_campaign(parse_campaign(doc, "mini.yaml"), Path())
    assert "3 store shards by kind, in the API server's program, durability" in describe(compiled)
    parts = parts_of(compiled.cluster, Security("cluster-a", "token", "/nonexistent"))
    assert not [part for part in parts if part.name.startswith("store-")]
    [server] = [part.config for part in parts if isinstance(part.config, ApiServerConfig)]
    assert server.stores == ("store-0", "store-1", "store-2")
    assert [shard.shard for shard in server.embedded] == [0, 1, 2]
    assert [Path(shard.directory).name for shard in server.embedded] == list(server.stores)
    assert [Path(shard.spans).name for shard in server.embedded] == [
        "store-0.jsonl",
        "store-1.jsonl",
        "store-2.jsonl",
    ]
    apply_overrides(doc, ["kills=[store-1]"])
    with pytest.raises(CampaignError, match=r"kills\[0\]: no program 'store-1'"):
        compile_campaign(parse_campaign(doc, "mini.yaml"), Path())


@pytest.mark.parametrize("wanted", ["btree", "hash"])
def test_the_index_of_the_watch_cache_reaches_the_api_server(wanted: str) -> None:
    doc = copy.deepcopy(MINIMAL)
    apply_overrides(doc, [f"watch_cache={wanted}"])
    compiled = compile_campaign(parse_campaign(doc, "mini.yaml"), Path())
    parts = parts_of(compiled.cluster, Security("cluster-a", "token", "/nonexistent"))
    configs = [part.config for part in parts if isinstance(part.config, ApiServerConfig)]
    assert [config.watch_cache_index for config in configs] == [wanted]


def test_overrides_by_short_name_and_path() -> None:
    doc = copy.deepcopy(MINIMAL)
    apply_overrides(doc, ["nodes=3000", "phases.0.load.0.rate=7/s", "spec.slos.getP99=2s"])
    campaign = parse_campaign(doc, "mini.yaml")
    assert campaign.cluster.nodes == 3000
    load = campaign.phases[0].load[0]
    assert isinstance(load, PodLoad) and load.pace.rate == 7.0
    assert campaign.slos.get_ns == 2_000_000_000


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("nods=3", "did you mean 'nodes'?"),
        ("nodes", "must be KEY=VALUE"),
        ("phases.5.name=x", "not an index below 1"),
        ("metadata.name.x=1", "below a plain value"),
        ("nodes=[", "not a YAML value"),
    ],
)
def test_bad_overrides(override: str, message: str) -> None:
    with pytest.raises(CampaignError, match="--set") as caught:
        apply_overrides(copy.deepcopy(MINIMAL), [override])
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2\n", "line 2: key 'a' is given twice"),
        ("a: [1\n", "not YAML"),
        ("- 1\n", "must be a YAML mapping"),
        ("", "must be a YAML mapping"),
    ],
)
def test_unreadable_files(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "c.yaml"
    path.write_text(text)
    with pytest.raises(CampaignError) as caught:
        load_yaml(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_file() -> None:
    with pytest.raises(CampaignError, match=r"nowhere\.yaml: no such file"):
        load_yaml(Path("nowhere.yaml"))


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            "spec/phases/0/load",
            [{"scenario": "pods", "arrivals": "trace", "trace": "no.csv"}],
            "spec.phases[0].load[0].trace: ",
        ),
        ("spec/cluster", {"nodeList": "no.csv"}, "spec.cluster.nodeList: "),
    ],
)
def test_a_missing_input_names_its_field(path: str, value: object, message: str) -> None:
    with pytest.raises(CampaignError) as caught:
        compile_campaign(parse(path, value), Path("nowhere"))
    assert str(caught.value).startswith(message + "nowhere/no.csv: cannot read")
    assert str(caught.value).endswith("; the path is relative to the campaign file")


@pytest.mark.parametrize(("name", "why"), [("a\0", "null byte"), ("a" * 5000, "name too long")])
@pytest.mark.parametrize("key", ["nodeList", "schedulerConfig"])
def test_a_name_that_no_file_can_have_names_its_field(key: str, name: str, why: str) -> None:
    with pytest.raises(CampaignError) as caught:
        compile_campaign(parse("spec/cluster", {key: name}), Path("nowhere"))
    assert str(caught.value).startswith(f"spec.cluster.{key}: ")
    assert why in str(caught.value) and len(str(caught.value)) < 200


def test_every_example_parses() -> None:
    found = sorted(EXAMPLES.glob("*.yaml"))
    assert found
    for path in found:
        assert read_campaign(path, seed=7).seed == 7


def test_every_example_of_costs_parses() -> None:
    found = sorted((EXAMPLES / "costs").glob("*.yaml"))
    assert found
    for path in found:
        assert read_profile(path) != DEFAULT


def test_a_kernel_that_is_not_installed_is_refused() -> None:
    doc = copy.deepcopy(MINIMAL)
    doc["spec"]["cluster"] = {"schedulerKernel": "numba"}
    if numba_installed():
        assert parse_campaign(doc, "campaign.yaml").cluster.scheduler_kernel == "numba"
    else:
        with pytest.raises(CampaignError, match=r"schedulerKernel.*make kernel"):
            parse_campaign(doc, "campaign.yaml")


@pytest.mark.parametrize("wanted", [True, False])
def test_knobs_of_the_scheduler_reach_it(wanted: bool) -> None:
    doc = copy.deepcopy(MINIMAL)
    quorum = 100 if wanted else 75
    doc["spec"]["cluster"] = {
        "queueingHints": wanted,
        "gatherQuorum": quorum,
        "schedulerKernel": "auto" if wanted else "numpy",
    }
    compiled = compile_campaign(parse_campaign(doc, "campaign.yaml"), Path())
    security = Security("id", "token", "/nowhere")
    configs = [part.config for part in parts_of(compiled.cluster, security)]
    (scheduler,) = [config for config in configs if isinstance(config, SchedulerConfig)]
    kernels = [config.kernel for config in configs if isinstance(config, PartitionConfig)]
    assert [scheduler.kernel, *kernels] == ["auto" if wanted else "numpy"] * 3
    assert scheduler.queueing_hints is wanted
    assert scheduler.gather_quorum_percent == quorum
    virtual = virtual_plan(compiled).scheduler
    assert (virtual.queueing_hints, virtual.gather_quorum_percent) == (wanted, quorum)
    assert virtual.kernel == scheduler.kernel


def test_knobs_of_the_literature_reach_both_shells() -> None:
    """Where they act: kubelets, watch cache, scheduler."""
    doc = copy.deepcopy(MINIMAL)
    doc["spec"]["cluster"] = {
        "heartbeatBy": "status",
        "leasePeriod": "20s",
        "encodeOnce": False,
        "consistentListFromCache": False,
        "percentageOfNodesToScore": 30,
    }
    compiled = compile_campaign(parse_campaign(doc, "x"), Path())
    parts = {part.name: part.config for part in parts_of(compiled.cluster, Security("", "", ""))}
    server, hollow, scheduler = (parts[one] for one in ("apiserver-0", "hollow-0", "scheduler"))
    assert isinstance(server, ApiServerConfig) and isinstance(hollow, HollowNodesConfig)
    assert isinstance(scheduler, SchedulerConfig)
    assert (server.encode_once, server.consistent_lists) == (False, False)
    assert (hollow.heartbeat, hollow.lease_period_s) == ("status", 20.0)
    plan = virtual_plan(compiled)
    assert (plan.caching.encode_once, plan.caching.consistent_lists) == (False, False)
    assert plan.heartbeats == Heartbeats(0, 20 * 10**9)
    real = scheduler_configuration(scheduler.configuration)
    for configuration in (real, plan.scheduler):
        (profile,) = configuration.profiles.values()
        assert profile.percentage_of_nodes_to_score == 30


def test_a_share_of_nodes_that_is_not_said_leaves_the_scheduler_as_it_is() -> None:
    doc = copy.deepcopy(MINIMAL)
    compiled = compile_campaign(parse_campaign(doc, "x"), Path())
    assert compiled.cluster.scheduler_configuration == ""
    doc["spec"]["cluster"] = {"percentageOfNodesToScore": 101}
    with pytest.raises(CampaignError, match="percentageOfNodesToScore: must be a whole number"):
        parse_campaign(doc, "x")
