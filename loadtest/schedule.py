"""When which request is to be sent: computed before the run, from the campaign and its seed.

The schedule is the open loop: it does not know how the server fares; of a closed loop it has what
each user sends, one after the other. Times are ns since the start of the load. Arrivals of one
object carry one ``group``, so that one generator sends them all and in order.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import NamedTuple

from api.streams import Stream
from loadtest.campaign import Campaign, Phase
from loadtest.fields import SECOND_NS
from loadtest.loads import USERS_MAX, DeploymentLoad, Load, Pace, PodLoad, ReadLoad, WatchLoad
from loadtest.trace import Replay, TracePod, replayed

READ_AFTER_CREATE_NS = SECOND_NS
"""A pod may be read from this long after its scheduled creation."""
WATCH_SPREAD_NS = 2 * SECOND_NS
"""Watches of a phase open evenly over this long, or over half of a shorter phase."""


class Arrival(NamedTuple):
    """One request, intended for one moment."""

    at_ns: int
    phase: int
    scenario: str
    verb: str
    """create, scale, delete, get, list or watch."""
    resource: str
    namespace: str
    """Empty: cluster scope."""
    name: str
    value: tuple[tuple[str, int | str], ...]
    """What the verb needs: replicas, requests of a pod, limit, seconds."""
    group: int
    """One generator sends a group, in order. In a closed loop: the user."""
    until_ns: int = 0
    """Above 0: of a closed loop. Its user sends this one when the one before it has been answered,
    unless this moment has come; ``at_ns`` is then when the user begins."""

    @property
    def lane(self) -> tuple[int, int]:
        """Of a closed loop: all that one user sends."""
        return self.phase, self.group


def open_and_closed(
    arrivals: Sequence[Arrival],
) -> tuple[list[int], dict[tuple[int, int], deque[int]]]:
    """Places in a schedule: of what has its time, with the first arrival of each user of a closed
    loop, in order; and of what each of these users sends, by lane."""
    timed: list[int] = []
    lanes: dict[tuple[int, int], deque[int]] = {}
    for place, arrival in enumerate(arrivals):
        if not arrival.until_ns:
            timed.append(place)
            continue
        if arrival.lane not in lanes:
            timed.append(place)
        lanes.setdefault(arrival.lane, deque()).append(place)
    return timed, lanes


Traces = Mapping[tuple[str, tuple[tuple[str, str], ...]], Sequence[TracePod]]
"""Traces by PodLoad.trace_key."""


def namespace_of(index: int, count: int) -> str:
    return f"load-{index % count}"


def compile_schedule(campaign: Campaign, traces: Traces) -> list[Arrival]:
    """All arrivals of a campaign in order of time. Same campaign and traces: same list. Errors:
    CampaignError for amplified traces of too many pods."""
    end_ns = sum(phase.duration_ns for phase in campaign.phases)
    dealt = [_dealt(campaign.seed, phase) for phase in campaign.phases]
    writes: list[Arrival] = []
    start_ns = 0
    for index, phase in enumerate(campaign.phases):
        for position, load in enumerate(phase.load):
            stream = Stream(campaign.seed, f"loadtest/{phase.name}/{position}")
            span = _Span(index, position, start_ns, phase, end_ns, dealt[index])
            writes.extend(_writes(campaign, load, span, stream, traces))
        start_ns += phase.duration_ns
    writes.sort(key=_order)
    reads: list[Arrival] = []
    start_ns = 0
    for index, phase in enumerate(campaign.phases):
        for position, load in enumerate(phase.load):
            stream = Stream(campaign.seed, f"loadtest/{phase.name}/{position}/reads")
            span = _Span(index, position, start_ns, phase, end_ns, dealt[index])
            if isinstance(load, ReadLoad):
                reads.extend(_reads(campaign, load, span, stream, writes))
            elif isinstance(load, WatchLoad):
                reads.extend(_watches(campaign, load, span))
        start_ns += phase.duration_ns
    return sorted(writes + reads, key=_order)


class _Span(NamedTuple):
    """Where one load item lies in the run."""

    phase_index: int
    position: int
    start_ns: int
    phase: Phase
    run_end_ns: int
    dealt: Mapping[int, Sequence[int]]
    """Times of shared arrivals by the position of the load that got them."""

    def label(self) -> str:
        return f"{self.phase_index}-{self.position}"

    def times(self, pace: Pace, stream: Stream) -> Iterable[int]:
        """Since the start of the phase."""
        match pace.arrivals:
            case "shared":
                return self.dealt.get(self.position, ())
            case "closed":
                return repeat(0, pace.count)
            case kind:
                return arrival_times(kind, pace.rate, self.phase.duration_ns, stream, pace.burst)

    def placed(self, arrival: Arrival, pace: Pace, number: int) -> Arrival:
        """The load's arrival of this number, in its group."""
        if not pace.users:
            return arrival._replace(group=number)
        user = self.position * USERS_MAX + number % pace.users
        return arrival._replace(group=user, until_ns=self.start_ns + self.phase.duration_ns)


