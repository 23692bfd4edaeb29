"""The machines of a cluster beside its driver's: found, equipped, followed, left as they were."""

import contextlib
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from actors.lives import Life, Lives
from actors.ray.machine import LEASE_S, Machine, Papers, actor_name

READY_S = 60.0
END_S = 60.0
JOIN_S = 300.0
"""How long a start waits for machines that are to join."""
BROUGHT_BYTES_MAX = 256 << 20
"""Of one kind of files of a machine, at the end."""
LOOK_S = 1.0
"""Between looks for machines that have joined."""
CALLS_AT_ONCE = 8


class Unreachable(Exception):
    """A machine that Ray lists does not answer; the text is one sentence for the user."""


class Machines:
    """``lives`` and the log get what the machines tell; ``said`` collects what became of them."""

    def __init__(
        self, ray: Any, namespace: str, lives: Lives, log: Path, say: Callable[[str], None]
    ) -> None:
        self._ray = ray
        self._namespace = namespace
        self._lives = lives
        self._log = log
        self._say = say
        self._papers: Papers | None = None
        self._actors: dict[str, Any] = {}
        """By address; of those that live."""
        self._seen: set[str] = set()
        """Ids of Ray's nodes, which are never used twice."""
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()
        self.own = str(ray.util.get_node_ip_address())
        self.said: list[str] = []

    def nodes(self) -> dict[str, str]:
        """Ray's living nodes that are not of the driver's machine: id to address."""
        return {
            node["NodeID"]: node["NodeManagerAddress"]
            for node in self._ray.nodes()
            if node["Alive"] and node["NodeManagerAddress"] != self.own
        }

    def wait_for(self, count: int) -> list[str]:
        """Until the Ray cluster has so many machines, with ours: addresses of the others.
        Unreachable."""
        waiting = False
        for _ in range(round(JOIN_S / LOOK_S)):
            addresses = sorted(set(self.nodes().values()))
            if len(addresses) + 1 >= count:
                return addresses
            if not waiting:
                self._say(f"waiting for {count} machines")
                waiting = True
            self._stopping.wait(LOOK_S)
        raise Unreachable(
            f"only {len(addresses) + 1} of {count} machines are in the Ray cluster after "
            f"{JOIN_S:g} s ({', '.join([self.own, *addresses])}): the log of `ray up` and "
            "/tmp/ray/session_latest/logs/monitor.log on its head say why"
        )

    def own_nodes(self) -> list[str]:
        """Ids of those that are."""
        here = [node for node in self._ray.nodes() if node["NodeManagerAddress"] == self.own]
        return sorted(node["NodeID"] for node in here)

    def equip(self, papers: Papers) -> None:
        """Make every machine ready for programs, and follow it. Unreachable."""
        self._papers = papers
        nodes = self.nodes()
        self._seen.update(nodes)
        by_address = {address: node for node, address in sorted(nodes.items())}
        for address, node in sorted(by_address.items()):
            self._actors[address] = self._start(address, node)
        for address in sorted(by_address):
            self._await(address)
        for address, node in sorted(by_address.items()):
            self._follow(address, node)
        self._run(self._look, "machines")

    def ask(self, address: str, method: str, *arguments: object) -> Any:
        """Raises Ray's errors."""
        reference = getattr(self._actors[address], method).remote(*arguments)
        return self._ray.get(reference, timeout=READY_S)

    def put(self, path: str) -> None:
        """A file of the driver's, to all machines."""
        data = Path(path).read_bytes()
        for address in sorted(self._actors):
            with contextlib.suppress(self._ray.exceptions.RayError):
                self.ask(address, "put", path, data)

    def end(self, wanted: Sequence[str], directory: Path) -> list[str]:
        """Have all machines wait for the end of their programs, bring the files of these patterns
        to ``directory``, and have them forget the cluster. Names of programs that did not end by
        themselves."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(END_S)
        left: list[str] = []
        ends = {
            address: actor.await_end.remote(END_S)
            for address, actor in sorted(self._actors.items())
        }
        for address, end in ends.items():
            with contextlib.suppress(self._ray.exceptions.RayError):
                left += [f"{name} on {address}" for name in self._ray.get(end, timeout=2 * END_S)]
                try:
                    self._bring(address, wanted, directory)
                except OSError as error:
                    self._tell(f"Machine {address}: its files cannot be kept here: {error}")
                self.ask(address, "leave")
        for actor in self._actors.values():
            self._ray.kill(actor, no_restart=True)
        self._actors.clear()
        return left

    def _bring(self, address: str, wanted: Sequence[str], directory: Path) -> None:
        for pattern in wanted:
            files = self.ask(address, "files", pattern)
            size = sum(length for _, length in files)
            if size > BROUGHT_BYTES_MAX:
                self._tell(
                    f"Machine {address}: {size / 2**20:,.0f} MiB of {pattern} stay there: too much."
                )
                continue
            for name, length in files:
                path = directory / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("wb") as file:
                    while file.tell() < length:
                        file.write(self.ask(address, "read", name, file.tell()))

    def _start(self, address: str, node: str) -> Any:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        remote = self._ray.remote(Machine).options(
            name=actor_name(address),
            namespace=self._namespace,
            num_cpus=0,
            max_concurrency=CALLS_AT_ONCE,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
        )
        return remote.remote(address, self._papers)

    def _await(self, address: str) -> None:
        try:
            self.ask(address, "ready")
        except (self._ray.exceptions.RayError, self._ray.exceptions.GetTimeoutError) as error:
            raise Unreachable(
                f"machine {address} is in the Ray cluster but does not answer: "
                f"{getattr(error, 'cause', None) or error}"
            ) from error

    def _follow(self, address: str, node: str) -> None:
        self._run(self._hear, actor_name(address), address, node)

    def _run(self, target: Callable[..., None], name: str, *arguments: object) -> None:
        thread = threading.Thread(target=target, name=name, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _hear(self, address: str, node: str) -> None:
        """Until the end, or until the machine is lost."""
        actor = self._actors[address]
        known: list[Life] = []
        log_bytes = 0
        while not self._stopping.is_set():
            try:
                question = actor.news.remote(known, log_bytes)
                known, written = self._ray.get(question, timeout=LEASE_S)
            except self._ray.exceptions.ActorDiedError:
                self._lose(address, node)
                return
            except (
                self._ray.exceptions.GetTimeoutError,
                self._ray.exceptions.ActorUnavailableError,
            ):
                # It may be cut off. Whether it is lost, Ray will say.
                self._stopping.wait(LOOK_S)
                continue
            if known:
                self._lives.told(node, address, known)
            if written:
                log_bytes += len(written)
                with self._log.open("ab") as log:
                    log.write(written)

    def _lose(self, address: str, node: str) -> None:
        self._lives.told(node, address, [])
        del self._actors[address]
        self._tell(f"Machine {address} was lost.")

    def _look(self) -> None:
        """Equip machines that join."""
        while not self._stopping.wait(LOOK_S):
            for node, address in sorted(self.nodes().items()):
                if node in self._seen or address in self._actors:
                    continue
                self._seen.add(node)
                self._actors[address] = self._start(address, node)
                try:
                    self._await(address)
                except Unreachable as error:
                    del self._actors[address]
                    self._tell(f"{error}")
                else:
                    self._follow(address, node)
                    self._tell(f"Machine {address} joined: it gets what has to be started anew.")

    def _tell(self, text: str) -> None:
        self.said.append(text)
        self._say(text)
