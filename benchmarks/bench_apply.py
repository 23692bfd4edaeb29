"""CPU of managedFields on each kind of write, and of a server-side apply, in µs.

python benchmarks/bench_apply.py
"""

import sys
import time
import timeit
from collections.abc import Callable
from pathlib import Path

import orjson

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from api.apply import Writer, apply_patch, track_create, track_update  # noqa: E402
from api.core import JsonObject  # noqa: E402
from api.defaulting import set_defaults  # noqa: E402
from api.kinds import kind_of  # noqa: E402
from benchmarks.bench_api_types import POD  # noqa: E402

PODS, LEASES = kind_of("pods"), kind_of("coordination.k8s.io/leases")
START, LATER = "2026-05-01T00:00:00Z", "2026-05-01T00:00:10Z"
CONDITION = {"type": "Ready", "status": "True", "lastTransitionTime": START}


def fresh(obj: JsonObject) -> JsonObject:
    copy: JsonObject = orjson.loads(orjson.dumps(obj))
    return copy


def measured(name: str, call: Callable[[], object]) -> None:
    """Best CPU time of five rounds."""
    count = 4000
    best = min(timeit.repeat(call, timer=time.process_time, number=count, repeat=5)) / count
    print(f"{name:48} {best * 1e6:6.1f} µs")


def main() -> None:
    pod = fresh(POD)
    set_defaults(PODS, pod)
    bare = orjson.dumps(pod)

    def create() -> None:
        pod["metadata"].pop("managedFields", None)
        track_create(PODS, pod, Writer("bench", START))

    measured("track_create, pod of 1.1 KB", create)
    pod["metadata"]["uid"] = "u"
    grown = len(orjson.dumps(pod)) - len(bare)
    print(f"{'  bytes that it adds to the pod':48} {grown:6} B")

    running = fresh(pod)
    running["status"] = {"phase": "Running", "podIP": "10.0.0.1", "conditions": [CONDITION]}
    entries = running["metadata"]["managedFields"]

    def status() -> None:
        running["metadata"]["managedFields"] = entries
        track_update(PODS, pod, running, Writer("kubelet", LATER, "status"))

    measured("track_update, first status of a pod", status)

    lease: JsonObject = {
        "metadata": {"name": "node"},
        "spec": {"holderIdentity": "node", "renewTime": "2026-05-01T00:00:00.000000Z"},
    }
    track_create(LEASES, lease, Writer("kubelet", START))
    renewed = fresh(lease)
    renewed["spec"]["renewTime"] = "2026-05-01T00:00:10.000000Z"
    leased = renewed["metadata"]["managedFields"]

    def renew() -> None:
        renewed["metadata"]["managedFields"] = leased
        track_update(LEASES, lease, renewed, Writer("kubelet", LATER))

    measured("track_update, renewed lease", renew)
    first = apply_patch(PODS, None, POD, Writer("m", START), False)
    set_defaults(PODS, first)
    measured(
        "apply_patch, new pod", lambda: apply_patch(PODS, None, POD, Writer("m", START), False)
    )
    measured(
        "apply_patch, same pod again",
        lambda: apply_patch(PODS, first, POD, Writer("m", LATER), False),
    )


if __name__ == "__main__":
    main()
