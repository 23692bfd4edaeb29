"""What shares a machine with what, for clusters and machines of any number."""

import pytest

from actors.blueprint import API_SERVER, parts_of
from actors.placement import Layout, layout
from actors.plan import ClusterPlan, NodeSpec, Security


def laid_out(machines: int, shards: int, hollow: int = 2) -> Layout:
    plan = ClusterPlan("run", nodes=(NodeSpec(10),), store_shards=shards, hollow_actors=hollow)
    return layout(parts_of(plan, Security("", "", "")), machines)


@pytest.mark.parametrize("machines", [1, 2, 3, 50])
@pytest.mark.parametrize("shards", [1, 2, 8])
def test_every_program_has_one_place_and_shards_are_apart_where_they_can_be(
    machines: int, shards: int
) -> None:
    made = laid_out(machines, shards)
    plan = ClusterPlan("run", nodes=(NodeSpec(10),), store_shards=shards, hollow_actors=2)
    placed = [name for group in made.groups for name in group.programs]
    assert sorted(placed) == sorted(part.name for part in parts_of(plan, Security("", "", "")))
    stores = made.groups[0]
    assert stores.programs == tuple(f"store-{shard}" for shard in range(shards))
    assert (stores.strategy == "STRICT_SPREAD") == (shards <= machines)


def test_the_api_server_is_where_the_first_shard_is_which_is_placed_before() -> None:
    groups = laid_out(3, 2).groups
    (server,) = [group for group in groups if API_SERVER in group.programs]
    assert server.beside in groups[0].programs
    assert groups.index(server) > 0


def test_more_api_servers_are_spread() -> None:
    plan = ClusterPlan("run", nodes=(NodeSpec(10),), api_servers=3, hollow_actors=4)
    parts = parts_of(plan, Security("", "", ""))
    made = layout(parts, 2)
    (more,) = [group for group in made.groups if "apiserver-1" in group.programs]
    assert (more.programs, more.strategy, more.beside) == (
        ("apiserver-1", "apiserver-2"), "SPREAD", "",
    )  # fmt: skip
    placed = [name for group in made.groups for name in group.programs]
    assert sorted(placed) == sorted(part.name for part in parts)
    assert any("apiserver-0 beside store-0" in said and "2 more" in said for said in made.said)
    asked = [part.config.api_server for part in parts if part.name.startswith("hollow-")]  # type: ignore[union-attr]
    assert asked == ["apiserver-0", "apiserver-1", "apiserver-2", "apiserver-0"]


def test_what_cannot_be_had_is_said() -> None:
    assert "Store: 2 shards, each on a machine of its own." in laid_out(2, 2).said
    assert "Store: 1 shard, on a machine of its own." in laid_out(2, 1).said
    said = "Store: 4 shards on 1 machine: 3 machines too few to keep them apart."
    assert said in laid_out(1, 4).said


def test_a_group_without_programs_is_not_placed() -> None:
    plan = ClusterPlan("run", store_shards=1, controller_shards=0, schedulers=0)
    made = layout(parts_of(plan, Security("", "", "")), 2)
    assert [group.name for group in made.groups] == ["stores", "servers"]


def test_an_api_server_with_the_shards_in_its_program_may_be_anywhere() -> None:
    plan = ClusterPlan("", store_placement="apiserver", scheduler_partitions=0)
    made = layout(parts_of(plan, Security("", "", "")), 3)
    servers = made.groups[0]
    assert (servers.name, servers.programs, servers.beside) == ("servers", ("apiserver-0",), "")
    assert made.said[1:3] == (
        "Store: in apiserver-0's own program.",
        "API server: on one of 3 machines.",
    )
