"""How a trial's process ends that is told to stop before it has begun: without a word.

The server that forks these processes imports this module before it makes any, and they keep what
it sets until ``runner.run_trial`` sets its own. Python's way would be a traceback on the terminal
of a user who has only pressed ctrl-C.
"""

import os
import signal
from types import FrameType

INTERRUPTED = 130


def _leave(number: int, frame: FrameType | None) -> None:
    # Nothing was begun, so there is nothing to undo.
    os._exit(INTERRUPTED)


for _one in (signal.SIGINT, signal.SIGTERM):
    signal.signal(_one, _leave)
