"""``spec.faults``: what a campaign does to its own cluster.

    faults:
      kills: [store, apiserver-0]       # SIGKILL, each at a moment of the load drawn from the seed
      slow:
      - {component: scheduler, perOperation: 20ms}       # held to 50 requests a second
      - {component: store, perOperation: 2ms, at: 10s, for: 5s}
      pause:
      - {component: store-0, at: 10s, for: 3s}           # SIGSTOP, and SIGCONT three seconds later
      disconnect:
      - {component: scheduler, at: 15s, for: 4s}         # nothing goes to it or comes from it
      network: {delay: 2ms, jitter: 1ms, loss: 0.001, bandwidth: 10000000, cutEvery: 20s,
                between: [apiserver-0, store-0]}

A kill names a program, or a kind of program of which the seed picks one. What is slow names a
program, or a kind, all programs of which are: see actors.hold. So does what is paused: the process
stands still, and its connections stay. And so does what is disconnected: the process goes on, and
no frame comes to it or leaves it until the time is over, when all that waited goes its way; who
speaks HTTPS with an API server still reaches it. An operation is a request: for a shard and an API
server one that comes, for a scheduling partition a pod to score, for all others one that they send.
The network is that of frames, between all programs or two of them; see actors.net.fault_proxy.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from actors.plan import SOUND_NETWORK, NetworkFaults
from api.streams import Stream
from loadtest.fields import SECOND_NS, CampaignError, Section, nearest

KILLS_MAX = 1000
SLOW_MAX = 100
PAUSE, DISCONNECT = "pause", "disconnect"
INTERRUPTIONS_MAX = 100
AWAY_NS = (SECOND_NS // 1000, 60 * SECOND_NS)
"""Whoever is away for longer is taken for dead: by those who watch over a machine, by its peers."""
PER_OPERATION_NS = (1000, 60 * SECOND_NS)


@dataclass(frozen=True, slots=True)
class SlowKnobs:
    component: str
    per_operation_ns: int
    at_ns: int
    """Since the start of the load."""
    for_ns: int
    """0: until the load ends."""


@dataclass(frozen=True, slots=True)
class InterruptionKnobs:
    how: str
    """PAUSE or DISCONNECT."""
    component: str
    at_ns: int
    """Since the start of the load."""
    for_ns: int


@dataclass(frozen=True, slots=True)
class FaultKnobs:
    """As written in the campaign."""

    kills: tuple[str, ...] = ()
    slow: tuple[SlowKnobs, ...] = ()
    pause: tuple[InterruptionKnobs, ...] = ()
    disconnect: tuple[InterruptionKnobs, ...] = ()
    network: NetworkFaults = SOUND_NETWORK


NO_FAULTS = FaultKnobs()


@dataclass(frozen=True, slots=True)
class Kill:
    """SIGKILL for the process that a program then has."""

    at_ns: int
    """Since the start of the load."""
    program: str


@dataclass(frozen=True, slots=True)
class Slowing:
    """From a moment on, an operation of a program takes so long."""

    at_ns: int
    """Since the start of the load."""
    program: str
    per_operation_ns: int
    """0: the program is slow no more."""


def read_faults(section: Section) -> FaultKnobs:
    """Errors: CampaignError. Whether there is such a program is for ``compile_kills`` to say."""
    kills = section.raw("kills")
    names = [] if kills is None else kills
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise section.error("kills", "must be a list of programs such as store-0, or kinds of them")
    if len(names) > KILLS_MAX:
        raise section.error("kills", f"has {len(names)} entries; at most {KILLS_MAX} are allowed")
    slow = tuple(map(_slow, section.optional_sections("slow")))
    if len(slow) > SLOW_MAX:
        raise section.error("slow", f"has {len(slow)} entries; at most {SLOW_MAX} are allowed")
    pause, disconnect = (_interruptions(section, how) for how in (PAUSE, DISCONNECT))
    knobs = FaultKnobs(tuple(names), slow, pause, disconnect, _network(section.section("network")))
    section.done()
    return knobs


def _slow(section: Section) -> SlowKnobs:
    knobs = SlowKnobs(
        component=section.text("component"),
        per_operation_ns=section.duration("perOperation"),
        at_ns=section.duration("at", "0s"),
        for_ns=section.duration("for", "0s"),
    )
    if not PER_OPERATION_NS[0] <= knobs.per_operation_ns <= PER_OPERATION_NS[1]:
        raise section.error("perOperation", "must be from 1us to 1m")
    section.done()
    return knobs


def _interruptions(section: Section, how: str) -> tuple[InterruptionKnobs, ...]:
    found = []
    for one in section.optional_sections(how):
        component, at_ns, for_ns = one.text("component"), one.duration("at"), one.duration("for")
        if not AWAY_NS[0] <= for_ns <= AWAY_NS[1]:
            raise one.error("for", "must be from 1ms to 1m")
        one.done()
        found.append(InterruptionKnobs(how, component, at_ns, for_ns))
    if len(found) > INTERRUPTIONS_MAX:
        most = f"has {len(found)} entries; at most {INTERRUPTIONS_MAX} are allowed"
        raise section.error(how, most)
    return tuple(found)


def _network(section: Section) -> NetworkFaults:
    near, far = _between(section)
    faults = NetworkFaults(
        delay_s=section.duration("delay", "0s") / SECOND_NS,
        jitter_s=section.duration("jitter", "0s") / SECOND_NS,
        loss=section.number("loss", 0.0, 0.0, 0.5),
        bandwidth_bytes_s=section.integer("bandwidth", 0, 0, 10**12),
        cut_every_s=section.duration("cutEvery", "0s") / SECOND_NS,
        stall_every_s=section.duration("partitionEvery", "0s") / SECOND_NS,
        stall_s=section.duration("partition", "0s") / SECOND_NS,
    )
    if near and not faults.active:
        raise section.error("between", "needs a fault such as delay or bandwidth")
    faults = replace(faults, near=near, far=far)
    if bool(faults.stall_every_s) != bool(faults.stall_s):
        raise section.error("partition", "and partitionEvery need each other")
    section.done()
    return faults


def _between(section: Section) -> tuple[str, str]:
    """The two programs of one way; empty names for all ways."""
    names = section.texts("between")
    if not names:
        return "", ""
    if len(names) != 2 or names[0] == names[1]:
        raise section.error("between", f"must be two programs, not {list(names)}")
    return names[0], names[1]


def kind_of(program: str) -> str:
    """ "store" of "store-0"."""
    return program.partition("-")[0]


def compile_kills(
    knobs: FaultKnobs, programs: Sequence[str], seed: int, duration_ns: int
) -> tuple[Kill, ...]:
    """In order of time. Errors: CampaignError."""
    stream = Stream(seed, "loadtest/kills")
    found = []
    for number, name in enumerate(knobs.kills):
        of_name = called(name, programs, f"kills[{number}]")
        program = of_name[stream.below(len(of_name))]
        found.append(Kill(stream.below(duration_ns), program))
    return tuple(sorted(found, key=lambda kill: (kill.at_ns, kill.program)))


def called(name: str, programs: Sequence[str], field: str) -> list[str]:
    """The program of a name, or all of a kind. CampaignError names the field."""
    of_name = [program for program in programs if name in (program, kind_of(program))]
    if not of_name:
        known = list(dict.fromkeys([*map(kind_of, programs), *programs]))
        raise CampaignError(f"spec.faults.{field}: no program {name!r}{nearest(name, known)}")
    return of_name


def compile_slow(
    knobs: FaultKnobs, programs: Sequence[str], duration_ns: int
) -> tuple[Slowing, ...]:
    """In order of time, each span with its end. Errors: CampaignError."""
    spans: dict[str, list[tuple[int, int]]] = {}
    found = []
    for number, knob in enumerate(knobs.slow):
        if knob.at_ns >= duration_ns:
            raise CampaignError(f"spec.faults.slow[{number}].at: the load has ended by then")
        end_ns = min(knob.at_ns + knob.for_ns, duration_ns) if knob.for_ns else duration_ns
        for program in called(knob.component, programs, f"slow[{number}].component"):
            others = spans.setdefault(program, [])
            if any(knob.at_ns < until and since < end_ns for since, until in others):
                raise CampaignError(
                    f"spec.faults.slow[{number}]: {program} is slow at that time already"
                )
            others.append((knob.at_ns, end_ns))
            found += [
                Slowing(knob.at_ns, program, knob.per_operation_ns),
                Slowing(end_ns, program, 0),
            ]
    # An end comes before what begins at that moment.
    return tuple(sorted(found, key=lambda one: (one.at_ns, one.per_operation_ns > 0, one.program)))


def check_between(faults: NetworkFaults, programs: Sequence[str]) -> None:
    """Errors: CampaignError, for a way between programs that are not there."""
    for name in (faults.near, faults.far):
        if name and name not in programs:
            hint = nearest(name, programs)
            raise CampaignError(f"spec.faults.network.between: no program {name!r}{hint}")


def describe_slow(slow: Sequence[Slowing]) -> list[str]:
    """For people, one for each program and time."""
    lines = []
    for place, one in enumerate(slow):
        if one.per_operation_ns:
            # Spans of one program do not overlap: the next word on it is its end.
            until_ns = next(end.at_ns for end in slow[place + 1 :] if end.program == one.program)
            lines.append(
                f"{one.program}: {one.per_operation_ns / 1e6:g} ms an operation, from "
                f"{one.at_ns / SECOND_NS:g} to {until_ns / SECOND_NS:g} s"
            )
    return lines


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
    if faults.near:
        words.append(f"between {faults.near} and {faults.far} only")
    return ", ".join(words)
