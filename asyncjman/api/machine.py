"""What this machine has, and what its processes use of it now."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection
from contextlib import suppress

from asyncjman.model.progress import Gpu, Machine
from asyncjman.system import gpus

_CPU_SECONDS = 0.1
"""So long it takes at least to see how busy processors are."""
_LEAST_PAUSE, _MOST_PAUSE = 5.0, 60.0
"""Seconds between two times that GPUs are asked for."""
_MOST_COST = 0.05
"""So much of the time may be spent with asking, at most."""


class MachineReader:
    """Tells how busy this machine is; GPUs, which take long to ask, meanwhile."""

    def __init__(self) -> None:
        self._gpus: tuple[Gpu, ...] = ()
        self.read()

    def read(self) -> Machine:
        """Return how busy it is, since this was asked before."""
        import psutil

        memory = psutil.virtual_memory()
        cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        used = memory.total - memory.available
        return Machine(cpus, psutil.cpu_percent(None), used, memory.total, self._gpus)

    async def read_once(self) -> Machine:
        """Return how busy it is, for who asks but once."""
        await asyncio.gather(self._ask_gpus(), asyncio.sleep(_CPU_SECONDS))
        return self.read()

    async def follow_gpus(self) -> None:
        """Ask for GPUs now and then, until cancelled; return at once where there can be none."""
        now = asyncio.get_running_loop().time
        while gpus.program():
            begun = now()
            await self._ask_gpus()
            pause = (now() - begun) / _MOST_COST if self._gpus else _MOST_PAUSE
            await asyncio.sleep(min(max(_LEAST_PAUSE, pause), _MOST_PAUSE))

    async def _ask_gpus(self) -> None:
        if program := gpus.program():
            self._gpus = await gpus.gpus(program)


def memory_of_sessions(leaders: Collection[int]) -> dict[int, int]:
    """Return how many bytes the processes of these sessions use together: each task has one of its own."""
    import psutil

    wanted, found = set(leaders), dict[int, int]()
    for pid in psutil.pids() if wanted else ():
        with suppress(OSError, psutil.Error):
            if (leader := os.getsid(pid)) in wanted:
                found[leader] = found.get(leader, 0) + psutil.Process(pid).memory_info().rss
    return found
