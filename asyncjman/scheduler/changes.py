"""What other processes do to the jobs of a runner: new jobs, resubmissions, requests to stop, lost claims."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Collection, Iterable, Sequence

from asyncjman.scheduler.attempts import Attempts, Key
from asyncjman.scheduler.feed import Feed
from asyncjman.scheduler.held import Held
from asyncjman.scheduler.loading import Loader
from asyncjman.store import jobs, runners, tasks
from asyncjman.store.database import Database

MOST_LOOKS = 5
"""On a slow disk that others keep busy each may take long: nobody is to wait for ever."""


class Changes:
    """Takes in what was changed in the database since it was looked at last."""

    def __init__(
        self,
        database: Database,
        loader: Loader,
        feed: Feed,
        attempts: Attempts,
        held: Held,
        *,
        look_again: Callable[[], None],
        on_lost: Callable[[Sequence[Key]], None],
    ) -> None:
        """``look_again`` has all claimed tasks that wait look whether they are still to wait.

        ``on_lost`` is told of tasks that others took.
        """
        self._database = database
        self._loader = loader
        self._feed = feed
        self._attempts = attempts
        self._held = held
        self._look_again = look_again
        self._on_lost = on_lost
        self._lock = asyncio.Lock()
        self._looked_at = -math.inf
        self._revision = 0
        self.runner = 0
        """The id of this runner."""
        self.version: tuple[int, int] | None = None
        """The state of the file when it was looked at last."""
        self._closed: set[int] = set()
        """Jobs that the store has ended; several processes may have had a part in them."""
        self._is_behind = False
        """Whether to look once more for what is to stop."""

    async def begin(self, runner: int) -> None:
        self.runner = runner
        self._revision = await jobs.latest_revision(self._database)
        await self._loader.load_first()

    @property
    def are_pending(self) -> bool:
        """Tell whether there is something to take in though the file did not change."""
        return bool(self._closed or self._feed.stale or self._is_behind)

    def note_closed(self, job_ids: Iterable[int]) -> None:
        self._closed.update(job_ids)

    def are_known(self, seconds: float) -> bool:
        """Tell whether ``look`` was done less than so many seconds ago."""
        return self._database.runtime.monotonic() - self._looked_at < seconds

    async def look(self, seconds: float) -> None:
        """Take in what is new, unless that was done less than so many seconds ago.

        Where that takes longer than so many seconds, there may be news again by then.
        """
        monotonic = self._database.runtime.monotonic
        for _ in range(MOST_LOOKS):
            if self.are_known(seconds):
                return
            async with self._lock:
                begun = monotonic()
                if begun - self._looked_at < seconds:
                    return
                version = await self._database.version()
                if version != self.version:
                    await self._take_in(version)
                self._looked_at = begun

    async def take_in(self, version: tuple[int, int] | None = None) -> None:
        """Take in what is new; ``version`` is given where the file is no longer as it was."""
        async with self._lock:  # whoever sees the new state sees what is in it, too
            await self._take_in(version)

    async def _take_in(self, version: tuple[int, int] | None) -> None:
        self.version = version or self.version
        changed, self._revision = await jobs.changed_since(self._database, self._revision)
        changed += self._closed | self._feed.stale
        self._closed.clear()
        self._feed.stale.clear()
        await self._end_lost()
        asked = await tasks.to_stop(self._database, self.runner)
        to_stop = [key for key in asked if key in self._held.attempts]
        # the others ended, which isn't stored yet, or were claimed in this moment
        self._is_behind = len(to_stop) < len(asked)
        if to_stop:
            await self._attempts.stop(to_stop)
            self._look_again()
        if changed:
            await self._loader.load(changed)
        if version is not None:
            self._feed.room_for_all()  # others may have made room

    def take_lost(self, lost: Collection[Key]) -> None:
        """Take in that others took tasks from this runner: what runs of them is ended, and not recorded."""
        if new := self._held.take_lost(lost):
            self._on_lost(new)
        self._attempts.to_stop.update(self._held.attempts.keys() & lost)
        self._feed.stale.update(job_id for job_id, _ in lost)

    async def _end_lost(self) -> None:
        """Look whether all claims are still this runner's; end what isn't."""
        before = dict(self._held.attempts)
        lost = await runners.lost(self._database, self.runner, dict.fromkeys(before)) if before else set()
        # one that ended while the store was asked isn't lost
        if lost := {key for key in lost if self._held.attempts.get(key) is before[key]}:
            self.take_lost(lost)
            self._look_again()
        if running := self._held.lost & self._attempts.running.keys():
            await self._attempts.stop(running)
            self._look_again()
