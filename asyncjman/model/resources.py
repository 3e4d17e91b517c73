"""What a job asks an engine for: stored as it was asked, whatever engine it is submitted to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from asyncjman.errors import UsageError

NAMES = ("memory", "slots", "gpu_memory", "io_big", "time", "hostname", "extra")
"""What can be asked for, besides the queue."""
_MEMORY = re.compile(r"\s*(?=.*[1-9])\d{1,15}[kKmMgGtT]?[bB]?\s*", re.ASCII)
_TIME = re.compile(r"\d{1,9}|\d{0,9}:\d{0,9}(:\d{0,9})?|infinity", re.ASCII | re.IGNORECASE)


def checked(resources: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is asked for, less what is None or False.

    Raises UsageError for an amount of memory or a time that no engine could read: a job that runs here may
    move to a cluster later.
    """
    for name in ("memory", "gpu_memory"):
        amount = resources.get(name)
        if amount is not None and not _MEMORY.fullmatch(str(amount)):
            raise UsageError(f"bad amount of memory {amount!r}: write 4G or 500M")
    time = resources.get("time")
    if time is not None and not _TIME.fullmatch(str(time)):
        raise UsageError(f"bad limit of run time {time!r}: write seconds, as in 3600, or 1:0:0")
    if (queue := resources.get("queue")) is not None and not queue.replace(",", "").strip():
        raise UsageError(f"no queue is named in {queue!r}")
    return {name: value for name, value in resources.items() if value is not None and value is not False}
