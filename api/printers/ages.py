"""Ages as kubectl users read them.

Source: apimachinery/pkg/util/duration/duration.go, HumanDuration.
"""

from api.times import parse_time

_SECOND = 1_000_000_000
_HOURS_A_YEAR = 24 * 365

UNKNOWN = "<unknown>"
NONE = "<none>"
UNSET = "<unset>"


def age(text: str | None, now_ns: int) -> str:
    """Time passed since an RFC 3339 time."""
    if not text:
        return UNKNOWN
    return human_duration(now_ns - parse_time(text))


def human_duration(duration_ns: int) -> str:
    """Two units at most, the coarser the longer: ``119s``, ``5m30s``, ``3h``, ``2d4h``, ``2y``."""
    seconds = -(-duration_ns // _SECOND) if duration_ns < 0 else duration_ns // _SECOND
    if seconds < -1:
        return "<invalid>"
    if seconds < 0:
        return "0s"
    if seconds < 120:
        return f"{seconds}s"
    minutes = seconds // 60
    if minutes < 10:
        return _two(minutes, "m", seconds % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    hours = minutes // 60
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    days = hours // 24
    if hours < 24 * 8:
        return _two(days, "d", hours % 24, "h")
    if hours < _HOURS_A_YEAR * 2:
        return f"{days}d"
    if hours < _HOURS_A_YEAR * 8:
        return _two(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def _two(large: int, unit: str, small: int, small_unit: str) -> str:
    return f"{large}{unit}{small}{small_unit}" if small else f"{large}{unit}"
