"""What a generator tells of its latencies while it runs: of the last second, and by bucket."""

from bisect import bisect_left
from collections import Counter, defaultdict

BUCKETS_S = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
"""Of rest_client_request_duration_seconds. Source: kubernetes
component-base/metrics/prometheus/restclient/metrics.go, v1.36."""
BUCKETS_US = tuple(int(bound * 1e6) for bound in BUCKETS_S)
KINDS = {"create": "mutating", "scale": "mutating", "delete": "mutating"}
"""Of verbs; any other is a kind of its own."""
METHODS = {"create": "POST", "scale": "PATCH", "delete": "DELETE"}
"""Of verbs; any other is a GET."""


class LatencyWindow:
    """Bounded by the requests between two calls of ``take``."""

    def __init__(self) -> None:
        self._recent: dict[str, list[int]] = defaultdict(list)
        self._totals: Counter[str] = Counter()

    def add(self, verb: str, code: int, latency_us: int) -> None:
        self._recent[KINDS.get(verb, verb)].append(latency_us)
        method = METHODS.get(verb, "GET")
        self._totals[f"code {method} {code}"] += 1
        self._totals[f"bucket {method} {bisect_left(BUCKETS_US, latency_us)}"] += 1
        self._totals[f"sum_us {method}"] += latency_us

    def take(self) -> dict[str, float]:
        """``KIND_p50_ms`` and ``KIND_p99_ms`` since the last call; since the beginning ``code
        METHOD CODE``, ``bucket METHOD INDEX`` (each request in one) and ``sum_us METHOD``."""
        out: dict[str, float] = dict(self._totals)
        for kind, values in self._recent.items():
            if values:
                values.sort()
                for percent in (50, 99):
                    rank = -(-len(values) * percent // 100) - 1
                    out[f"{kind}_p{percent}_ms"] = values[rank] / 1000
                values.clear()
        return out
