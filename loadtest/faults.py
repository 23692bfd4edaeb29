"""``spec.faults``: what a campaign does to its own cluster.

    faults:
      kills: [store, apiserver-0]       # SIGKILL, each at a moment of the load drawn from the seed
      network: {delay: 2ms, jitter: 1ms, loss: 0.001, bandwidth: 10000000, cutEvery: 20s}

A kill names a program, or a kind of program of which the seed picks one. The network is that of
frames, between programs; see actors.net.fault_proxy.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from actors.plan import SOUND_NETWORK, NetworkFaults
from api.streams import Stream
from loadtest.fields import SECOND_NS, CampaignError, Section, nearest

KILLS_MAX = 1000


@dataclass(frozen=True, slots=True)
class FaultKnobs:
    """As written in the campaign."""

    kills: tuple[str, ...] = ()
    network: NetworkFaults = SOUND_NETWORK


NO_FAULTS = FaultKnobs()


@dataclass(frozen=True, slots=True)
class Kill:
    """SIGKILL for the process that a program then has."""

    at_ns: int
    """Since the start of the load."""
    program: str


def read_faults(section: Section) -> FaultKnobs:
    """Errors: CampaignError. Whether there is such a program is for ``compile_kills`` to say."""
    kills = section.raw("kills")
    names = [] if kills is None else kills
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise section.error("kills", "must be a list of programs such as store-0, or kinds of them")
    if len(names) > KILLS_MAX:
        raise section.error("kills", f"has {len(names)} entries; at most {KILLS_MAX} are allowed")
    knobs = FaultKnobs(tuple(names), _network(section.section("network")))
    section.done()
    return knobs


def _network(section: Section) -> NetworkFaults:
    faults = NetworkFaults(
        delay_s=section.duration("delay", "0s") / SECOND_NS,
        jitter_s=section.duration("jitter", "0s") / SECOND_NS,
        loss=section.number("loss", 0.0, 0.0, 0.5),
        bandwidth_bytes_s=section.integer("bandwidth", 0, 0, 10**12),
        cut_every_s=section.duration("cutEvery", "0s") / SECOND_NS,
        stall_every_s=section.duration("partitionEvery", "0s") / SECOND_NS,
        stall_s=section.duration("partition", "0s") / SECOND_NS,
    )
    if bool(faults.stall_every_s) != bool(faults.stall_s):
        raise section.error("partition", "and partitionEvery need each other")
    section.done()
    return faults


def kind_of(program: str) -> str:
    """ "store" of "store-0"."""
    return program.partition("-")[0]


def compile_kills(
    knobs: FaultKnobs, programs: Sequence[str], seed: int, duration_ns: int
) -> tuple[Kill, ...]:
    """In order of time. Errors: CampaignError."""
    stream = Stream(seed, "loadtest/kills")
    kinds = list(dict.fromkeys(map(kind_of, programs)))
    found = []
    for number, name in enumerate(knobs.kills):
        of_name = [program for program in programs if name in (program, kind_of(program))]
        if not of_name:
            known = list(dict.fromkeys([*kinds, *programs]))
            hint = nearest(name, known)
            raise CampaignError(f"spec.faults.kills[{number}]: no program {name!r}{hint}")
        program = of_name[stream.below(len(of_name))]
        found.append(Kill(stream.below(duration_ns), program))
    return tuple(sorted(found, key=lambda kill: (kill.at_ns, kill.program)))


def describe_network(faults: NetworkFaults) -> str:
    """For people, empty when there is nothing to say."""
    words = []
    if faults.delay_s or faults.jitter_s:
        words.append(
            f"delay {faults.delay_s * 1e3:g} to {(faults.delay_s + faults.jitter_s) * 1e3:g} ms"
        )
    if faults.loss:
        words.append(f"{faults.loss:.3%} of segments lost")
    if faults.bandwidth_bytes_s:
        words.append(f"{faults.bandwidth_bytes_s:,} bytes/s")
    if faults.cut_every_s:
        words.append(f"connections cut after {faults.cut_every_s:g} s on average")
    if faults.stall_s:
        words.append(
            f"partitions of {faults.stall_s:g} s, {faults.stall_every_s:g} s apart on average"
        )
    return ", ".join(words)
