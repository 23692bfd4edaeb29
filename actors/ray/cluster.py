"""A cluster of programs in Ray actors, from a plan."""

import contextlib
import logging
import os
import shutil
import signal
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from actors.blueprint import API_SERVER, Part, parts_of
from actors.imports import unbroken
from actors.lives import Life, Lives
from actors.outages import RESTARTS_MAX, outages_of, serving
from actors.placement import layout
from actors.plan import (
    SPANS,
    ApiServerConfig,
    ClusterPlan,
    ProcessSample,
    Security,
    StoreConfig,
)
from actors.processes import (
    await_exit,
    belongs_to,
    cpu_seconds,
    descendants,
    pss_bytes,
    start_ticks,
)
from actors.ray.environment import (
    job_address,
    own_sigterm,
    prepare_private_ray,
    without_dashboard,
)
from actors.ray.machine import Papers
from actors.ray.machines import Machines, Unreachable
from actors.ray.places import BUNDLE_CPUS, NoPlace, Places
from actors.ray.port import lasting_port
from actors.ray.reaper import Reaper
from actors.security import create_security, spread, write_kubeconfig

START_TIMEOUT_S = 180.0
CALL_TIMEOUT_S = 10.0
SAMPLE_TIMEOUT_S = 5.0
STOP_TIMEOUT_S = 30.0
EXIT_TIMEOUT_S = 60.0
OBJECT_STORE_BYTES = 100 * 1024 * 1024
CALLS_AT_ONCE = 16
"""Of Ray, in one actor: peers that wait for an address must not keep out the rest."""


class ClusterError(RuntimeError):
    """The cluster could not start; the message names the program and its log."""


