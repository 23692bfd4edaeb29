"""Which kernel scores plain pods, for those who only pass it on."""

from importlib.util import find_spec
from typing import Literal

KernelChoice = Literal["auto", "numpy", "numba"]
"""auto: numba where it is installed."""


def numba_installed() -> bool:
    return find_spec("numba") is not None
