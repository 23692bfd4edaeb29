"""``hollowfleet`` and ``python -m loadtest``: the command line.

The version of Python is checked before anything else is imported, so that an unfit one gets a
sentence and not a syntax error from some library.
"""

import sys


def refusal(version: "tuple[int, ...]") -> str:
    """Why this version of Python cannot be used; empty if it can."""
    if (3, 11) <= tuple(version[:2]) < (3, 15):
        return ""
    return (
        "hollowfleet needs Python 3.11 to 3.14, this is {}.{}: "
        "make its environment with one of python3.11 ... python3.14"
    ).format(*version[:2])


if refusal(sys.version_info[:2]):
    sys.exit(refusal(sys.version_info[:2]))

try:
    from loadtest.cli import main
except KeyboardInterrupt:
    sys.exit(130)

__all__ = ["main"]

if __name__ == "__main__":
    main()