class RayCluster:
    """See actors.cluster.ClusterHandle. Made by ``RayCluster.start``."""

    def __init__(
        self, plan: ClusterPlan, security: Security, address: str, private: Path | None
    ) -> None:
        with unbroken():
            import ray  # after the environment is set, never at the top

        self._ray = ray
        self._address = address
        self._private = private
        self._hosts: dict[str, Any] = {}
        self._placed: dict[str, tuple[Part, str]] = {}
        """Program name to (part, name of its actor)."""
        self._moves = 0
        self._places = Places(ray)
        self._machines: Machines | None = None
        """None: all programs are on this machine."""
        self.placement: list[str] = []
        self._reaper: Reaper | None = None
        self._last: dict[str, list[ProcessSample]] = {}
        self._lives = Lives(security.cluster_id)
        self._below: dict[int, int] = {}
        self._stopped = False
        self._still: set[str] = set()
        """Programs that cannot answer, because they are paused."""
        self.namespace = f"hollowfleet-{security.cluster_id}"
        self.plan = plan
        self.security = security
        self.log_path = Path(plan.run_directory) / "programs.log"
        self.kubeconfig = str(Path(plan.run_directory) / "kubeconfig")
        self.ca_file = str(Path(security.directory) / "ca.crt")
        self.identity_file = ""
        self.server = ""
        self.servers: list[str] = []

    @classmethod
    def start(
        cls, plan: ClusterPlan, progress: Callable[[str], None], address: str = ""
    ) -> "RayCluster":
        """Join Ray at ``address``, or that of the job we are in, or else bring up a private one;
        then start all programs stage by stage. Blocks."""
        security = create_security(str(Path(plan.run_directory) / "security"))
        address = address or job_address()
        private: Path | None = None
        reaper: Reaper | None = None
        if not address:
            private = Path(tempfile.mkdtemp(prefix="hf-"))
            kubeconfig = Path(plan.run_directory) / "kubeconfig"
            reaper = Reaper(private, Path(security.directory), kubeconfig)
            prepare_private_ray(private)
        cluster = cls(plan, security, address, private)
        cluster._reaper = reaper
        try:
            progress(f"joining Ray at {address}" if address else "starting Ray")
            cluster._init_ray()
            cluster._find_machines(progress)
            cluster._start_programs(progress)
        except (NoPlace, Unreachable) as error:
            cluster.stop()
            raise ClusterError(str(error)) from error
        except BaseException:
            cluster.stop()
            raise
        return cluster

    def _init_ray(self) -> None:
        local: dict[str, Any] = {"address": self._address}
        if self._private is not None:
            local = {
                "address": "local",
                "_temp_dir": str(self._private),
                "_node_ip_address": "127.0.0.1",
                "include_dashboard": False,
                "object_store_memory": OBJECT_STORE_BYTES,
                "num_cpus": os.cpu_count(),
            }
        # The environment of the driver's virtual environment is that of the workers.
        try:
            with without_dashboard(), own_sigterm():
                self._ray.init(
                    namespace=self.namespace,
                    log_to_driver=False,
                    logging_level=logging.WARNING,
                    **local,
                )
        except Exception as error:
            # With this class itself Ray says that one of its processes did not come up.
            if type(error) is not Exception:
                raise
            raise ClusterError(f"Ray did not start: {error}") from error

    def _find_machines(self, progress: Callable[[str], None]) -> None:
        """If Ray has other machines than ours, the programs will be there. Unreachable."""
        if self._private is not None:
            if self.plan.machines > 1:
                raise ClusterError(
                    f"{self.plan.machines} machines are asked for and there is no Ray cluster: "
                    "bring one up by `ray up cluster.yaml` and submit the run to it"
                )
            return
        machines = Machines(self._ray, self.namespace, self._lives, self.log_path, progress)
        addresses = machines.wait_for(self.plan.machines)
        if not addresses:
            return
        progress(f"making {len(addresses)} machines ready: {', '.join(addresses)}")
        self.security = spread(self.security, addresses)
        directory = Path(self.security.directory)
        run = Path(self.plan.run_directory)
        papers = Papers.of(self.security.cluster_id, run, directory, self.log_path)
        self._machines = machines
        machines.equip(papers)

    def _settle(self, parts: list[Part]) -> list[Part]:
        """Find a place for each program. NoPlace."""
        if self._machines is None:
            self._places.here(parts)
            return [self._lasting(part) for part in parts]
        addresses = set(self._machines.nodes().values())
        plan = layout(parts, len(addresses))
        excluded = self._machines.own_nodes()
        for group in plan.groups:
            self._places.apart(group, excluded)
        self.placement = [*plan.said, *self._by_machine(parts)]
        return [self._lasting(part) for part in parts]

    def _lasting(self, part: Part) -> Part:
        """A restarted API server must be where kubeconfigs and generators look for it."""
        if not isinstance(part.config, ApiServerConfig):
            return part
        port = part.config.https_port
        if self._machines is not None:
            port = self._machines.ask(self._address_of(part.name), "port")
        return replace(
            part, config=replace(part.config, https_port=port or lasting_port("127.0.0.1"))
        )

    def _by_machine(self, parts: list[Part]) -> list[str]:
        """What is where, as sentences."""
        there: dict[str, list[str]] = {}
        for part in parts:
            there.setdefault(self._address_of(part.name), []).append(part.name)
        return [f"{address}: {', '.join(names)}." for address, names in sorted(there.items())]

    def _address_of(self, program: str) -> str:
        """Of the machine on which a program was placed."""
        if self._machines is None:
            return "127.0.0.1"
        return self._machines.nodes()[self._places.node_of(program)]

    def _start_programs(self, progress: Callable[[str], None]) -> None:
        parts = self._settle(parts_of(self.plan, self.security))
        for said in self.placement:
            progress(said)
        for part in parts:
            self._hosts[part.name] = self._host(part, part.name)
            self._placed[part.name] = (part, part.name)
        for stage in sorted({part.stage for part in parts}):
            names = [part.name for part in parts if part.stage == stage]
            progress(f"starting {', '.join(names)}")
            for name in names:
                self._hosts[name].begin.remote()
            for name in names:
                self._await_address(name)
            if API_SERVER in names:
                self.servers = [
                    f"https://{self._address_of(name)}:"
                    f"{self._ask(name, 'https_port', START_TIMEOUT_S)}"
                    for name in names
                ]
                self.server = self.servers[0]
                write_kubeconfig(self.security, self.server, self.kubeconfig)
                if self._machines is not None:
                    self._machines.put(self.kubeconfig)
        self._below = self._private_processes()

    def move_store(self, name: str) -> None:
        """Have another actor take over a shard with its log and snapshot from the one that serves
        it, which then ends. Blocks. ClusterError: the shard stays where it is."""
        from actors.ray.host import MOVED

        part, present = self._placed[name]
        assert isinstance(part.config, StoreConfig), f"{name} is no shard of our own store"
        self._moves += 1
        actor = f"{name}{MOVED}{self._moves}"
        directory = str(Path(self.plan.run_directory) / actor)
        moved = replace(part, config=replace(part.config, directory=directory, take_from=present))
        old, self._hosts[name] = self._hosts[name], self._host(moved, actor, cpus=0)
        self._hosts[name].begin.remote()
        try:
            self._await_address(name)
        except ClusterError:
            self._ray.kill(self._hosts[name], no_restart=True)
            self._hosts[name] = old
            raise
        self._placed[name] = (moved, actor)
        self._ray.kill(old, no_restart=True)

    def _host(self, part: Part, actor: str, cpus: float = BUNDLE_CPUS) -> Any:
        from actors.ray.host import ProgramHost

        remote = self._ray.remote(ProgramHost).options(
            name=actor,
            namespace=self.namespace,
            num_cpus=cpus,
            max_restarts=RESTARTS_MAX,
            max_concurrency=CALLS_AT_ONCE,
            scheduling_strategy=self._places.strategy_of(part.name),
        )
        return remote.remote(part, self.namespace, str(self.log_path))

    def _await_address(self, name: str) -> None:
        try:
            self._ask(name, "address", START_TIMEOUT_S)
        except (self._ray.exceptions.RayError, self._ray.exceptions.GetTimeoutError) as error:
            cause = getattr(error, "cause", None) or error
            raise ClusterError(f"{name} did not start: {cause} (log: {self.log_path})") from error

    def _ask(self, name: str, method: str, timeout_s: float = CALL_TIMEOUT_S) -> Any:
        return self._ray.get(getattr(self._hosts[name], method).remote(), timeout=timeout_s)

    @property
    def token(self) -> str:
        """Bearer token of the cluster's administrator."""
        from actors.security import admin_token

        return admin_token(self.security)

    def samples(self) -> list[ProcessSample]:
        """Cumulative CPU and memory of each program, and of a private Ray as ``ray``."""
        self._last.update(self._ask_all("samples"))
        found = [sample for name in self._hosts for sample in self._last.get(name, [])]
        ours = {sample.pid for sample in found}
        for pid in self._below:
            if pid not in ours:
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    found.append(ProcessSample("ray", pid, cpu_seconds(pid), pss_bytes(pid)))
        return found

    def gauges(self) -> dict[str, dict[str, float]]:
        """Counters and queue lengths of each program that answers."""
        return self._ask_all("gauges")

    def _ask_all(self, method: str) -> dict[str, Any]:
        """Of each program that serves and answers, by name."""
        serve = serving(self._lives.all())
        asked = {
            name: getattr(host, method).remote()
            for name, host in self._hosts.items()
            if name in serve and name not in self._still
        }
        if asked:
            # Who is on a machine that is cut off does not answer, and may not hold up the others.
            self._ray.wait([*asked.values()], num_returns=len(asked), timeout=SAMPLE_TIMEOUT_S)
        found = {}
        for name, answer in asked.items():
            with contextlib.suppress(self._ray.exceptions.RayError):
                found[name] = self._ray.get(answer, timeout=0)
        return found

    def kill(self, program: str) -> int:
        """See actors.cluster.ClusterHandle."""
        return self._signal(program, signal.SIGKILL)

    def pause(self, program: str, still: bool) -> bool:
        """See actors.cluster.ClusterHandle."""
        if still:
            self._still.add(program)
        found = self._signal(program, signal.SIGSTOP if still else signal.SIGCONT)
        if not (still and found):
            self._still.discard(program)
        return bool(found)

    def _signal(self, program: str, number: signal.Signals) -> int:
        """To the process in which a program serves; its pid, 0 when there is none."""
        serve = [one for one in self._lives.all() if one.up_ns and not one.ended_ns]
        for life in serve:
            if life.program == program:
                if self._machines is not None and life.machine:
                    with contextlib.suppress(self._ray.exceptions.RayError):
                        self._machines.ask(life.machine, "signal", life.pid, number.value)
                else:
                    # It may have died this moment, of something else.
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(life.pid, number)
                return life.pid
        return 0

    def slow(self, program: str, service_s: float) -> bool:
        """See actors.cluster.ClusterHandle."""
        return self._tell(self._hosts[program].slow.remote(service_s))

    def disconnect(self, program: str, off: bool) -> bool:
        """See actors.cluster.ClusterHandle."""
        return self._tell(self._hosts[program].disconnect.remote(off))

    def _tell(self, asked: Any) -> bool:
        """False: nobody heard it."""
        try:
            return bool(self._ray.get(asked, timeout=CALL_TIMEOUT_S))
        except (self._ray.exceptions.RayError, self._ray.exceptions.GetTimeoutError):
            return False

    def lives(self) -> list[Life]:
        """See actors.lives.Lives.all."""
        return self._lives.all()

    def await_lives(self, holds: Callable[[list[Life]], bool], timeout_s: float) -> bool:
        """See actors.lives.Lives.wait."""
        return self._lives.wait(holds, timeout_s)

    def failures(self) -> list[str]:
        """What the programs logged as failures, line by line."""
        if not self.log_path.exists():
            return []
        return self.log_path.read_text(encoding="utf-8").splitlines()

    def stop(self) -> None:
        """Stop programs in reverse order, then a Ray of our own; return when none of their
        processes is left. A Ray that we joined keeps all that is not ours. Idempotent."""
        if self._stopped:
            return
        self._stopped = True
        ours = self._below | self._private_processes()
        for life in self._lives.all():
            # Also of those that will not answer below.
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                if not life.ended_ns and not life.machine:
                    ours[life.pid] = start_ticks(life.pid)
        left: list[str] = []
        if self._ray.is_initialized():
            for name in reversed(self._hosts):
                if self._machines is not None and name not in serving(self._lives.all()):
                    continue  # It may wait for a machine, and would not answer.
                with contextlib.suppress(self._ray.exceptions.RayError):
                    pid = self._ask(name, "stop", STOP_TIMEOUT_S)
                    if self._machines is None:
                        ours[pid] = start_ticks(pid)
            for host in self._hosts.values():
                self._ray.kill(host, no_restart=True)
            if self._machines is not None:
                wanted = [f"{SPANS}/*"]
                if outages_of(self._lives.all()):
                    wanted.append("store-*/**/*")
                left = self._machines.end(wanted, Path(self.plan.run_directory))
                self.placement += self._machines.said
            self._places.remove()
            self._ray.shutdown()
        else:
            # Interrupted amid its start: Ray itself does not know yet what it has started.
            for pid in ours:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        # Secrets of a cluster that is gone have no business in the bundle of its run.
        shutil.rmtree(self.security.directory, ignore_errors=True)
        Path(self.kubeconfig).unlink(missing_ok=True)
        self._lives.close()
        _await_exit(ours)
        if self._private is not None:
            shutil.rmtree(self._private, ignore_errors=True)
        if self._reaper is not None:
            self._reaper.dismiss()
        if left:
            raise ClusterError(f"programs had to be killed: {', '.join(left)}")

    def _private_processes(self) -> dict[int, int]:
        """Processes of a private Ray with their start; the caller's other children are not ours."""
        found: dict[int, int] = {}
        if self._private is None:
            return found
        for pid in descendants(os.getpid()):
            if belongs_to(pid, self._private):
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    found[pid] = start_ticks(pid)
        return found


def _await_exit(processes: dict[int, int]) -> None:
    """Wait until none of these processes runs; a process that stays is named in the error."""
    left = await_exit(processes, EXIT_TIMEOUT_S)
    if left:
        raise ClusterError(f"processes did not end: {left}")
