"""Options of a run that somebody sets instead of leaving them to the seed, as ``KEY=VALUE``."""

import difflib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from sim.options import FAULTS, FAULTS_OF_LEADERS, Options
from sim.workload import PODS_PER_NODE, crowds

NUMBERS: Final = {
    "store_shards": (1, 64),
    "api_servers": (1, 16),
    "partitions": (0, 16),
    "controllers": (1, 16),
    "schedulers": (1, 2),
    "hollow_actors": (1, 16),
    "nodes": (1, 1000),
    "deployments": (0, 200),
    "replicas_max": (1, 200),
    "changes": (0, 100),
    "bare_pods": (0, 1000),
    "cordons": (0, 100),
    "spare_nodes": (0, 100),
    "zones": (1, 2),
    "fault_seconds": (1, 600),
    "faults_count": (0, 1000),
    "probes": (0, 16),
    "keepers": (0, 16),
    "mirrors": (0, 16),
    "readers": (0, 16),
    "pace_percent": (1, 10_000),
    "skew_ms_max": (0, 10_000),
    "retain_s": (1, 3600),
    "segment_bytes": (1 << 10, 1 << 30),
    "snapshot_bytes": (1 << 10, 1 << 30),
}
"""Least and greatest value of each."""
WORDS: Final = {"durability": ("fsync", "buffered"), "shard_by": ("kind", "hash")}
KINDS: Final = (*FAULTS, *FAULTS_OF_LEADERS)
FAULTS_COUNT: Final = 8
"""Faults that strike when an option names their kinds and the seed itself drew a world without."""


class OptionError(ValueError):
    """An option that cannot be used; its text is one sentence that says why."""


def changed(options: Options, texts: Sequence[str]) -> Options:
    """The options with each ``KEY=VALUE`` of ``texts`` applied. OptionError."""
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals:
            raise OptionError(f"{text!r} is not KEY=VALUE")
        options = replace(options, **_parsed(key, value))
    named = [text.partition("=")[0] for text in texts]
    if "faults" in named and "faults_count" not in named:
        count = options.faults_count or FAULTS_COUNT
        options = replace(options, faults_count=count if options.faults else 0)
    _check(options)
    return options


def _parsed(key: str, value: str) -> dict[str, Any]:
    if key == "faults":
        kinds = tuple(kind.strip() for kind in value.split(",") if kind.strip())
        for kind in kinds:
            if kind not in KINDS:
                raise OptionError(f"unknown fault {kind!r}{_nearest(kind, KINDS)}")
        return {key: kinds}
    if key in WORDS:
        if value not in WORDS[key]:
            raise OptionError(f"{key} is {' or '.join(WORDS[key])}, not {value!r}")
        return {key: value}
    if key not in NUMBERS:
        known = ("faults", *WORDS, *NUMBERS)
        raise OptionError(f"unknown option {key!r}{_nearest(key, known)}")
    low, high = NUMBERS[key]
    if not value.isdecimal() or not low <= int(value) <= high:
        raise OptionError(f"{key} is a number from {low} to {high}, not {value!r}")
    return {key: int(value)}


def _nearest(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    hint = f", perhaps you mean {close[0]!r}" if close else ""
    return f"{hint}; there are {', '.join(known)}"


def _check(options: Options) -> None:
    """Topologies that cannot be, and faults that nothing could be promised under."""
    if options.cordons > options.nodes:
        raise OptionError(f"{options.cordons} cordons want more than {options.nodes} nodes")
    if options.hollow_actors > options.nodes:
        message = f"{options.hollow_actors} hollow_actors cannot share {options.nodes} nodes"
        raise OptionError(message)
    for pods, nodes in crowds(options):
        if pods > nodes * PODS_PER_NODE:
            where = f"{nodes} of {options.nodes} nodes, where alone they may go"
            raise OptionError(f"{pods} pods may find no room on {where}: raise nodes")
    if options.faults_count and not options.faults:
        raise OptionError("faults_count wants faults, and there is none to choose from")
    if "power loss" in options.faults and options.durability == "buffered":
        message = "durability buffered may lose what it acknowledged in a power loss"
        raise OptionError(f"{message}: choose fsync, or other faults")
    if options.faults == ("crash partition",) and not options.partitions:
        raise OptionError("there is no partition to crash: raise partitions")
