"""An unmodified etcdctl against ours and against a real etcd: the same words, apart from names.

Each scenario is a list of commands, played on two servers; the transcripts must be equal once
identifiers, addresses and times are taken out. Debian's packages ``etcd-client`` and
``etcd-server`` have both programs.
"""

import re
import shutil
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from actors.ray.port import lasting_port

ROOT = Path(__file__).resolve().parents[2]
HOST = "127.0.0.1"
START_S = 180.0
COMMAND_S = 180.0
PATIENCE = ("--command-timeout=120s", "--dial-timeout=60s", "--keepalive-timeout=60s")
"""Left alone, etcdctl gives up a machine that is full after two seconds."""
ETCDCTL, ETCD = shutil.which("etcdctl"), shutil.which("etcd")
pytestmark = pytest.mark.skipif(
    not (ETCDCTL and ETCD), reason="etcdctl or etcd: apt-get install etcd-client etcd-server"
)


@dataclass
class Server:
    """A running server, and the names that a transcript may not show."""

    endpoint: str
    leases: dict[str, str] = field(default_factory=dict)

    def command(self, *arguments: str) -> list[str]:
        assert ETCDCTL
        return [ETCDCTL, f"--endpoints={self.endpoint}", *PATIENCE, *arguments]

    def run(self, *arguments: str, stdin: str = "") -> str:
        """Output and errors of one command, with its exit code."""
        words = [self.leases.get(word, word) for word in arguments]
        words = [word.replace("LEASE", self.leases.get("LEASE", "")) for word in words]
        ended = subprocess.run(
            self.command(*words),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
            env={"ETCDCTL_API": "3"},
        )
        granted = re.match(r"lease ([0-9a-f]+) granted", ended.stdout)
        if granted:
            self.leases["LEASE"] = granted[1]
        # Lines of its log carry times; what went wrong is the last one.
        errors = [line for line in ended.stderr.splitlines() if not line.startswith("{")]
        return self.shown("\n".join([ended.stdout, *errors, f"exit {ended.returncode}"]))

    def follow(self, *arguments: str, lines: int) -> str:
        """The first ``lines`` lines of a command that does not end by itself, then SIGTERM: SIGINT
        is ignored by whatever a shell has started in the background, and by its children."""
        process = subprocess.Popen(
            self.command(*arguments), stdout=subprocess.PIPE, text=True, env={"ETCDCTL_API": "3"}
        )
        assert process.stdout is not None
        try:
            return self.shown("".join(process.stdout.readline() for _ in range(lines)))
        finally:
            process.terminate()
            process.wait(COMMAND_S)
            process.stdout.close()

    def shown(self, text: str) -> str:
        for lease in self.leases.values():
            text = text.replace(lease, "LEASE")
        text = text.replace(self.endpoint, "ENDPOINT")
        text = re.sub(r'"(cluster_id|member_id)":\d+', r'"\1":ID', text)
        text = re.sub(r'"raft_term":\d+', '"raft_term":TERM', text)
        text = re.sub(r"took = \S+", "took = TIME", text)
        return re.sub(r"/[0-9a-f]{14,16}\b", "/ID", text)


@contextmanager
def serving(command: list[str], endpoint: str, ready: str) -> Iterator[Server]:
    """A server from the line that says it is ready to its end."""
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    said: list[str] = []
    told = threading.Event()

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            if ready in line:
                told.set()
        process.stdout.close()
        told.set()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert told.wait(START_S) and process.poll() is None, said
        yield Server(endpoint)
    finally:
        process.terminate()
        process.wait(START_S)
        reader.join()


@contextmanager
def ours(path: Path, *options: str) -> Iterator[Server]:
    endpoint = f"127.0.0.1:{lasting_port(HOST)}"
    command = [sys.executable, "-m", "loadtest", "etcd", "--listen", endpoint, "--data"]
    with serving([*command, str(path / "ours"), *options], endpoint, "etcd API at") as server:
        yield server


