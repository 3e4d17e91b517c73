"""One poll for all who wait for jobs on the cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from asyncjman.executors.sge.executor import SgeExecutor
from asyncjman.scheduler.grid.refresh import Refreshed, refresh
from asyncjman.store import schedule
from asyncjman.store.database import Database

_GROWTH = 1.5


async def follow_grid(
    database: Database,
    executor: SgeExecutor,
    *,
    interval: float,
    interval_max: float,
    grace: float,
    on_refresh: Callable[[Refreshed], None] = lambda _: None,
    until_idle: bool = False,
) -> None:
    """Look at the cluster again and again: often while something happens, seldom when nothing does.

    Intervals in seconds. Runs until cancelled, or, with ``until_idle``, until nothing is on the cluster.
    """
    pause = interval
    while True:
        if await schedule.has_open(database, executor.name):
            seen = await refresh(database, executor, grace=grace)
            on_refresh(seen)
            quiet = not seen.seen and not seen.ended
            pause = min(pause * _GROWTH, interval_max) if quiet else interval
        elif until_idle:
            return
        await asyncio.sleep(max(pause, interval))
