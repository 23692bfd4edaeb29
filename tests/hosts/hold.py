"""Makes a rig with one machine, says which process namespaces it has, and holds it.

python -m tests.hosts.hold
"""

import sys

from tests.hosts.rig import Rig


def main() -> None:
    with Rig.made("one") as rig:
        print(rig.namespace, rig.add("one").namespace, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
