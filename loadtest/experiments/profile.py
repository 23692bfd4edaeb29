"""A cost profile on disk: what `hollowfleet calibrate` writes and `--profile` reads.

    kind: CostProfile
    roles: {store: {stepNs, itemNs}, ...}
    frameNs, syncNs: {fsync, buffered, none}
    scales: {store-0: 300}                     # percent, of single programs or disks; by hand
    measured: {...}                            # by calibrate: runs, errors, idle cores, machine

JSON, which is YAML. A role that is left out has the simulator's own service times.
"""

from pathlib import Path

from api.core import JsonObject
from loadtest.fields import Section, load_yaml, nearest
from sim.campaign.costs import DEFAULT, DISK, CostProfile
from sim.cost import Cost

KIND = "CostProfile"
NS_MAX = 60 * 10**9
SCALE_MAX = 100_000


def read_profile(path: Path | None) -> CostProfile:
    """The simulator's own without a path. Errors: CampaignError naming file and key."""
    if path is None:
        return DEFAULT
    top = Section(str(path), "", load_yaml(path))
    top.choice("kind", (KIND,))
    for key in ("version", "measured"):
        top.raw(key)
    roles = _roles(top)
    frame_ns = top.integer("frameNs", DEFAULT.frame_ns, 0, NS_MAX)
    sync = top.section("syncNs")
    sync_ns = tuple((name, sync.integer(name, ns, 0, NS_MAX)) for name, ns in DEFAULT.sync_ns)
    sync.done()
    scales = _scales(top, [role for role, _ in roles])
    top.done()
    return CostProfile(roles, frame_ns, sync_ns, scales)


def _roles(top: Section) -> tuple[tuple[str, Cost], ...]:
    section = top.section("roles")
    out = []
    for role, default in DEFAULT.roles:
        one = section.section(role)
        step_ns = one.integer("stepNs", default.step_ns, 0, NS_MAX)
        item_ns = one.integer("itemNs", default.item_ns, 0, NS_MAX)
        one.done()
        out.append((role, Cost(step_ns, item_ns)))
    section.done()
    return tuple(out)


def _scales(top: Section, roles: list[str]) -> tuple[tuple[str, int], ...]:
    given = top.raw("scales") or {}
    if not isinstance(given, dict):
        raise top.error("scales", "must map programs to percent, for example {store-0: 300}")
    out = []
    for name, percent in given.items():
        role = str(name).removesuffix(DISK).partition("-")[0]
        if role not in roles:
            raise top.error(f"scales.{name}", f"unknown program{nearest(role, roles)}")
        if not isinstance(percent, int) or not 1 <= percent <= SCALE_MAX:
            raise top.error(f"scales.{name}", f"must be a whole number from 1 to {SCALE_MAX}")
        out.append((str(name), percent))
    return tuple(sorted(out))


def profile_document(costs: CostProfile, measured: JsonObject) -> JsonObject:
    """``measured``: where the figures come from."""
    return {
        "version": 1,
        "kind": KIND,
        "roles": {
            role: {"stepNs": cost.step_ns, "itemNs": cost.item_ns} for role, cost in costs.roles
        },
        "frameNs": costs.frame_ns,
        "syncNs": dict(costs.sync_ns),
        "scales": dict(costs.scales),
        "measured": measured,
    }
