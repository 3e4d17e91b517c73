"""Lengths of time as people write them."""

from __future__ import annotations

import math
import re
from datetime import timedelta

from asyncjman.errors import UsageError

Duration = float | str | timedelta
"""Seconds, a text such as ``2h``, or a timedelta."""

_DURATION = r"(\d+(?:\.\d+)?)\s*(s|m|h|d|)"
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_duration(text: str) -> float:
    """Read ``90``, ``10s``, ``5m``, ``2h``, ``1d``; return seconds. Raises UsageError for anything else.

    >>> parse_duration("2h"), parse_duration("1.5m")
    (7200.0, 90.0)
    """
    match = re.fullmatch(_DURATION, text.strip(), re.ASCII)
    if not match:
        raise UsageError(f"bad time {text!r}: write seconds, or 10s, 5m, 2h, 1d")
    return float(match[1]) * _SECONDS[match[2]]


def seconds_of(value: Duration, what: str) -> float:
    """Return a length of time in seconds, finite and not negative; ``what`` it is, an error says.

    >>> from datetime import timedelta
    >>> seconds_of(90, "timeout"), seconds_of("1.5m", "timeout"), seconds_of(timedelta(hours=2), "timeout")
    (90.0, 90.0, 7200.0)
    """
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, str):
        seconds = parse_duration(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = _float(value)
    else:
        raise UsageError(f"bad {what} {value!r}: give seconds, a text such as '2h', or a timedelta")
    if not 0 <= seconds < math.inf:
        raise UsageError(f"bad {what} {value!r}: it is not negative, and ends some day")
    return seconds


def time_limit_of(value: Duration | None) -> float | None:
    """Return the seconds that an attempt may take, more than 0; None: as long as it likes."""
    if value is None:
        return None
    seconds = seconds_of(value, "timeout")
    if seconds == 0:
        raise UsageError(f"bad timeout {value!r}: nothing ends in no time; leave it out for no limit")
    return seconds


def _float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:  # an int of hundreds of digits
        return math.inf
