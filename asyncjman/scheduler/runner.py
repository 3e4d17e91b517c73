"""Running the tasks that live and die with this process, and polling what they wait for elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from asyncjman.engines.base import Engine
from asyncjman.errors import JmanError
from asyncjman.scheduler.bus import Bus, Subscription
from asyncjman.scheduler.dispatcher import Dispatcher
from asyncjman.scheduler.options import Options
from asyncjman.scheduler.poller import Poller
from asyncjman.scheduler.reconcile import Recovery
from asyncjman.store import schedule
from asyncjman.store.database import Database
from asyncjman.store.runnerlock import RunnerLock


class Runner:
    """Runs the jobs of one engine, once; ``token`` and ``lock`` tell it from any other."""

    def __init__(
        self,
        database: Database,
        engine: Engine,
        options: Options,
        poller: Poller,
        *,
        token: str,
        lock: RunnerLock,
        bus: Bus | None = None,
        on_recovery: Callable[[Recovery], None] = lambda _: None,
        on_lost: Callable[[Sequence[tuple[int, int]]], None] = lambda _: None,
        on_trouble: Callable[[str], None] = lambda _: None,
        on_asked: Callable[[], None] = lambda: None,
    ) -> None:
        """``on_recovery`` is told of runners that were killed, ``on_lost`` of tasks that others took from it,

        ``on_trouble``, in a line, of an engine that does not answer while a job here waits for one there,
        and ``on_asked`` that a user wants it to end (`jman stop --execute`).
        """
        self._database = database
        self._name = engine.name
        self._poller = poller
        self._on_trouble = on_trouble
        self._bus = bus or Bus()
        self._own_bus = bus is None
        self._dispatcher = Dispatcher(
            database,
            engine,
            token=token,
            options=options,
            bus=self._bus,
            on_recovery=on_recovery,
            on_lost=on_lost,
            on_asked=on_asked,
            lock=lock,
        )

    def subscribe(self) -> Subscription:
        """Return a stream of all events from now on; it ends with the run."""
        return self._bus.subscribe()

    async def run(self) -> None:
        """Run until nothing is left to run, or until stopped."""
        following = asyncio.create_task(self._follow_others())
        try:
            await self._dispatcher.run()
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            if self._own_bus:
                self._bus.close()

    async def _follow_others(self) -> None:
        """Poll other engines as long as a job here waits for a job there, until cancelled."""
        version: tuple[int, int] | None = None
        while True:
            version = await self._database.next_change(version)
            if not await schedule.waits_elsewhere(self._database, self._name):
                continue
            try:
                await self._poller.during(self._until_none_waits(), self._on_trouble)
            except JmanError as error:  # no such engine on this host: another jman may poll it
                self._on_trouble(str(error))
                await self._until_none_waits()

    async def _until_none_waits(self) -> None:
        version: tuple[int, int] | None = None
        while await schedule.waits_elsewhere(self._database, self._name):
            version = await self._database.next_change(version)

    async def look(self, job_ids: Iterable[int]) -> None:
        """Take in jobs that are new, or that the options let it run now."""
        await self._dispatcher.look(job_ids)

    async def stop(self, *, kill: bool = False, rest: bool = False) -> None:
        """Start nothing more, and end what runs: it is recorded as stopped.

        ``rest``: also what tasks that have ended left running.
        """
        await self._dispatcher.stop(kill=kill, rest=rest)

    def start_no_more(self) -> None:
        """Let ``run`` return once what runs has ended."""
        self._dispatcher.start_no_more()

    @property
    def left(self) -> int:
        """Return how many tasks haven't ended."""
        return self._dispatcher.left

    @property
    def running(self) -> int:
        """Return how many tasks run."""
        return self._dispatcher.running
