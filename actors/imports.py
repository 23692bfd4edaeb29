"""Imports that a signal does not break."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def unbroken() -> Iterator[None]:
    """Hold ctrl-C and SIGTERM back until the block is over, and raise KeyboardInterrupt then.

    What a handler raises while a compiled module begins, the interpreter prints and drops: an
    import of Ray goes on as if nobody had asked for the end.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Only the main thread handles signals.
        return
    came: list[int] = []

    def heard(number: int, frame: FrameType | None) -> None:
        came.append(number)

    before = [(one, signal.signal(one, heard)) for one in (signal.SIGINT, signal.SIGTERM)]
    try:
        yield
    finally:
        for one, handler in before:
            signal.signal(one, handler or signal.SIG_DFL)
    if came:
        raise KeyboardInterrupt
