"""An open database, with the settings and the engines that are needed to do something with its jobs."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from asyncjman.api.configured import refuse_unknown, settings_here
from asyncjman.errors import (
    DamagedDatabase,
    DatabaseProblem,
    JmanError,
    NotOpen,
    UnreadableJob,
    UsageError,
)
from asyncjman.model.job import LOCAL, JobSpec
from asyncjman.runtime import SYSTEM, Runtime
from asyncjman.store import errands
from asyncjman.store.database import Database, Reader
from asyncjman.store.opening import damaged

if TYPE_CHECKING:
    from asyncjman.engines.base import Engine
    from asyncjman.engines.registry import Budget
    from asyncjman.scheduler.poller import Poller
    from asyncjman.settings import Settings

Asks = Literal["again", "once", "briefly"]
"""How often a cluster is asked that hangs: each call waits 30 seconds for it; or the first one does, and no
other is made; or all of them together wait for ``cluster-timeout`` seconds."""

_OF_ODD_VALUES = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, AssertionError)
"""What ends in these is a fault of ours, or of a damaged file."""


class Session:
    """A database of jobs while it is open.

    ``create``: whether a database that isn't there is made; if not, it looks like an empty one.
    ``cluster``: the batch system that jobs are sent to, whatever the settings say. Raises UsageError where
    there is none of that name, also where nothing is sent.
    ``asks``: how patient it is with a cluster; ``within``: seconds for all that the cluster is asked.
    """

    def __init__(
        self,
        path: Path,
        *,
        create: bool = True,
        settings: Settings | None = None,
        profile: str | None = None,
        cluster: str | None = None,
        runtime: Runtime = SYSTEM,
        asks: Asks = "again",
        within: float | None = None,
    ) -> None:
        refuse_unknown(cluster)
        refuse_unknown(settings.cluster if settings else None)
        self.path = path
        self._asks = asks
        self._within = within
        self._runtime = runtime
        self._create = create
        self._settings = settings
        self._profile = profile
        self._cluster = cluster
        self._database: Reader | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._was_open = False
        self._engines: dict[str, Engine] = {}
        self.trouble: JmanError | None = None
        """Why a cluster did not answer, or did not take a job, when it was polled."""
        self.left_over: list[str] = []
        """What could not be removed of what a command that was killed left."""

    async def open(self) -> None:
        """Open the database, and finish what a command that was killed left. Raises DatabaseProblem."""
        await self._open()
        try:
            await self._finish_removal()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the engines and the database."""
        database = self.database
        try:
            for engine in self._engines.values():
                await engine.close()
        finally:
            self._engines = {}
            self._database, self._was_open = None, True
            await database.close()

    async def _open(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._database = await Reader.open(self.path, create=self._create, runtime=self._runtime)

    @property
    def database(self) -> Reader:
        """Return the open database. Raises NotOpen, also where it is used from another event loop."""
        self.check_open()
        assert self._database is not None
        return self._database

    @property
    def is_open(self) -> bool:
        return self._database is not None

    def check_open(self) -> None:
        """Raise NotOpen where there is no open database that can be used here."""
        if self._database is None:
            when = "closed: its block was left" if self._was_open else "not open: use it in its async with"
            raise NotOpen(f"the JobManager of {self.path} is {when}")
        if self._running() is not self._loop:
            raise NotOpen(
                f"the JobManager of {self.path} belongs to another event loop, that in which it was opened"
            )

    def check_free(self) -> None:
        """Raise NotOpen where it can't be opened here."""
        if self._database is not None:
            raise NotOpen(f"the JobManager of {self.path} is open already")
        self._running()

    def _running(self) -> asyncio.AbstractEventLoop:
        try:
            return asyncio.get_running_loop()
        except RuntimeError:
            raise NotOpen(
                f"the JobManager of {self.path} needs a running event loop of asyncio: with trio, or without "
                "any, use asyncjman.sync.JobManager"
            ) from None

    async def _finish_removal(self) -> None:
        """Remove what a command that was killed left to be removed."""
        if not self.is_owner or not await errands.removes(self.database):
            return
        from asyncjman.scheduler import removal

        with suppress(DatabaseProblem):  # a full disk
            removed = await removal.finish(self.writer())
            self.left_over = [problem for some in removed.problems.values() for problem in some]
        if not self.database.is_at_its_path:
            await self.database.close()
            await self._open()

    async def blame_damage(self, error: BaseException) -> None:
        """Raise DamagedDatabase, which names the file (and the job), where an error comes from that."""
        damage = error if isinstance(error, DamagedDatabase) else None
        if isinstance(error, _OF_ODD_VALUES):
            from asyncjman.store.damage import find_damage

            damage = await find_damage(self.database)
        if isinstance(damage, UnreadableJob):
            raise DamagedDatabase(damage.message(str(self.path))) from error
        if damage is not None:
            raise damaged(self.path) from error

    def writer(self) -> Database:
        """Return what can change the database.

        Raises NotOwner where it is somebody else's, or others may have written it: it can be looked at then,
        and nothing of it is run, sent, stopped or deleted.
        """
        return self.database.writer()

    @property
    def is_owner(self) -> bool:
        """Tell whether the database is this user's, who may change it."""
        return self.database.authority.is_owner

    @property
    def settings(self) -> Settings:
        """Return the settings that hold here, read when they are first needed. Raises UsageError."""
        if self._settings is None:
            self._settings = settings_here(self._profile)
        return self._settings

    @property
    def cluster(self) -> str:
        """Return the batch system that jobs are sent to. Raises JmanError where that is not known."""
        from asyncjman.engines.registry import cluster_of

        return cluster_of(self._cluster or self.settings.cluster)

    def engine(self, name: str) -> Engine:
        """Return an engine; the local one ends what dead runners left, and runs nothing.

        Raises NotOwner: only the owner does anything there; and UsageError where there is none of that name.
        """
        if name not in self._engines:
            from asyncjman.engines import registry

            given = () if name == LOCAL else (self.settings, self.budget())
            self._engines[name] = registry.make(name, self.writer(), *given)
        return self._engines[name]

    def refuse(self, spec: JobSpec) -> None:
        """Raise UsageError for a job that can never run where it is to."""
        if spec.engine != LOCAL and (reason := self.engine(spec.engine).refuse(spec)):
            raise UsageError(reason)

    def budget(self) -> Budget:
        """Return the time that what is asked of a cluster from now on may take together."""
        from asyncjman.engines.registry import Budget

        if self._within is not None:
            # what begins just before the end gets a moment
            return Budget(max(self._within, 1.0), clock=self._runtime.monotonic)
        if self._asks == "briefly":
            return Budget(self.settings.cluster_timeout, clock=self._runtime.monotonic)
        return Budget(once=self._asks == "once")

    def poller(self) -> Poller:
        """Return what polls the engines for as long as somebody waits. Raises NotOwner."""
        from asyncjman.scheduler.poller import Poller

        return Poller(self.writer(), self.engine, lambda: self.settings)

    async def poll(self) -> JmanError | None:
        """Poll each engine that has open jobs once; return why one did not answer, if one didn't.

        Of another user's database nothing is asked: its jobs are in that user's lists alone.
        """
        if self.is_owner:
            for name in await errands.clusters(self.database):
                from asyncjman.scheduler.polling import poll

                polled = await poll(self.writer(), self.engine(name))
                self.trouble = polled.problem or self.trouble
        return self.trouble

    async def look_up_usage(self) -> None:
        """Learn from the engines' accounting what tasks that ended there have used."""
        from asyncjman.store import jobs, usage

        if self.is_owner and (pending := await usage.unaccounted(self.database)):
            from asyncjman.scheduler.usage import look_up_usage

            found = await jobs.get(self.database, {one.job_id for one in pending})
            for name in sorted({job.spec.engine for job in found} - {LOCAL}):
                await look_up_usage(self.writer(), self.engine(name))