@contextmanager
def real(path: Path, *options: str) -> Iterator[Server]:
    assert ETCD
    endpoint, peer = (
        f"127.0.0.1:{lasting_port(HOST)}",
        f"http://127.0.0.1:{lasting_port(HOST)}",
    )
    command = [ETCD, "--data-dir", str(path / "real"), "--listen-client-urls", f"http://{endpoint}"]
    command += ["--advertise-client-urls", f"http://{endpoint}", "--listen-peer-urls", peer]
    command += ["--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}"]
    with serving([*command, *options], endpoint, "ready to serve client requests") as server:
        yield server


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    """Both servers for all scenarios: each works under a prefix of its own, and what one leaves is
    the same on both."""
    path = tmp_path_factory.mktemp("etcd")
    with ours(path) as one, real(path) as other:
        other.run("endpoint", "health")
        yield one, other


Step = tuple[str, ...]
SCENARIOS: dict[str, list[Step]] = {
    "put and get": [
        ("get", "/p/none"),
        ("put", "/p/a", "1"),
        ("put", "/p/a", "2", "--prev-kv"),
        ("put", "/p/b", "1", "-w", "json"),
        ("get", "/p/a", "-w", "json"),
        ("get", "/p/", "--prefix"),
        ("get", "/p/", "--prefix", "--keys-only"),
        ("get", "/p/", "--prefix", "--count-only", "-w", "json"),
        ("get", "/p/", "--prefix", "--limit", "1", "-w", "json"),
        ("get", "/p/", "--prefix", "--sort-by", "MODIFY", "--order", "DESCEND"),
        ("get", "/p/", "--prefix", "--sort-by", "VERSION", "--limit", "1", "-w", "json"),
        ("get", "/p/a", "/p/b"),
        ("get", "/p/b", "--from-key", "-w", "json"),
        ("get", "/p/a", "--print-value-only"),
        ("put", "/p/a", "--ignore-value"),
        ("put", "/p/none", "--ignore-value"),
        ("put", "/p/a", "3", "--ignore-lease"),
        ("get", "/p/a", "-w", "json"),
        ("put", "", "1"),
        ("get", ""),
        ("get", "/p/a", "--rev", "1000000"),
        ("put", "/p/leased", "1", "--lease=1234567"),
    ],
    "an older revision": [
        ("put", "/r/a", "1"),
        ("put", "/r/a", "2"),
        ("put", "/r/b", "1"),
        ("get", "/r/", "--prefix", "--rev", "REV-1", "-w", "json"),
        ("get", "/r/", "--prefix", "--rev", "REV-2", "-w", "json"),
        ("get", "/r/", "--prefix", "--rev", "REV-3", "-w", "json"),
    ],
    "delete": [
        ("put", "/d/a", "1"),
        ("put", "/d/b", "2"),
        ("put", "/d/c", "3"),
        ("del", "/d/none", "-w", "json"),
        ("del", "/d/a", "--prev-kv", "-w", "json"),
        ("put", "/d/a", "again"),
        ("get", "/d/a", "-w", "json"),
        ("del", "/d/", "--prefix", "--prev-kv"),
        ("get", "/d/", "--prefix", "-w", "json"),
        ("del", "/d/x", "/d/z", "-w", "json"),
    ],
    "transactions": [
        ("put", "/t/a", "1"),
        ("txn", "-w", "json", "<", 'ver("/t/a") = "1"\n\nput /t/b 5\nget /t/b\n\nget /t/a\n\n'),
        ("txn", "-w", "json", "<", 'val("/t/a") = "9"\n\nput /t/b 6\n\ndel /t/a\nget /t/a\n\n'),
        ("txn", "-w", "json", "<", 'val("/t/none") = ""\n\nput /t/c 1\n\nget /t/none\n\n'),
        ("txn", "-w", "json", "<", 'c("/t/none") = "0"\n\nget /t --prefix\n\n\n'),
        ("txn", "-w", "json", "<", 'mod("/t/b") > "1"\n\ndel /t/ --prefix\n\n\n'),
        ("txn", "<", "\nput /t/x 1\nput /t/x 2\n\n\n"),
        ("txn", "<", "\nput /t/x 1\ndel /t/ --prefix\n\n\n"),
        ("txn", "<", "\nput /t/x 1\nput /t/y 2\n\n\n"),
        ("txn", "<", "\nput /t/z 1\nget /t/a --rev 1000000\n\n\n"),
        ("txn", "-w", "json", "<", 'ver("/t/x") != "9"\nc("/t/x") > "1"\n\n\n\n'),
        ("txn", "<", 'val("/t/x") < "2"\n\nput /t/x 3 --prev-kv\ndel /t/y --prev-kv\n\n\n'),
        ("txn", "<", "\nput /t/none --ignore-value\n\n\n"),
        ("txn", "<", "\nget /t/ --prefix --sort-by VALUE --order DESCEND --limit 1\n\n\n"),
        ("get", "/t/", "--prefix", "-w", "json"),
    ],
    "leases": [
        ("lease", "grant", "1"),
        ("lease", "revoke", "LEASE"),
        ("lease", "revoke", "LEASE"),
        ("lease", "timetolive", "LEASE"),
        ("lease", "grant", "600"),
        ("put", "/l/b", "1", "--lease=LEASE"),
        ("put", "/l/a", "2", "--lease=LEASE"),
        ("lease", "list"),
        ("lease", "keep-alive", "--once", "LEASE"),
        ("put", "/l/a", "3", "--ignore-lease"),
        ("lease", "revoke", "LEASE"),
        ("get", "/l/", "--prefix", "-w", "json"),
        ("lease", "keep-alive", "--once", "LEASE"),
        ("lease", "list"),
        ("lease", "grant", "99999999999"),
    ],
    "the cluster": [
        ("endpoint", "health"),
        ("alarm", "list"),
        ("alarm", "disarm"),
        ("defrag",),
        ("member", "list", "-w", "fields"),
    ],
    "compaction": [
        ("put", "/c/a", "1"),
        ("put", "/c/a", "2"),
        ("del", "/c/a"),
        ("compaction", "REV-1"),
        ("compaction", "REV-1"),
        ("compaction", "1000000"),
        ("get", "/c/a", "--rev", "REV-2"),
        ("txn", "<", "\nput /c/b 1\nget /c/a --rev 1\n\n\n"),
        ("get", "/c/a", "--rev", "REV-1", "-w", "json"),
        ("compaction", "REV-0", "--physical"),
        ("watch", "/c/a", "--rev", "1"),
    ],
}


