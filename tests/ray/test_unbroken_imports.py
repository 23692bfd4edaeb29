"""Ctrl-C while something is imported."""

import os
import signal

import pytest

from actors.imports import unbroken


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_end_comes_behind_the_import(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    done = []
    with pytest.raises(KeyboardInterrupt), unbroken():
        os.kill(os.getpid(), number)
        done.append("imported")
    assert done == ["imported"]
    assert signal.getsignal(number) is before


def test_a_failed_import_is_told_as_what_it_is() -> None:
    with pytest.raises(ImportError), unbroken():
        raise ImportError