def _dealt(seed: int, phase: Phase) -> dict[int, list[int]]:
    """Each moment of the rate that loads share goes to one of them, drawn by weight."""
    shared, out = phase.shared, dict[int, list[int]]()
    if shared is None:
        return out
    owners = [
        position
        for position, load in enumerate(phase.load)
        if not isinstance(load, WatchLoad)
        for _ in range(load.pace.weight)
    ]
    times, deal = (Stream(seed, f"loadtest/{phase.name}/shared{part}") for part in ("", "/deal"))
    length_ns = phase.duration_ns
    for at_ns in arrival_times(shared.arrivals, shared.rate, length_ns, times, shared.burst):
        out.setdefault(owners[deal.below(len(owners))], []).append(at_ns)
    return out


def _order(arrival: Arrival) -> tuple[int, int, str, str]:
    return (arrival.at_ns, arrival.phase, arrival.scenario, arrival.name)


def arrival_times(
    kind: str, rate: float, length_ns: int, stream: Stream, burst: int = 1
) -> Iterator[int]:
    """Moments in [0, length), ``rate`` of them a second: evenly spaced (constant), each anywhere
    in its even slot (randomised), ``burst`` at once (stepped), or with exponential gaps (Poisson).
    """
    gap_ns = SECOND_NS / rate
    if kind != "poisson":
        for i in range(int(length_ns / gap_ns) + 1):
            at_ns = round((i + 0.5) * gap_ns)
            if at_ns >= length_ns:
                return
            if kind == "randomised":
                at_ns = min(length_ns - 1, int((i + stream.fraction()) * gap_ns))
            elif kind == "stepped":
                at_ns = int(i // burst * burst * gap_ns)
            yield at_ns
        return
    at = 0.0
    while True:
        at += _exponential(stream) * gap_ns
        if at >= length_ns:
            return
        yield int(at)


def _exponential(stream: Stream) -> float:
    """An exponential number of mean 1, the same on every platform.

    Von Neumann's comparison method: only comparisons and additions, no logarithm, whose last bit
    differs between C libraries. Source: Knuth, TAOCP 2, 3.4.1.
    """
    whole = 0
    while True:
        first = last = stream.fraction()
        run = 1
        while True:
            draw = stream.fraction()
            if draw >= last:
                break
            last = draw
            run += 1
        if run % 2 == 1:
            return whole + first
        whole += 1


def _writes(
    campaign: Campaign, load: Load, span: _Span, stream: Stream, traces: Traces
) -> list[Arrival]:
    if isinstance(load, DeploymentLoad):
        return _deployments(campaign, load, span, stream)
    if isinstance(load, PodLoad):
        if load.pace.arrivals == "trace":
            return _trace_pods(campaign, load, span, (traces[load.trace_key], stream))
        return _pods(campaign, load, span, stream)
    return []


def _deployments(
    campaign: Campaign, load: DeploymentLoad, span: _Span, stream: Stream
) -> list[Arrival]:
    out = []
    for i, offset_ns in enumerate(span.times(load.pace, stream)):
        at_ns = span.start_ns + offset_ns
        name = f"web-{span.label()}-{i}"
        base = Arrival(
            at_ns=at_ns,
            phase=span.phase_index,
            scenario="deployments",
            verb="create",
            resource="apps/deployments",
            namespace=namespace_of(i, campaign.namespaces),
            name=name,
            value=(("replicas", load.replicas),),
            group=i,
        )
        out.append(base)
        if load.scale_to:
            scaled = (("replicas", load.scale_to),)
            out.append(base._replace(at_ns=at_ns + load.scale_after_ns, verb="scale", value=scaled))
        if load.delete_after_ns:
            out.append(base._replace(at_ns=at_ns + load.delete_after_ns, verb="delete", value=()))
    return [arrival for arrival in out if arrival.at_ns < span.run_end_ns]


def _pods(campaign: Campaign, load: PodLoad, span: _Span, stream: Stream) -> list[Arrival]:
    out = []
    for i, offset_ns in enumerate(span.times(load.pace, stream)):
        at_ns = span.start_ns + offset_ns
        base = Arrival(
            at_ns=at_ns,
            phase=span.phase_index,
            scenario="pods",
            verb="create",
            resource="pods",
            namespace=namespace_of(i, campaign.namespaces),
            name=f"pod-{span.label()}-{i}",
            value=load.requests,
            group=i,
        )
        base = span.placed(base, load.pace, i)
        out.append(base)
        if load.lifetime_ns and at_ns + load.lifetime_ns < span.run_end_ns:
            out.append(base._replace(at_ns=at_ns + load.lifetime_ns, verb="delete", value=()))
    return out


def _trace_pods(
    campaign: Campaign, load: PodLoad, span: _Span, drawn: tuple[Sequence[TracePod], Stream]
) -> list[Arrival]:
    out = []
    how = Replay(
        start_ns=load.trace_start_ns,
        length_ns=span.phase.duration_ns,
        compression=load.compression,
        amplify=load.amplify,
        bootstrap_ns=load.bootstrap_ns,
    )
    until_ns = span.run_end_ns - span.start_ns
    for i, timed in enumerate(replayed(drawn[0], how, drawn[1])):
        name = f"{timed.pod.name}-{span.label()}" + (f"-{i}" if how.changed else "")
        base = Arrival(
            at_ns=span.start_ns + timed.created_ns,
            phase=span.phase_index,
            scenario="pods",
            verb="create",
            resource="pods",
            namespace=namespace_of(i, campaign.namespaces),
            name=name,
            value=trace_requests(timed.pod),
            group=i,
        )
        out.append(base)
        if 0 < timed.deleted_ns < until_ns:
            at_ns = span.start_ns + timed.deleted_ns
            out.append(base._replace(at_ns=at_ns, verb="delete", value=()))
    return out


def trace_requests(pod: TracePod) -> tuple[tuple[str, int | str], ...]:
    """Requests of an openb pod: gpu-milli = GPUs x share; gpu-count only for whole GPUs.

    Source: tests/golden/scheduler/FORMAT.md, family openb.
    """
    requests: list[tuple[str, int | str]] = [
        ("cpu", f"{pod.cpu_milli}m"),
        ("memory", f"{pod.memory_mib}Mi"),
    ]
    if pod.gpus:
        requests.append(("alibaba.com/gpu-milli", str(pod.gpus * pod.gpu_share_milli)))
        if pod.gpu_share_milli == 1000:
            requests.append(("alibaba.com/gpu-count", str(pod.gpus)))
    return tuple(requests)


def _reads(
    campaign: Campaign, load: ReadLoad, span: _Span, stream: Stream, writes: list[Arrival]
) -> list[Arrival]:
    shares = load.get_share + load.list_share + load.namespace_list_share
    alive = _Alive(writes)
    out = []
    for i, offset_ns in enumerate(span.times(load.pace, stream)):
        at_ns = span.start_ns + offset_ns
        alive.advance(at_ns)
        base = Arrival(
            at_ns=at_ns,
            phase=span.phase_index,
            scenario="readers",
            verb="list",
            resource="pods",
            namespace="",
            name="",
            value=(("limit", load.limit),),
            group=i,
        )
        base = span.placed(base, load.pace, i)
        draw = stream.below(shares)
        if draw < load.get_share:
            namespace, name = alive.pick(stream)
            if name:
                out.append(base._replace(verb="get", namespace=namespace, name=name, value=()))
            else:
                name = namespace_of(i, campaign.namespaces)
                out.append(base._replace(verb="get", resource="namespaces", name=name, value=()))
        elif draw < load.get_share + load.list_share:
            out.append(base)
        else:
            place = namespace_of(stream.below(campaign.namespaces), campaign.namespaces)
            out.append(base._replace(namespace=place))
    return out


class _Alive:
    """Pods that the schedule says exist at a moment that only moves forward."""

    def __init__(self, writes: list[Arrival]) -> None:
        moves = []
        for write in writes:
            # Nobody knows beforehand when a closed loop makes its pods.
            if write.resource == "pods" and not write.until_ns:
                created = write.verb == "create"
                at_ns = write.at_ns + (READ_AFTER_CREATE_NS if created else 0)
                moves.append((at_ns, created, write.namespace, write.name))
        self._moves = sorted(moves)
        self._next = 0
        self._pods: list[tuple[str, str]] = []
        self._index: dict[tuple[str, str], int] = {}
        self._gone: dict[tuple[str, str], bool] = {}

    def advance(self, now_ns: int) -> None:
        while self._next < len(self._moves) and self._moves[self._next][0] <= now_ns:
            _, created, namespace, name = self._moves[self._next]
            self._next += 1
            pod = (namespace, name)
            if not created:
                self._gone[pod] = True
                self._remove(pod)
            elif pod not in self._gone:
                self._index[pod] = len(self._pods)
                self._pods.append(pod)

    def pick(self, stream: Stream) -> tuple[str, str]:
        """Namespace and name of a living pod; empty when there is none."""
        return self._pods[stream.below(len(self._pods))] if self._pods else ("", "")

    def _remove(self, pod: tuple[str, str]) -> None:
        place = self._index.pop(pod, None)
        if place is None:
            return
        last = self._pods.pop()
        if last != pod:
            self._pods[place] = last
            self._index[last] = place


def _watches(campaign: Campaign, load: WatchLoad, span: _Span) -> list[Arrival]:
    spread_ns = min(WATCH_SPREAD_NS, span.phase.duration_ns // 2)
    end_ns = span.start_ns + span.phase.duration_ns
    slowly = (("bytes_per_second", load.read_bytes_s),) if load.read_bytes_s else ()
    out = []
    for i in range(load.count):
        at_ns = span.start_ns + spread_ns * i // load.count
        namespaced = load.scope == "namespace" and load.resource != "nodes"
        out.append(
            Arrival(
                at_ns=at_ns,
                phase=span.phase_index,
                scenario="watchers",
                verb="watch",
                resource=load.resource,
                namespace=namespace_of(i, campaign.namespaces) if namespaced else "",
                name=f"watch-{span.label()}-{i}",
                value=(("milliseconds", (end_ns - at_ns) // 1_000_000), *slowly),
                group=i,
            )
        )
    return out
