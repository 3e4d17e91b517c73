"""The job manager: of a user's own asyncio program, and of the command line."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

from asyncjman.api.checks import number_of, path_of, text_of
from asyncjman.api.functions import Functions
from asyncjman.api.session import Asks, Session
from asyncjman.errors import UsageError
from asyncjman.model.job import LOCAL
from asyncjman.model.paths import absolute
from asyncjman.model.selection import Selection, ranges_of
from asyncjman.runtime import SYSTEM, Runtime
from asyncjman.store.completion import to_completion

if TYPE_CHECKING:
    from asyncjman.api.background import Background
    from asyncjman.api.progress_reader import ProgressReader
    from asyncjman.api.running import Output
    from asyncjman.api.termination import Termination
    from asyncjman.settings import Settings

OnExit = Literal["stop", "wait", "leave"]


class JobManager(Functions):
    """Submits jobs, runs them in the background, and lets them be awaited; an async context manager.

    Local jobs that are submitted or resubmitted here run as soon as they can, ``parallel`` tasks at once,
    and so does what they wait for, where nobody else runs it. Jobs of others are observed only, awaited or
    not: ``job.run()`` has them run here. With ``executor="sge"`` jobs are sent to the cluster, and followed
    there; local jobs and jobs of the cluster may wait for each other.

    At the end of the block, or with ``close()``, ``on_exit`` says what becomes of jobs that were submitted
    here: ``"stop"`` (default for local jobs) stops them; ``"leave"`` (default with a cluster) lets those on
    the cluster live on, and ends local tasks that run, but releases them, so that another execute runs them
    again; ``"wait"`` awaits them, and where an error leaves the block does as the default does. What ran
    only because others wait for it is always released. SIGTERM leaves the block, as Ctrl-C does, unless the
    program handles it by itself. ``profile`` names settings for the cluster. With ``run=False`` nothing is
    run here: jobs are stored, sent to clusters, stopped and observed, as the commands of ``jman`` do.
    ``create=False``: a database that isn't there looks like an empty one. ``asks`` and ``within``: how
    patient it is with clusters, see ``Session``.

    >>> import asyncio, tempfile
    >>> from asyncjman import JobManager
    >>> async def main(folder):
    ...     async with JobManager(f"{folder}/submitted.sql3", parallel=2) as jm:
    ...         first = await jm.submit(["sh", "-c", "echo one"], log_dir=f"{folder}/logs")
    ...         second = await jm.submit(["sh", "-c", "exit 3"], after_ok=[first])
    ...         await jm.wait(first, second)
    ...         return await first.output(), second.job.exit_status
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     print(asyncio.run(main(folder)))
    ('one\\n', 3)
    """

    def __init__(
        self,
        database: str | os.PathLike[str] = "submitted.sql3",
        *,
        executor: str = LOCAL,
        parallel: int = 1,
        on_exit: OnExit | None = None,
        output: Output | None = None,
        profile: str | None = None,
        cluster: str | None = None,
        run: bool = True,
        create: bool = True,
        settings: Settings | None = None,
        asks: Asks = "again",
        within: float | None = None,
        runtime: Runtime = SYSTEM,
    ) -> None:
        if executor != LOCAL:
            from asyncjman.engines.registry import check

            check(executor)
        if on_exit not in (None, "stop", "wait", "leave"):
            raise UsageError(f"no on_exit {on_exit!r}: there are 'stop', 'wait' and 'leave'")
        if output is not None and not callable(output):
            raise UsageError(f"output is a function of a stream and bytes, not {output!r}")
        path = Path(path_of(database, "database") or "")
        self.session = Session(
            # a program may change its folder; a command tells of the file as it was typed
            absolute(path) if run else path,
            create=create,
            settings=settings,
            profile=text_of(profile, "profile"),
            cluster=text_of(cluster, "cluster"),
            runtime=runtime,
            asks=asks,
            within=within,
        )
        self._executor = executor
        self._parallel = number_of(parallel, "parallel")
        self._on_exit: OnExit = on_exit or ("stop" if executor == LOCAL else "leave")
        self._output = output
        self._run = run
        self._made: Background | None = None
        self._termination: Termination | None = None
        self._looks: dict[tuple[int, ...], ProgressReader] = {}
        self._sent: set[int] = set()
        """Jobs of a cluster that were submitted here."""

    async def open(self) -> Self:
        """Open the database; ``close`` is to follow. ``async with`` does both.

        Raises DatabaseProblem where it can't be, NotOpen where it is open already, or where no event loop of
        asyncio runs.
        """
        self.session.check_free()
        await self.session.open()
        self._looks.clear()  # they read from the connection before
        if self._run:
            from asyncjman.api.termination import Termination

            self._termination = Termination(self.close)
            self._termination.install()
        return self

    async def close(self, *, failed: bool = False) -> None:
        """Do with what was submitted what ``on_exit`` says, and close the database; twice is no error.

        ``failed``: as if an error left the block, so that nothing is awaited.
        """
        if not self.session.is_open:
            return
        try:
            await self._end_jobs(failed=failed)
        finally:
            await to_completion(self._close())

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close(failed=error is not None)

    async def _end_jobs(self, *, failed: bool) -> None:
        """Wait for jobs here, stop those of the cluster, or have local ones released to run elsewhere."""
        if self._on_exit == "wait" and not failed and self._made is not None:
            from asyncjman.api.together import together

            await together(self._until_no_more(job_id) for job_id in self._made.requested)
        elif self._on_exit == "stop" and self._sent:
            left = [job.id for job in await self.read(self._sent)]
            if left:
                await self.stop(Selection(ids=ranges_of(left)))
        elif self._on_exit == "leave" and self._made is not None:
            self._made.requested.clear()  # what is not asked for is released when it is ended

    async def _close(self) -> None:
        try:
            if self._made is not None:
                await self._made.close()
        finally:
            self._made = None
            self._sent.clear()
            try:
                await self.session.close()
            finally:
                if self._termination is not None:
                    self._termination.remove()
                    self._termination = None

    @property
    def _background(self) -> Background:
        """Return what runs jobs and waits for them, made when it is first needed."""
        if self._made is None:
            self.session.check_open()
            from asyncjman.api.background import Background

            self._made = Background(self.session, parallel=self._parallel, output=self._output, run=self._run)
        return self._made
