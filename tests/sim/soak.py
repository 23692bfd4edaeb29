"""Many seeds over all cores; the first that breaks a promise ends the search and is told.

python -m tests.sim.soak 1..10000      seeds, with a line of progress for each hundredth
python -m tests.sim.soak 1..2000 schedulers=2 "faults=crash scheduler,pause scheduler"
                                       the same with options that are not left to the seeds
python -m tests.sim.soak --planted     every planted bug, with the seed that finds it
"""

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from functools import partial
from itertools import islice
from multiprocessing import get_context
from typing import TypeVar

from actors.clock import settle_gc
from sim.options import options_of
from sim.overrides import OptionError, changed
from sim.run import Outcome, run_options
from sim.world import Makers
from tests.sim.planted import BUGS, search

PLANTED_SEEDS_MAX = 200
"""A planted bug that so many seeds do not find is a hole in the checkers."""
T = TypeVar("T")


def side_by_side(tasks: Iterable[Callable[[], T]]) -> Iterator[T]:
    """Results in order of completion, on every core. Closing the iterator drops the rest."""
    workers = os.cpu_count() or 1
    waiting = iter(tasks)
    with ProcessPoolExecutor(workers, get_context("forkserver"), settle_gc) as pool:

        def submitted(count: int) -> list[Future[T]]:
            return [pool.submit(task) for task in islice(waiting, count)]

        under_way = submitted(2 * workers)
        try:
            while under_way:
                done, _ = wait(under_way, return_when=FIRST_COMPLETED)
                finished = [one for one in under_way if one in done]
                under_way = [one for one in under_way if one not in done]
                under_way += submitted(len(finished))
                yield from (one.result() for one in finished)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def run_set(seed: int, words: Sequence[str]) -> Outcome:
    """``words``: options that are not left to the seed, each KEY=VALUE."""
    return run_options(changed(options_of(seed), words), "", Makers())


def run_all(seeds: Sequence[int], words: Sequence[str]) -> int:
    """Exit code: 1 when a seed failed."""
    begin = time.perf_counter()
    done = steps = messages = 0
    struck: Counter[str] = Counter()
    for outcome in side_by_side(partial(run_set, seed, words) for seed in seeds):
        done += 1
        steps, messages = steps + outcome.steps, messages + outcome.messages
        struck.update(dict.fromkeys(outcome.faults, 1))
        if outcome.failure:
            print(told(outcome, words), flush=True)
            return 1
        if done % max(len(seeds) // 100, 1) == 0:
            wall_s = time.perf_counter() - begin
            left_s = wall_s / done * (len(seeds) - done)
            print(
                f"{done} of {len(seeds)} seeds in {wall_s:.0f} s, about {left_s:.0f} s left; "
                f"{steps:,} steps, {messages:,} messages",
                flush=True,
            )
    print(f"{done} seeds kept every promise; seeds in which a fault struck:")
    print(", ".join(f"{kind} {count}" for kind, count in sorted(struck.items())))
    return 0


def told(outcome: Outcome, words: Sequence[str] = ()) -> str:
    seed = outcome.options.seed
    options = "".join(f" --set '{word}'" for word in words)
    return (
        f"seed {seed} FAILED, digest {outcome.digest}\n{outcome.failure}\n"
        f"see it again: hollowfleet sim --seed {seed}{options} --trace KEY\n"
        "where KEY is part of an object's path (pods/default/bare-1) or a program (store-0)"
    )


def find_all() -> int:
    """The table of planted bugs, each found anew. Exit code: 1 when one is not found."""
    holes = 0
    print("| planted bug | found by seed | checker |\n|---|---|---|")
    for name, outcome in side_by_side(partial(named_search, name) for name in BUGS):
        if outcome is None or outcome.checker not in BUGS[name].checkers:
            holes += 1
            said = "nobody" if outcome is None else f"{outcome.checker}: {outcome.failure[:200]}"
            print(f"| {name} | NOT FOUND by {', '.join(BUGS[name].checkers)} | {said} |")
        else:
            print(f"| {name} | {outcome.options.seed} | {outcome.checker} |", flush=True)
    return 1 if holes else 0


def named_search(name: str) -> tuple[str, Outcome | None]:
    return name, search(name, 1, PLANTED_SEEDS_MAX)


def main(words: Sequence[str]) -> int:
    if list(words) == ["--planted"]:
        return find_all()
    first, dots, last = words[0].partition("..") if words else ("", "", "")
    if not (dots and first.isdecimal() and last.isdecimal() and int(first) <= int(last)):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        changed(options_of(int(first)), words[1:])
    except OptionError as error:
        print(error, file=sys.stderr)
        return 2
    return run_all(range(int(first), int(last) + 1), words[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
