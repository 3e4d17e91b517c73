"""Polling engines whose tasks survive us, for all who wait for jobs there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from asyncjman.engines.base import Engine
from asyncjman.store import errands, schedule
from asyncjman.store.database import Database

if TYPE_CHECKING:
    from asyncjman.scheduler.polling import Polled
    from asyncjman.settings import Settings

T = TypeVar("T")
_GROWTH = 1.5


class Poller:
    """Polls engines again and again: often while something happens, seldom when nothing does.

    ``engine_of`` and ``settings`` are called when the first engine is polled: most databases need neither.
    """

    def __init__(
        self, database: Database, engine_of: Callable[[str], Engine], settings: Callable[[], Settings]
    ) -> None:
        self._database = database
        self._engine_of = engine_of
        self._settings = settings

    async def follow(self, name: str, on_poll: Callable[[Polled], None] = lambda _: None) -> None:
        """Poll one engine until cancelled. Raises JmanError where there is no such engine here."""
        from asyncjman.scheduler.polling import poll  # most runs have nothing to poll

        engine, settings = self._engine_of(name), self._settings()
        pause = settings.poll_interval
        while True:
            if await schedule.has_open(self._database, name):
                seen = await poll(self._database, engine)
                on_poll(seen)
                quiet = not seen.seen and not seen.ended
                pause = min(pause * _GROWTH, settings.poll_interval_max) if quiet else settings.poll_interval
            await asyncio.sleep(max(pause, settings.poll_interval))

    async def during(self, work: Awaitable[T], on_trouble: Callable[[str], None] = lambda _: None) -> T:
        """Await ``work`` while all engines that have open jobs are polled; return what it gives.

        ``on_trouble`` is told, in a line, of engines that do not answer, and of jobs that can't go on.
        Raises what ends a poller: nothing would bring news from there any more.
        """
        main = asyncio.ensure_future(work)
        polls: list[asyncio.Future[None]] = []
        try:
            for name in await errands.clusters(self._database):
                polls.append(asyncio.ensure_future(self.follow(name, _Telling(on_trouble))))
            first: list[asyncio.Future[Any]] = [main, *polls]
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            for one in polls:
                if one.done() and not main.done():
                    one.result()
            return await main
        finally:
            main.cancel()
            for one in polls:
                one.cancel()
            await asyncio.gather(main, *polls, return_exceptions=True)


class _Telling:
    """Tells of an engine's silence once, and of each job that came into an error."""

    def __init__(self, on_trouble: Callable[[str], None]) -> None:
        self._on_trouble = on_trouble
        self._silent = False

    def __call__(self, seen: Polled) -> None:
        if seen.problem is not None and not self._silent:
            self._on_trouble(f"{seen.problem}; it is asked again")
        self._silent = seen.problem is not None
        for job_id in seen.in_error:
            self._on_trouble(in_error(job_id))


def in_error(job_id: int) -> str:
    """Say that a job can't go on by itself."""
    return f"job {job_id} is in error on the cluster, which only a person can end: jman why {job_id}"
