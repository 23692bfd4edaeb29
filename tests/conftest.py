"""What holds for every test, however the run was started.

Property tests take as long as they take: the machine may be shared. And programs under test get
SIGINT as a terminal gives it: a run started in the background of a script ignores it, what it
starts inherits that, and a program that shall end by ctrl-C would run on.
"""

import os
import signal

from hypothesis import HealthCheck, settings

settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# Where CI is set, hypothesis has a profile of its own, which is patient too.
if "CI" not in os.environ:
    settings.load_profile("shared")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
