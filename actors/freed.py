"""Memory that is free in this process: when it is kept for what comes next, when it is given back.

A list of 10,000 pods is a block of 31 MB. The C library asks the system for such a block and gives
it back at once, and a third of what the answer costs is the system's work for its pages. So large
blocks are kept (``keep_freed``), and all that is free is given back when no more are wanted
(``give_back_freed``). Nothing happens with a C library that has no such calls; glibc has.

Source: mallopt(3), malloc_trim(3).
"""

from typing import Final

M_TRIM_THRESHOLD: Final = -1
M_MMAP_THRESHOLD: Final = -3
OWN_BLOCK_BYTES: Final = 64 << 20
"""A block from this size on is still the system's, and goes back when it is freed."""
KEPT_BYTES: Final = 256 << 20
"""Free memory at the end of the heap that is kept."""


def keep_freed() -> None:
    """For a program that answers with large blocks, and calls ``give_back_freed``."""
    # Here and below: most programs never need it.
    import ctypes

    choose = getattr(ctypes.CDLL(None), "mallopt", None)
    if choose is not None:
        choose(M_MMAP_THRESHOLD, OWN_BLOCK_BYTES)
        choose(M_TRIM_THRESHOLD, KEPT_BYTES)


def give_back_freed() -> None:
    """Return the pages of all that is free, from the middle of the heap too, which happens in no
    other way. Cost: some 0.1 us for each, and more when it is needed again."""
    import ctypes

    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
