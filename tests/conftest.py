"""Property tests take as long as they take: the machine may be shared."""

import os

from hypothesis import HealthCheck, settings

settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# Where CI is set, hypothesis has a profile of its own, which is patient too.
if "CI" not in os.environ:
    settings.load_profile("shared")
