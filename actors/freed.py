"""Memory that is free in this process and not yet in the machine."""


def give_back_freed() -> None:
    """Return the pages that the C library keeps for later, from the middle of its heap too, which
    it never does by itself. Cost: some 0.1 us for each page that is returned, and as much again if
    it is needed. Nothing happens with a C library that has no such call (glibc has)."""
    # Most servers never need it, and it is a hundredth of what a start imports.
    import ctypes

    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
