"""An unmodified etcdctl against a door over three shards: what differs from one shard is the
revisions, and the transaction over several shards that is refused."""

import re
from pathlib import Path

from store.etcd.spread import shard_of
from tests.store.test_etcdctl import ours, pytestmark

__all__ = ["pytestmark"]


def key_on(shard: int) -> str:
    return next(
        key
        for key in (f"/k/{number}" for number in range(100))
        if shard_of(key.encode(), 3) == shard
    )


def test_etcdctl_over_three_shards(tmp_path: Path) -> None:
    first, second, third = (key_on(shard) for shard in range(3))
    with ours(tmp_path, "--shards", "3") as server:
        revisions = []
        for key in (first, second, third):
            put = re.search(r'"revision":(\d+)', server.run("put", key, "1", "-w", "json"))
            assert put, key
            revisions.append(int(put[1]))
        assert revisions == sorted(revisions) and [one % 64 for one in revisions] == [0, 1, 2]
        listed = server.run("get", "/k/", "--prefix")
        assert listed == "\n".join(
            [line for key in sorted((first, second, third)) for line in (key, "1")] + ["", "exit 0"]
        )
        watched = server.follow("watch", "/k/", "--prefix", "--rev", str(revisions[0]), lines=9)
        assert watched == "".join(f"PUT\n{key}\n1\n" for key in (first, second, third))
        refused = server.run("txn", stdin=f"\nput {first} 2\nput {second} 2\n\n\n")
        assert "over several shards (0, 1) is not supported" in refused and "exit 1" in refused
        assert "SUCCESS" in server.run("txn", stdin=f'ver("{first}") = "1"\n\nput {first} 2\n\n\n')
        server.run("lease", "grant", "600")
        for key in (first, second, third):
            server.run("put", key, "3", "--lease=LEASE")
        told = server.run("lease", "timetolive", "LEASE", "--keys")
        assert all(key in told for key in (first, second, third))
        assert server.run("lease", "list").count("LEASE") == 1
        assert "revoked" in server.run("lease", "revoke", "LEASE")
        assert server.run("get", "/k/", "--prefix") == "\nexit 0"
        for key in (first, second):
            server.run("put", key, "4")
        assert server.run("del", "/k/", "--prefix") == "2\n\nexit 0"
        assert "is healthy" in server.run("endpoint", "health")


def test_what_etcdctl_saved_is_restored(tmp_path: Path) -> None:
    saved = tmp_path / "saved.db"
    with ours(tmp_path) as server:
        for key in ("/s/a", "/s/b"):
            server.run("put", key, "1")
        due = server.run("get", "/s/", "--prefix", "-w", "json")
        assert "Snapshot saved" in server.run("snapshot", "save", str(saved))
    with ours(tmp_path / "new", "--restore", str(saved)) as server:
        assert server.run("get", "/s/", "--prefix", "-w", "json") == due
        assert server.run("put", "/s/c", "1") == "OK\n\nexit 0"
