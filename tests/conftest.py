"""What all tests share."""

import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parent / "lab"), str(Path(__file__).parent / "attacks")]

# The same examples every time, and none of them timed.
settings.register_profile("ringfence", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ringfence")
