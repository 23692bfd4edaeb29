"""Machines of a test's own: namespaces of network, processes, mounts, names, with an sshd in each.

    with Rig.made() as rig:
        desk, one = rig.machine("desk"), rig.machine("one")
        desk.run("ssh", one.address, "hostname")
        one.cut()

Each machine has its own address, process 1, /tmp, home and /etc/hosts, and a cable to a switch in a
network namespace of its own: nothing of it is ever seen outside, not even a file. All of them live
below one process that reads from us. However we end, it ends, and the kernel takes the rest with
it.
"""

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from actors.processes import alive, descendants, start_ticks

ROOT = Path(__file__).resolve().parents[2]
SETUP = Path(__file__).with_name("machine.sh")
NETWORK = "10.213.0"
BITS = 24
FIRST = 11
HOSTS_MAX = 20
SCRIPTS = sysconfig.get_path("scripts")
OWN_DIRECTORIES = ("/tmp", "/root", "/home", "/run")
"""What machine.sh gives every machine for itself."""
NEEDED = {
    "ip": "iproute2",
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "/usr/sbin/sshd": "openssh-server",
    "rsync": "rsync",
}
"""Programs, and the Debian package of each."""
UNSHARE = (
    *("unshare", "--net", "--pid", "--mount", "--uts", "--ipc"),
    *("--fork", "--kill-child", "--mount-proc", "--propagation", "private"),
)
TRIED = f"""
set -e
ip link add switch type bridge
ip link add one type veth peer name two
mount -t tmpfs tmpfs /mnt
{" ".join(UNSHARE)} sh -c 'mount -t tmpfs tmpfs /tmp && mount -o remount,bind,ro / && hostname x'
"""
READY = b"ready for"
UP = b"Server listening on"
END_S = 60.0
SWITCH = """
set -e
mount -t tmpfs -o mode=0700 tmpfs /mnt
for key in host_key user_key; do ssh-keygen -q -t ed25519 -N "" -f /mnt/$key; done
ip link add switch type bridge
ip link set switch up
echo ready for cables
exec cat
"""


def missing() -> str:
    """Why there can be no rig here; empty: there can."""
    if os.geteuid() != 0:
        return "not root: namespaces cannot be made"
    lacks = [f"{name} ({package})" for name, package in NEEDED.items() if not shutil.which(name)]
    if lacks:
        return f"not installed: {', '.join(lacks)}"
    tried = subprocess.run(
        [*UNSHARE, "sh", "-c", TRIED],
        check=False,
        capture_output=True,
        text=True,
    )
    return f"the kernel does not allow namespaces: {tried.stderr}" if tried.returncode else ""


