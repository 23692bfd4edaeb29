"""The signals that end a program, and how it does not hear them while it ends."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGINT, signal.SIGTERM)


def unheard(number: int, frame: FrameType | None) -> None:
    """Does nothing. Not SIG_IGN, which children would inherit, and with which the interpreter
    writes a traceback about a signal that had come just before."""


def hear_no_end() -> None:
    """From now on: a second ctrl-C must not break the writing of what there is."""
    for number in ENDING:
        signal.signal(number, unheard)


@contextmanager
def no_end_heard() -> Iterator[None]:
    """The same until the end of the block."""
    before = [(number, signal.getsignal(number)) for number in ENDING]
    hear_no_end()
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)
