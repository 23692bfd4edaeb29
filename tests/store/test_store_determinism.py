"""Same events, same effects, byte for byte, under two values of PYTHONHASHSEED."""

import os
import subprocess
import sys
from pathlib import Path

RUN = """
import hashlib
from random import Random
from tests.store.shard_in_memory import MS, SECOND, ShardInMemory
from store.core import StoreSettings
random = Random(11)
shard = ShardInMemory(StoreSettings(shard=1, retain_ns=2 * SECOND), check=False)
leases = [shard.one("grant", 0, 1 + n)[1] for n in range(5)]
for number in range(5):
    shard.watch(b"/registry/%d" % (number % 3), 0, number % 2 == 0)
for _ in range(3000):
    key = b"/registry/%d/%d" % (random.randrange(4), random.randrange(60))
    match random.randrange(8):
        case 0: shard.ask(("del", key, -1))
        case 1: shard.ask(("put", key, b"h", b"v", -1, random.choice(leases)))
        case 2: shard.persist()
        case 3: shard.ask(("range", b"/", b"0", 0, 0, 0), ("promise", 0))
        case 4: shard.now_ns += 10 * MS; shard.settle()
        case _: shard.ask(("put", key, b"h", b"%d" % random.randrange(99), -1, 0))
print(len(shard.effects), hashlib.sha256(repr(shard.effects).encode()).hexdigest())
"""


def test_effects_do_not_depend_on_the_hash_seed() -> None:
    here = Path(__file__).parent
    found = []
    for seed in ("1", "4242"):
        environment = os.environ | {
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": f"{here}{os.pathsep}{here.parent.parent}",
        }
        run = subprocess.run(
            [sys.executable, "-c", RUN], env=environment, capture_output=True, text=True, check=True
        )
        found.append(run.stdout)
    assert found[0] == found[1] and int(found[0].split()[0]) > 3000