def play(server: Server, steps: list[Step]) -> list[str]:
    """The transcript. REV-n stands for so many before the newest revision at that step."""
    transcript: list[str] = []
    for step in steps:
        stdin = ""
        if "<" in step:
            at = step.index("<")
            step, stdin = step[:at], step[at + 1]
        words = []
        for word in step:
            if word.startswith("REV"):
                found = server.run("get", "/", "-w", "json")
                revision = re.search(r'"revision":(\d+)', found)
                assert revision
                word = str(int(revision[1]) - int(word[4:] or 0))
            words.append(word)
        transcript.append(f"$ {' '.join(step)}\n{server.run(*words, stdin=stdin)}")
    return transcript


@pytest.mark.parametrize("name", SCENARIOS)
def test_transcripts_are_equal(pair: tuple[Server, Server], name: str) -> None:
    mine, theirs = (play(server, SCENARIOS[name]) for server in pair)
    if name == "the cluster":
        # Ids are a server's own, and ours has no peers.
        names = r'"(ID|MemberID|ClusterID|RaftTerm|PeerURL)" : .*\n'
        mine = [re.sub(names, "", text) for text in mine]
        theirs = [re.sub(names, "", text) for text in theirs]
    assert mine == theirs


def test_watches_print_the_same(pair: tuple[Server, Server]) -> None:
    shown: list[list[str]] = []
    for server in pair:
        found = re.search(r'"revision":(\d+)', server.run("put", "/w/a", "1", "-w", "json"))
        assert found
        first = found[1]
        server.run("put", "/w/b", "1")
        server.run("put", "/w/a", "2")
        server.run("del", "/w/", "--prefix")
        prefix = ("watch", "--prefix", "/w/")
        shown.append(
            [
                server.follow(*prefix, "--rev", first, lines=15),
                server.follow(*prefix, "--rev", first, "--prev-kv", lines=18),
                server.follow("watch", "/w/a", "--rev", first, lines=9),
                server.follow("watch", "/w/b", "/w/z", "--rev", first, lines=6),
                server.run("watch", "/w/z", "/w/b", "--rev", first),
            ]
        )
    assert shown[0] == shown[1]
    assert shown[0][0].count("PUT") == 3 and shown[0][0].count("DELETE") == 2


