"""What a job used of what it asked for: what was asked for in vain, others could have had."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from asyncjman.model.resources import memory_of

_SHORT_SECONDS = 1.0
"""Of what ran shorter than that a share of its time says nothing."""


class Used(NamedTuple):
    """What the tasks of a job used, all together."""

    tasks: int
    seconds: float
    """How long they ran."""
    cpu_seconds: float
    peak_memory_bytes: int
    """Of the task that used most; 0: not known."""


def efficiency(used: Used, asked: Mapping[str, Any]) -> str:
    """Say what was used, and how much of what was ``asked`` for (the resources of a job) that is.

    >>> efficiency(Used(1, 60.0, 90.0, 3 << 29), {"slots": 2, "memory": "2G"})
    'used 90.0 CPU seconds in 60.0 seconds (75 % of 2 CPUs), 1536 MiB at its peak (38 % of 4096 MiB)'
    >>> efficiency(Used(10, 0.5, 0.4, 0), {})
    '10 tasks used 0.4 CPU seconds in 0.5 seconds'
    """
    slots = int(asked.get("slots") or 1)
    said = f"{used.tasks} tasks used" if used.tasks > 1 else "used"
    said += f" {used.cpu_seconds:.1f} CPU seconds in {used.seconds:.1f} seconds"
    if used.seconds >= _SHORT_SECONDS:
        share = used.cpu_seconds / used.seconds / slots
        said += f" ({share:.0%} of {slots} CPU{'s' if slots > 1 else ''})".replace("%", " %")
    if used.peak_memory_bytes:
        said += f", {_mib(used.peak_memory_bytes)} at its peak"
        if asked.get("memory"):
            number, unit = memory_of(str(asked["memory"]))
            allowed = slots * number << (10 * ("KMGT".index(unit.upper()) + 1))
            said += f" ({used.peak_memory_bytes / allowed:.0%} of {_mib(allowed)})".replace("%", " %")
    return said


def _mib(amount: int) -> str:
    return f"{amount / 2**20:.0f} MiB"
