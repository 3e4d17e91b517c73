"""Jobs by their handles: found, awaited, run here and submitted again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from asyncjman.api.checks import id_of, statuses_of, text_of, timeout_of
from asyncjman.api.commands import JobCommands, selection_of
from asyncjman.api.reader import ALL
from asyncjman.errors import JobDeleted
from asyncjman.model.job import LOCAL, PLAIN_TASK, Job, Task
from asyncjman.model.selection import Selection, ranges_of
from asyncjman.model.status import FINISHED, UNSUCCESSFUL, Status
from asyncjman.store.completion import to_completion
from asyncjman.system.logs import display_name

if TYPE_CHECKING:
    from asyncjman.api.background import Background
    from asyncjman.api.earlier import HasId
    from asyncjman.api.handle import JobHandle
    from asyncjman.api.progress import Progress
    from asyncjman.api.progress_reader import ProgressReader
    from asyncjman.api.resubmission import Outcome
    from asyncjman.api.resubmission_request import Resubmission
    from asyncjman.api.result import JobResult
    from asyncjman.api.stream import Feed
    from asyncjman.model.duration import Duration
    from asyncjman.model.events import Event

_LOOKS = 16
"""Of so many sets of jobs it is kept how fast they are."""


class JobHandles(JobCommands):
    """What a program does with jobs that it has handles of."""

    _run: bool
    """Whether jobs are run here."""
    _looks: dict[tuple[int, ...], ProgressReader]
    """What was seen of the progress of jobs, by their ids, the latest last."""

    @property
    def _background(self) -> Background:
        """Return what runs jobs and waits for them."""
        raise NotImplementedError

    async def get(self, job_id: int) -> JobHandle:
        """Return a job by its id, whoever submitted it; that of a function is a ``CallHandle``.

        Raises BadSelection where there is none.
        """
        return (await self.jobs(Selection(ids=ranges_of([id_of(job_id)]))))[0]

    async def jobs(
        self,
        selection: Selection = ALL,
        *,
        status: Status | str | Iterable[Status | str] = (),
        name: str | None = None,
        sweep: Mapping[str, object] | None = None,
    ) -> list[JobHandle]:
        """Return the jobs that are meant, in order of id: all, where nothing is said.

        ``status``: one or several; ``name``: one, or a pattern such as ``"train*"``; ``sweep``: those with a
        task that has these parameters. Raises UsageError for what is no status, BadSelection where a sweep
        has no such task.
        """
        from asyncjman.api.call_handle import handle_class

        meant = replace(selection, statuses=selection.statuses | statuses_of(status))
        text_of(name, "name")
        if sweep is not None:
            meant = await self.narrowed(meant, {key: str(value) for key, value in sweep.items()})
        found = [job async for job in self.select(meant)]
        if name is not None:
            found = named(found, name)
        return [handle_class(job.spec)(self, job) for job in found]

    async def attempts(self, job: HasId | int, task_id: int = PLAIN_TASK) -> list[Task]:
        """Return all attempts of a task, the first one first, as each of them ended.

        ``task_id``: of a job with an array. Raises BadSelection where there is no such task.
        """
        from asyncjman.store import tasks

        found = (await self.get(id_of(job))).job
        latest = await self.task(found, task_id)
        return [*await tasks.attempts(self.session.database, found.id, task_id), latest]

    async def progress(self, *jobs: HasId | int) -> Progress:
        """Return how many tasks of these jobs are done, as it stands now; deleted ones are left out.

        Rate and time left are told by the looks before at the same jobs, too.
        """
        from asyncjman.api.progress import Progress
        from asyncjman.api.progress_reader import ProgressReader
        from asyncjman.store.progress import Scope

        ids = tuple(sorted({id_of(job) for job in jobs}))
        reader = self._looks.pop(ids, None) or ProgressReader(self.session.database, Scope(ids=ids))
        self._looks[ids] = reader
        while len(self._looks) > _LOOKS:
            del self._looks[next(iter(self._looks))]
        return Progress.of(await reader.read_counts())

    async def wait(self, *jobs: JobHandle, timeout: Duration | None = None) -> list[JobResult]:
        """Wait for the ends of jobs; return their results in order. Raises TimeoutError."""
        from asyncjman.api.together import together

        async with asyncio.timeout(timeout_of(timeout)):
            return await together(job.wait() for job in jobs)

    async def as_completed(self, *jobs: JobHandle) -> AsyncGenerator[JobHandle, None]:
        """Yield the jobs as they end."""
        from asyncjman.api.together import cancelled

        waits = {asyncio.ensure_future(job.wait()): job for job in jobs}
        left = set(waits)
        try:
            while left:
                done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
                for one in done:
                    one.result()
                    yield waits[one]
        finally:
            await cancelled(waits)

    async def events(self, *jobs: JobHandle) -> AsyncGenerator[Event, None]:
        """Yield what happens to jobs, what has happened already first, until all of them ended.

        Without ``jobs``: what happens to all, also to those that are new, until the loop is left. What was
        before this began comes in order of time. What this process does comes at once, what others do within
        0.5 seconds; the start of an attempt comes before its end, and the end of a job last.
        """
        feed = self.feed([job.id for job in jobs] if jobs else None)
        if not jobs and self.is_owner:
            from asyncjman.store import errands

            for name in await errands.clusters(self.session.database):
                self._background.follow_cluster(name)
        async for batch in feed.batches():
            for event in batch:
                yield event

    def feed(self, job_ids: Collection[int] | None) -> Feed:
        """Return what happens to jobs (None: to all), in batches."""
        from asyncjman.api.stream import Feed

        return Feed(self.session.database, self._background.bus, self._until_ended, job_ids)

    async def fails(self, job_id: int) -> bool:
        """Wait for a job's end, or for the first task that failed for good; tell whether there is one."""
        from asyncjman.api.failing import fails

        return await fails(self.session.database, self._background.bus, self._until_ended, job_id)

    async def until_ended(self, job: JobHandle, timeout: Duration | None = None) -> None:
        """Wait for a job's end, whoever runs it. Raises TimeoutError after ``timeout`` (seconds, or "2h")."""
        async with asyncio.timeout(timeout_of(timeout)):
            await self._until_ended(job.id)

    async def _until_ended(self, job_id: int) -> None:
        background = self._background
        told = job_id in background.requested
        for name in () if told else await self._needed_clusters(job_id):
            background.follow_cluster(name)
        try:
            await background.watcher.until_ended(job_id, background.failure if told else None)
        except JobDeleted as error:
            raise background.refused.get(job_id, error) from None

    async def _until_no_more(self, job_id: int) -> None:
        with suppress(JobDeleted):
            await self._until_ended(job_id)

    async def _needed_clusters(self, job_id: int) -> list[str]:
        """Return the clusters that a job of one's own is on, or may wait for."""
        from asyncjman.store import errands

        for job in await self.read([job_id]) if self.is_owner else ():
            if job.spec.engine != LOCAL:
                return [job.spec.engine]
            if job.spec.dependencies:
                return await errands.clusters(self.session.database)
        return []

    async def run(self, *jobs: JobHandle) -> None:
        """Have jobs run here that were not submitted here, and all that they wait for.

        Returns at once. Tasks that another process has in hand stay with it. Jobs that were submitted or
        resubmitted here need no word. Raises NotOwner.
        """
        self.session.writer()
        self._background.run(job.id for job in jobs)

    async def resubmit(
        self,
        which: JobHandle | Selection,
        request: Resubmission | None = None,
        *,
        also_success: bool = False,
        clean: bool = False,
        running_too: bool = False,
        where: Mapping[str, str] | None = None,
    ) -> Outcome:
        """Have what did not succeed run once more, in one transaction; with ``also_success`` everything.

        ``clean``: their logs are removed; ``where``: only tasks with these parameters; ``running_too``: what
        runs is stopped first; ``request`` says all else. Where it is cancelled, that is or isn't so.
        """
        from asyncjman.api.resubmission_request import Resubmission

        if request is None:
            statuses = FINISHED if also_success else UNSUCCESSFUL
            request = Resubmission(statuses=statuses, clean=clean)
        work = self._resubmit(selection_of(which), request, where, running_too=running_too)
        if isinstance(which, Selection):
            return await work
        if which.job.spec.engine == LOCAL:
            outcome = await to_completion(work)
        else:  # a cluster may take its time
            outcome = await self._background.apart(work)
        await which.refresh()
        return outcome

    async def _resubmit(
        self,
        selection: Selection,
        request: Resubmission,
        where: Mapping[str, str] | None,
        *,
        running_too: bool,
    ) -> Outcome:
        outcome = await self.run_again(selection, request, running_too=running_too, where=where)
        from asyncjman.model.events import JobSubmitted

        for one in outcome.done:
            self._background.bus.publish(JobSubmitted(one.job.id, one.job.submitted_at))
        if self._run:
            self._background.run(one.job.id for one in outcome.done)
        return outcome


def named(jobs: Sequence[Job], pattern: str) -> list[Job]:
    """Return the jobs of this name, their own or their command's; where there are none, those that match."""
    names = [(job, display_name(job.spec)) for job in jobs]
    same = [job for job, name in names if name == pattern]
    return same or [job for job, name in names if fnmatchcase(name, pattern)]