class Machine:
    """One machine; made by ``Rig.add``."""

    def __init__(self, name: str, address: str, rig: "Rig", shared: tuple[Path, ...]) -> None:
        self.name = name
        self.address = address
        self._rig = rig
        self._cable = f"to-{name}"
        hosts = "\n".join(
            f"{NETWORK}.{FIRST + i} {other}" for i, other in enumerate(rig.names_to_come)
        )
        seen = [str(path) for path in (*_python(), *shared) if _hidden(path)]
        words = [name, f"{address}/{BITS}", hosts, *seen]
        self._process = subprocess.Popen(
            [*rig.inside, *UNSHARE, "sh", str(SETUP), *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        _await_line(self._process, READY, name)
        self.pid = _first_inside(self._process)
        self.namespace = Path(f"/proc/{self.pid}/ns/pid").stat().st_ino
        self._plug_in()

    def _plug_in(self) -> None:
        """Put the cable into its namespaces, tell it, and wait until sshd says that it listens."""
        end = f"end-{self.name}"
        there = ("peer", "name", end, "netns", str(self.pid))
        self._rig.ip("link", "add", self._cable, "type", "veth", *there)
        self._rig.ip("link", "set", self._cable, "master", "switch", "up")
        assert self._process.stdin
        self._process.stdin.write(f"{end}\n".encode())
        self._process.stdin.flush()
        _await_line(self._process, UP, self.name)

    def command(self, *words: str, cwd: Path | None = None) -> list[str]:
        """What runs ``words`` in a login shell of this machine's root user."""
        place = f"cd {cwd} && " if cwd else "cd && "
        shell = ["bash", "--login", "-c", f'{place}exec "$@"', "bash", *words]
        clean = ["env", "-i", "HOME=/root", "USER=root", "LANG=C.UTF-8", "TERM=dumb"]
        clean += ["PYTHONUNBUFFERED=1"]  # What is said is read while it is said.
        namespaces = ["nsenter", "-t", str(self.pid), "-p", "-m", "-n", "-u", "-i", "--"]
        return [*namespaces, *clean, *shell]

    def run(self, *words: str, timeout_s: float, cwd: Path | None = None) -> str:
        """What the command says. AssertionError when it fails."""
        done = subprocess.run(
            self.command(*words, cwd=cwd),
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
        )
        said = done.stdout.decode(errors="replace")
        assert done.returncode == 0, f"{self.name}: {words}: {said}"
        return said

    def archive(self, place: str, name: str, timeout_s: float) -> bytes:
        """A directory of this machine as a tar file."""
        words = ("tar", "c", "-C", place, name)
        done = subprocess.run(
            self.command(*words), check=True, stdout=subprocess.PIPE, timeout=timeout_s
        )
        return done.stdout

    def popen(self, *words: str, cwd: Path | None = None) -> "subprocess.Popen[str]":
        """Start the command; its output is to be read."""
        return subprocess.Popen(
            self.command(*words, cwd=cwd),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def write(self, path: str, text: str) -> None:
        """A file of this machine, readable by root alone."""
        subprocess.run(
            self.command("sh", "-c", 'umask 077; mkdir -p "$(dirname "$1")"; cat > "$1"', "", path),
            check=True,
            input=text.encode(),
        )

    def cut(self) -> None:
        """Pull its cable out of the switch."""
        self._rig.ip("link", "set", self._cable, "down")

    def mend(self) -> None:
        self._rig.ip("link", "set", self._cable, "up")

    def lose(self) -> None:
        """The machine is gone, with all its processes, at once."""
        os.kill(self.pid, signal.SIGKILL)
        self.close()

    def close(self) -> None:
        """Wait until the machine, which is to be gone, is. Idempotent."""
        _close(self._process)

    def processes(self) -> dict[int, str]:
        """See ``processes_in``."""
        return processes_in(self.namespace)


class Rig:
    """A switch and its machines. Made by ``made``, which removes it."""

    def __init__(self, names: tuple[str, ...]) -> None:
        """``names``: of all machines that there may be; they know each other by them."""
        assert len(names) <= HOSTS_MAX
        self.names_to_come = names
        self.machines: dict[str, Machine] = {}
        self._hub = subprocess.Popen(
            [*UNSHARE, "sh", "-c", SWITCH],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        _await_line(self._hub, READY, "the switch")
        self.pid = _first_inside(self._hub)
        self.namespace = Path(f"/proc/{self.pid}/ns/pid").stat().st_ino
        self.inside = ["nsenter", "-t", str(self.pid), "-p", "-n", "-m", "--"]

    @classmethod
    @contextmanager
    def made(cls, *names: str) -> Iterator["Rig"]:
        """A rig until the end of the block; see ``__init__``."""
        rig = cls(names)
        try:
            yield rig
        finally:
            rig.end()

    def add(self, name: str, *shared: Path) -> Machine:
        """Make a machine. ``shared``: directories of ours that it sees, read-only."""
        address = f"{NETWORK}.{FIRST + self.names_to_come.index(name)}"
        made = self.machines[name] = Machine(name, address, self, shared)
        made.write("/root/.bash_profile", f'export PATH="{SCRIPTS}:$PATH"\n')
        return made

    def user_key(self) -> str:
        """The private key with which root may enter every machine."""
        shown = subprocess.run(
            [*self.inside, "cat", "/mnt/user_key"], check=True, stdout=subprocess.PIPE, text=True
        )
        return shown.stdout

    def ip(self, *words: str) -> None:
        """A command of ip, in the network of the switch; processes have the pids that we see."""
        network = ["nsenter", "-t", str(self.pid), "-n", "--", "ip", *words]
        subprocess.run(network, check=True, capture_output=True)

    def end(self) -> None:
        """All is gone when this returns: a process namespace ends with its first process."""
        _close(self._hub)
        for machine in self.machines.values():
            machine.close()


def _close(process: "subprocess.Popen[bytes]") -> None:
    for pipe in (process.stdin, process.stdout):
        assert pipe
        pipe.close()
    process.wait(END_S)


def _python() -> list[Path]:
    """What Python itself needs: its environment, and the one that made it."""
    return [Path(sys.prefix), Path(sys.base_prefix)]


def _hidden(path: Path) -> bool:
    return any(path.is_relative_to(own) for own in OWN_DIRECTORIES)


def _await_line(process: "subprocess.Popen[bytes]", word: bytes, name: str) -> None:
    """Read what the process says up to a line with this word. AssertionError when it ends."""
    assert process.stdout
    said = b""
    for line in process.stdout:
        said += line
        if word in line:
            return
    raise AssertionError(f"{name}: {said.decode(errors='replace')}")


def _first_inside(process: "subprocess.Popen[bytes]") -> int:
    """Pid, as seen from here, of process 1 of the namespaces that this command has made: so far it
    has no children, so it is the last of the chain that leads there."""
    pid = descendants(process.pid)[-1]
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = [line for line in lines if line.startswith("NSpid:")]
    assert line.split()[-1] == "1", line
    return pid


def processes_in(namespace: int) -> dict[int, str]:
    """Command lines, by pid as seen from here, of all that run in a process namespace."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            # Some containers hide process 1 even from root; it is none of ours.
            with suppress(FileNotFoundError, ProcessLookupError, PermissionError):
                pid = int(entry.name)
                if (entry / "ns" / "pid").stat().st_ino == namespace and alive(
                    pid, start_ticks(pid)
                ):
                    text = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
                    found[pid] = text.decode(errors="replace")
    return found
