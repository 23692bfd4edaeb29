"""With what the commands exit."""

OK, ERROR, USAGE, SLO_FAILED, INVALID, REGRESSION, UNDECIDED = range(7)
INTERRUPTED = 130
