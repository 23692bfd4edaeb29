"""What a pod costs the API server before it is stored: decode, default, admit, validate, encode.

Run: ``python -m benchmarks.bench_api_behaviour``. Prints microseconds per pod, best of five.
"""

import timeit
from collections.abc import Callable

import orjson

from api.admission import add_default_tolerations, add_service_account, resolve_priority
from api.core import JsonObject
from api.defaulting import set_defaults
from api.kinds import kind_of
from api.lifecycle import prepare_create
from api.patches import strategic_merge_patch
from api.tables import table
from api.validation import validate_create, validate_update

ROUNDS = 2_000
NOW_NS = 1_800_000_000_000_000_000

POD: JsonObject = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "generateName": "web-7d9c5b8f6-",
        "name": "web-7d9c5b8f6-abcde",
        "namespace": "load",
        "labels": {"app": "web", "pod-template-hash": "7d9c5b8f6", "tier": "front"},
        "ownerReferences": [
            {
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "name": "web-7d9c5b8f6",
                "uid": "11111111-2222-4333-8444-555555555555",
                "controller": True,
                "blockOwnerDeletion": True,
            }
        ],
    },
    "spec": {
        "containers": [
            {
                "name": "web",
                "image": "nginx:1.25",
                "ports": [{"containerPort": 80, "name": "http"}],
                "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                "resources": {
                    "requests": {"cpu": "100m", "memory": "128Mi"},
                    "limits": {"cpu": "200m", "memory": "256Mi"},
                },
            }
        ]
    },
}


def best_us(action: Callable[[], object]) -> float:
    """Microseconds of one call, the best of five rounds."""
    return min(timeit.repeat(action, number=ROUNDS, repeat=5)) / ROUNDS * 1e6


def admitted(raw: bytes) -> JsonObject:
    pod: JsonObject = orjson.loads(raw)
    set_defaults(KIND, pod)
    add_service_account(pod, {}, "abcde")
    add_default_tolerations(pod)
    assert resolve_priority(pod, {}) is None
    prepare_create(KIND, pod, NOW_NS)
    return pod


KIND = kind_of("pods")


def main() -> None:
    raw = orjson.dumps(POD)
    pod = admitted(raw)
    assert validate_create(KIND, pod) == []
    stored = orjson.dumps(pod)
    change = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
    decode = best_us(lambda: orjson.loads(raw))

    def defaulted() -> None:
        set_defaults(KIND, orjson.loads(raw))

    defaults = best_us(defaulted) - decode
    admission = best_us(lambda: admitted(raw)) - decode - defaults
    rows = [
        (f"decode {len(raw)} bytes", decode),
        ("set_defaults", defaults),
        ("admission and prepare_create", admission),
        ("validate_create", best_us(lambda: validate_create(KIND, pod))),
        ("validate_update, nothing changed", best_us(lambda: validate_update(KIND, pod, pod))),
        (f"set_defaults of {len(stored)} stored bytes", best_us(lambda: set_defaults(KIND, pod))),
        (
            "strategic patch of the status",
            best_us(lambda: strategic_merge_patch(KIND.type_name, pod, dict(change))),
        ),
        ("table row", best_us(lambda: table(KIND, [pod], NOW_NS, with_columns=False))),
        ("encode", best_us(lambda: orjson.dumps(pod))),
    ]
    for name, cost_us in rows:
        print(f"{name:40} {cost_us:8.2f} us")


if __name__ == "__main__":
    main()
