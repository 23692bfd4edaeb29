"""``python -m tests.fuzz requests COUNT [SEED]`` or ``bodies COUNT [SEED]``: a longer search."""

import sys
import time

from tests.fuzz.bodies import Bodies
from tests.fuzz.requests import Fuzzer


def main(what: str, count: int, seed: int) -> None:
    begun = time.process_time()
    if what == "requests":
        fuzzer = Fuzzer(seed)
        fuzzer.run(count)
        found = {str(code): number for code, number in fuzzer.codes.items()}
    else:
        bodies = Bodies(seed)
        bodies.run(count)
        found = bodies.came_to
    took = time.process_time() - begun
    print(f"{what}: {count} with seed {seed}, {took:.0f} s of CPU: {dict(sorted(found.items()))}")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1)