ABSENT = {
    ("user", "list"): "Auth/UserList",
    ("role", "add", "r"): "Auth/RoleAdd",
    ("auth", "enable"): "Auth/AuthEnable",
    ("member", "remove", "1"): "Cluster/MemberRemove",
    ("member", "add", "x", "--peer-urls=http://127.0.0.1:1"): "Cluster/MemberAdd",
}


@pytest.mark.parametrize("command", ABSENT)
def test_what_is_absent_is_refused_by_name(pair: tuple[Server, Server], command: Step) -> None:
    refused = pair[0].run(*command)
    assert f"Unimplemented desc = hollowfleet: {ABSENT[command]} is not supported" in refused
    assert refused.endswith("exit 1")


def test_a_watch_of_the_future_begins_there_and_one_of_the_past_is_refused(
    pair: tuple[Server, Server],
) -> None:
    shown: list[list[str]] = []
    for server in pair:
        found = re.search(r'"revision":(\d+)', server.run("put", "/f/a", "1", "-w", "json"))
        assert found
        now = int(found[1])
        watcher = subprocess.Popen(
            server.command("watch", "-i"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"ETCDCTL_API": "3"},
        )
        assert watcher.stdin is not None and watcher.stdout is not None
        # Requests of a stream are answered in order: the progress comes when the watch is open.
        watcher.stdin.write(f"watch /f/a --rev {now + 2}\nprogress\n")
        watcher.stdin.flush()
        lines = [watcher.stdout.readline()]
        for value in "234":
            server.run("put", "/f/a", value)
        lines += [watcher.stdout.readline() for _ in range(6)]
        watcher.terminate()
        watcher.wait(COMMAND_S)
        watcher.stdin.close()
        watcher.stdout.close()
        server.run("compaction", str(now + 2))
        kept = server.follow("watch", "/f/a", "--rev", str(now + 2), lines=3)
        refused = server.run("watch", "/f/a", "--rev", str(now + 1))
        shown.append([*lines, kept, refused])
    assert shown[0] == shown[1]
    assert shown[0][0].startswith("progress notify: ")
    assert shown[0][3] == "3\n" and "compacted" in shown[0][-1]


@pytest.mark.parametrize("command", ["lock", "elect"])
def test_lock_and_elect_pass_on_when_their_holder_ends(
    pair: tuple[Server, Server], command: str
) -> None:
    shown: list[list[str]] = []
    for server in pair:
        arguments = (command, f"/{command}/x") + (("me",) if command == "elect" else ())
        found = re.search(r'"revision":(\d+)', server.run("put", "/e", "1", "-w", "json"))
        assert found
        before = found[1]
        holders = []
        lines: list[str] = []
        for _ in range(2):
            holders.append(
                subprocess.Popen(
                    server.command(*arguments),
                    stdout=subprocess.PIPE,
                    text=True,
                    env={"ETCDCTL_API": "3"},
                )
            )
            if len(holders) == 1:
                stdout = holders[0].stdout
                assert stdout is not None
                lines.append(stdout.readline())
        contenders = ("watch", "--prefix", f"/{command}/x", "--rev", before)
        assert server.follow(*contenders, lines=6).count("PUT") == 2
        held = server.run("get", f"/{command}/x", "--prefix", "--keys-only")
        holders[0].send_signal(signal.SIGINT)
        holders[0].wait(COMMAND_S)
        stdout = holders[1].stdout
        assert stdout is not None
        lines.append(stdout.readline())
        holders[1].send_signal(signal.SIGINT)
        holders[1].wait(COMMAND_S)
        for holder in holders:
            assert holder.stdout is not None
            holder.stdout.close()
        lines.append(server.run("get", f"/{command}/x", "--prefix"))
        shown.append([*[server.shown(line) for line in lines], held])
    assert shown[0] == shown[1]


