"""One poll for all who wait for jobs of an engine whose tasks survive us."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from asyncjman.engines.base import Engine
from asyncjman.scheduler.polling import Polled, poll
from asyncjman.store import schedule
from asyncjman.store.database import Database

_GROWTH = 1.5


async def follow(
    database: Database,
    engine: Engine,
    *,
    interval: float,
    interval_max: float,
    on_poll: Callable[[Polled], None] = lambda _: None,
    until_idle: bool = False,
) -> None:
    """Poll again and again: often while something happens, seldom when nothing does.

    Intervals in seconds. Runs until cancelled, or, with ``until_idle``, until no job is open.
    """
    pause = interval
    while True:
        if await schedule.has_open(database, engine.name):
            seen = await poll(database, engine)
            on_poll(seen)
            quiet = not seen.seen and not seen.ended
            pause = min(pause * _GROWTH, interval_max) if quiet else interval
        elif until_idle:
            return
        await asyncio.sleep(max(pause, interval))
