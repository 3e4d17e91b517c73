"""What this machine has, and what its processes use of it now."""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import suppress

from asyncjman.model.progress import Machine


def machine() -> Machine:
    """Return how busy this machine is, since this was asked before."""
    import psutil

    memory = psutil.virtual_memory()
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Machine(cpus, psutil.cpu_percent(None), memory.total - memory.available, memory.total)


def memory_of_sessions(leaders: Collection[int]) -> dict[int, int]:
    """Return how many bytes the processes of these sessions use together: each task has one of its own."""
    import psutil

    wanted, found = set(leaders), dict[int, int]()
    for pid in psutil.pids() if wanted else ():
        with suppress(OSError, psutil.Error):
            if (leader := os.getsid(pid)) in wanted:
                found[leader] = found.get(leader, 0) + psutil.Process(pid).memory_info().rss
    return found
