"""Prints a digest of everything a scheduler with two partitions orders in one busy minute. Run by
test_scheduler_determinism under different hash seeds."""

import json
from hashlib import sha256

from api.streams import Stream
from scheduler.leader import SchedulerCore
from tests.scheduler.scheduler_fake_api import MS, FakeApi
from tests.scheduler.scheduler_objects import node, pod


def main() -> None:
    api, chance = FakeApi(SchedulerCore(3, 2), 2), Stream(3, "scenario")
    for number in range(12):
        taints = ["spot=yes:PreferNoSchedule"] if number % 3 == 0 else []
        labels = {"zone": f"z{number % 3}", "gen": str(number)}
        api.put_node(node(f"n{number}", cpu=str(1 + number % 4), labels=labels, taints=taints))
    api.sync()
    for number in range(120):
        cpu = f"{100 + 80 * chance.below(6)}m"
        selector = {"zone": f"z{chance.below(3)}"} if chance.below(3) == 0 else {}
        api.put_pod(pod(f"p{number}", cpu=cpu, nodeSelector=selector, priority=chance.below(3)))
        if number % 10 == 9:
            api.run()
            api.now_ns += 500 * MS
            bound = [name for name in api.pods if api.node_of(name)]
            for _ in range(2):
                api.delete_pod(bound.pop(chance.below(len(bound))))
            if number % 40 == 39:
                api.delete_node(f"n{number // 40}")
    api.run()
    written = json.dumps([list(request) for request in api.written], sort_keys=False)
    print(len(api.written), sha256(written.encode()).hexdigest())


if __name__ == "__main__":
    main()