def test_state_survives_a_restart_and_a_snapshot_is_saved(tmp_path: Path) -> None:
    with ours(tmp_path) as server:
        server.run("put", "/s/a", "1")
        server.run("put", "/s/a", "2")
        server.run("lease", "grant", "600")
        lease = server.leases["LEASE"]
        server.run("put", "/s/leased", "1", f"--lease={lease}")
        assert '"compact_revision":-1' in server.run("endpoint", "hashkv", "-w", "json")
        server.run("compaction", "2")
        before = server.run("get", "/s/", "--prefix", "-w", "json")
        saved = server.run("snapshot", "save", str(tmp_path / "saved.db"))
        assert "Snapshot saved" in saved
        assert (tmp_path / "saved.db").stat().st_size % 512 == 32
    with ours(tmp_path) as server:
        server.leases["LEASE"] = lease
        assert server.run("get", "/s/", "--prefix", "-w", "json") == before
        assert "compacted" in server.run("get", "/s/a", "--rev", "1")
        assert "remaining(5" in server.run("lease", "timetolive", lease)
        server.run("lease", "revoke", lease)
        assert server.run("get", "/s/leased", "-w", "json").count('"count"') == 0


def test_over_the_quota_the_alarm_is_raised_as_by_etcd(tmp_path: Path) -> None:
    quota = 16 << 20
    with (
        ours(tmp_path, "--quota-bytes", str(quota)) as one,
        real(tmp_path, "--quota-backend-bytes", str(quota)) as other,
    ):
        shown: list[list[str]] = []
        for server in (one, other):
            for _ in range(40):
                full = server.run("put", "/q/a", stdin="x" * 1_000_000)
                if "exceeded" in full:
                    break
            steps = [full, server.run("put", "/q/b", "1"), server.run("alarm", "list")]
            steps += [server.run("lease", "grant", "60"), server.run("txn", stdin=PUTTING)]
            steps += [server.run("del", "/q/a"), server.run("get", "/q/", "--prefix")]
            steps += [server.run("endpoint", "health").replace(server.endpoint, "")]
            shown.append([re.sub(r"memberID:\d+", "memberID:ID", step) for step in steps])
        assert shown[0] == shown[1]
        assert "database space exceeded" in shown[0][1] and "alarm:NOSPACE" in shown[0][2]
        assert "alarm:NOSPACE" in one.run("alarm", "disarm")
        compacted = one.run("compaction", "10")
        assert "compacted revision 10" in compacted, compacted
        assert one.run("alarm", "list") == "\n\nexit 0" or one.run("alarm", "list") == "\nexit 0"


PUTTING = "\nput /q/c 1\n\n\n"


def test_metrics_have_etcds_names(tmp_path: Path) -> None:
    address = f"127.0.0.1:{lasting_port(HOST)}"
    with ours(tmp_path, "--metrics-listen", address) as server:
        server.run("put", "/m/a", "1")
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=COMMAND_S) as answer:
            text = answer.read().decode()
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
    assert float(lines["etcd_debugging_mvcc_current_revision"]) == 2
    assert float(lines["etcd_debugging_mvcc_keys_total"]) == 1
    assert float(lines["etcd_server_proposals_committed_total"]) == 1
    assert float(lines["etcd_disk_wal_fsync_duration_seconds_count"]) == 1
    assert float(lines['etcd_disk_wal_fsync_duration_seconds_bucket{le="+Inf"}']) == 1
    assert float(lines["etcd_server_has_leader"]) == 1
