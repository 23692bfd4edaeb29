"""Cost of the types on the way of a request: structure of a pod, selectors, protobuf of a Lease.

python benchmarks/bench_api_types.py
"""

import base64
import gzip
import sys
import timeit
from collections.abc import Callable
from pathlib import Path

import orjson

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from api.findings import find_duplicates  # noqa: E402
from api.protobuf import decode_body  # noqa: E402
from api.quantity import milli_value  # noqa: E402
from api.selectors import parse_field_selector, parse_label_selector  # noqa: E402
from api.structure import check_structure  # noqa: E402

POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "web-5d4f8c7b9d-x7k2p",
        "generateName": "web-5d4f8c7b9d-",
        "labels": {"app": "web", "pod-template-hash": "5d4f8c7b9d", "tier": "front"},
        "annotations": {"example.com/note": "a pod as a Deployment makes it"},
        "ownerReferences": [
            {
                "apiVersion": "apps/v1",
                "kind": "ReplicaSet",
                "name": "web-5d4f8c7b9d",
                "uid": "0b3c7e4e-9f0f-4d9a-8a49-0e4e4d2a7b11",
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
                "ports": [{"name": "http", "containerPort": 80, "protocol": "TCP"}],
                "env": [{"name": "MODE", "value": "production"}],
                "resources": {
                    "requests": {"cpu": "100m", "memory": "128Mi"},
                    "limits": {"cpu": "500m", "memory": "256Mi"},
                },
                "volumeMounts": [{"name": "data", "mountPath": "/data"}],
            }
        ],
        "volumes": [{"name": "data", "emptyDir": {}}],
        "tolerations": [{"key": "example.com/pool", "operator": "Exists", "effect": "NoSchedule"}],
        "terminationGracePeriodSeconds": 30,
        "schedulerName": "default-scheduler",
    },
}


def microseconds(what: Callable[[], object], number: int = 5000) -> float:
    """Best of five."""
    return min(timeit.repeat(what, number=number, repeat=5)) / number * 1e6


def vector(name: str) -> bytes:
    """The body of a recorded protobuf object."""
    path = ROOT / "tests" / "golden" / "protobuf" / "vectors.jsonl.gz"
    for line in gzip.decompress(path.read_bytes()).splitlines():
        row = orjson.loads(line)
        if row["name"] == name:
            return base64.b64decode(row["pb"])
    raise KeyError(name)


def main() -> None:
    raw = orjson.dumps(POD)
    lease = vector("coordination.k8s.io.v1.Lease")
    labels = {"app": "web", "tier": "front"}
    by_label = parse_label_selector("app=web,tier in (front,back)")
    by_field = parse_field_selector("spec.nodeName=n1,status.phase!=Failed")
    fields = {"spec.nodeName": "n1", "status.phase": "Running"}
    print(f"pod of {len(raw)} bytes, lease of {len(lease)} bytes; µs each")
    for name, what in {
        "orjson.loads of the pod": lambda: orjson.loads(raw),
        "check_structure of the pod": lambda: check_structure("api.core.v1.Pod", POD),
        "find_duplicates of the pod": lambda: find_duplicates(raw, POD),
        "milli_value": lambda: milli_value("100m"),
        "label selector, two terms": lambda: by_label.matches(labels),
        "field selector, two terms": lambda: by_field.matches(fields),
        "decode_body of a Lease": lambda: decode_body(lease),
    }.items():
        print(f"{name:30} {microseconds(what):8.2f}")


if __name__ == "__main__":
    main()
