"""With what the commands exit."""

OK, ERROR, USAGE, SLO_FAILED, INVALID, INTERRUPTED = 0, 1, 2, 3, 4, 130
