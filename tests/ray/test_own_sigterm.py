"""Who handles SIGTERM after Ray was started."""

import os
import signal
import sys

import pytest

from actors.ray.environment import own_sigterm


def test_the_handler_of_before_is_there_again() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with own_sigterm():
        signal.signal(signal.SIGTERM, lambda *_: None)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_sigterm_that_ray_takes_for_an_exit_is_an_interrupt() -> None:
    with pytest.raises(KeyboardInterrupt), own_sigterm():
        signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(number))
        os.kill(os.getpid(), signal.SIGTERM)
