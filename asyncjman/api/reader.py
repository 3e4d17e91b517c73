"""All that can be seen of the jobs of a database: verbs that change nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import replace

from asyncjman.model.job import Job, Task
from asyncjman.model.selection import Selection, TaskFilter, ranges_of
from asyncjman.model.status import FINISHED, Status
from asyncjman.store import jobs

TYPE_CHECKING = False  # the typing module is not loaded for it
if TYPE_CHECKING:
    from pathlib import Path

    from asyncjman.api.doctor import Finding
    from asyncjman.api.failures import Example, Group
    from asyncjman.api.reporting import Reportable
    from asyncjman.api.session import Session
    from asyncjman.api.summary import Totals as LocalTotals
    from asyncjman.api.summary import Unsuccessful
    from asyncjman.store.source import Source

ALL = Selection()


class JobReader:
    """Looks at the jobs of an open database."""

    session: Session

    @property
    def path(self) -> Path:
        """Return the path of the database."""
        return self.session.path

    @property
    def source(self) -> Source:
        """Return what jobs and tasks are read from."""
        return self.session.database

    @property
    def is_owner(self) -> bool:
        """Tell whether the database is this user's: of others' nothing is run, sent, stopped or deleted."""
        return self.session.is_owner

    def require_owner(self) -> None:
        """Raise NotOwner, with what to do, where the database can only be looked at."""
        self.session.writer()

    @property
    def only_shown(self) -> str | None:
        """Return why nothing can be done with the database but to look at it; None for one's own."""
        return self.session.database.authority.against

    @property
    def left_over(self) -> list[str]:
        """Return what could not be removed of what a command that was killed left, a line each."""
        return self.session.left_over

    async def resolve(self, selection: Selection, task_ids: Sequence[int] = ()) -> Selection:
        """Return the selection by ids of jobs and tasks alone; ``task_ids`` are of the one job that is named.

        Raises BadSelection where a word matches nothing, means two jobs, or a task that is not there.
        """
        if selection.is_resolved and not task_ids:
            return selection
        from asyncjman.api.ids import resolve

        return await resolve(self.source, self.path, selection, task_ids)

    async def narrowed(
        self,
        selection: Selection,
        where: Mapping[str, str],
        task_ids: Sequence[int] = (),
        *,
        failure: str | None = None,
    ) -> Selection:
        """Return the selection by ids alone, and of sweeps only the tasks with these parameters.

        ``failure``: the id of a group of failures, only its tasks. Raises BadSelection as ``resolve``, and
        where no task is meant.
        """
        found = await self.resolve(selection, task_ids)
        if failure is not None:
            from asyncjman.api.failures import narrowed

            found = await narrowed(self.session.database, failure, found)
        if not where:
            return found
        from asyncjman.api.ids import where_tasks

        jobs_of = [job async for job in jobs.select(self.source, found)]
        tasks_of = where_tasks(jobs_of, where)
        for job_id, only in found.tasks.items():
            if job_id in tasks_of:
                tasks_of[job_id] = [one for one in tasks_of[job_id] if one in only]
        return replace(found, ids=ranges_of(tasks_of), tasks=tasks_of)

    async def select(self, selection: Selection = ALL) -> AsyncIterator[Job]:
        """Yield the jobs that are meant, in order of id.

        Raises BadSelection where an id isn't there.
        """
        async for job in jobs.select(self.source, await self.resolve(selection)):
            yield job

    async def pages(self, selection: Selection, count: int) -> AsyncIterator[list[Job]]:
        """Yield the jobs that are meant, so many at a time: there may be too many for the memory."""
        page: list[Job] = []
        async for job in self.select(selection):
            page.append(job)
            if len(page) == count:
                yield page
                page = []
        if page:
            yield page

    async def chosen(
        self, selection: Selection, task_ids: Sequence[int] = (), *, unreadable_too: bool = False
    ) -> list[Job]:
        """Return the jobs that are meant. Raises BadSelection where one has no such tasks."""
        meant = await self.resolve(selection)
        database = self.session.database
        selected = [job async for job in jobs.select(database, meant, unreadable_too=unreadable_too)]
        if task_ids:
            from asyncjman.api.ids import check_tasks

            for job in selected:
                check_tasks(job, task_ids)
        return selected

    async def ids(
        self, selection: Selection, task_ids: Sequence[int] = (), *, unfinished: bool = False
    ) -> list[tuple[int, str]]:
        """Return (id, engine) of the jobs that are meant: there may be too many to read them all at once.

        ``unfinished``: only of those that have not ended. Raises BadSelection where one has no such tasks.
        """
        if task_ids or selection.statuses or selection.having:
            chosen = await self.chosen(selection, task_ids, unreadable_too=True)
            ended = FINISHED if unfinished else ()
            return [(job.id, job.spec.engine) for job in chosen if job.status not in ended]
        meant = await self.resolve(selection)
        return await jobs.with_engines(self.session.database, meant, unfinished=unfinished)

    async def read(self, job_ids: Iterable[int]) -> list[Job]:
        """Return those of these jobs that are there."""
        return await jobs.get(self.source, job_ids)

    def tasks(
        self, job: Job, only: Sequence[int] = (), wanted: TaskFilter | None = None
    ) -> AsyncIterator[Task]:
        """Yield all tasks of a job in order of id, or ``only`` some, or those that are wanted.

        Raises BadSelection for ids that the job has not.
        """
        from asyncjman.api import tasks

        return tasks.select(self.source, job, only, wanted)

    def reportable(self) -> Reportable:
        """Return what finds the tasks of jobs that have something to report."""
        from asyncjman.api.reporting import Reportable

        return Reportable(self.session.database)

    async def task(self, job: Job, task_id: int) -> Task:
        """Return one task. Raises BadSelection where the job has no such task, or is no more."""
        from asyncjman.api import tasks

        return await tasks.get(self.session.database, job, task_id)

    async def attempt(self, task: Task, number: int) -> Task | None:
        """Return an attempt of a task by its number; None where there was none."""
        from asyncjman.api import tasks

        return await tasks.attempt(self.session.database, task, number)

    def logs(self, job: Job, task_id: int, *, earlier: int | None = None) -> tuple[str, str] | None:
        """Return the paths of a task's output and error log, None where it writes to the terminal.

        ``earlier``: those of an attempt before the latest one.
        """
        from asyncjman.api.logfiles import logs

        return logs(job, task_id, earlier=earlier)

    async def kept(self, task: Task) -> bytes:
        """Return the end of what an attempt that failed wrote to standard error, 4 KiB at most."""
        from asyncjman.store.failures import errors_of

        if task.status is not Status.FAILURE:
            return b""
        return await errors_of(self.session.database, task.job_id, task.task_id, task.attempt)

    async def follow(self, selection: Selection) -> AsyncIterator[tuple[Task, int, bytes]]:
        """Yield what is written to the logs of jobs, until they ended.

        (task, 1 for output or 2 for errors, whole lines)
        """
        from asyncjman.api.following import follow

        selection = await self.resolve(selection)
        ids = [job.id for job in await self.chosen(selection)]
        async for task, stream, lines in follow(self.session.database, ids):
            only = selection.tasks.get(task.job_id, ())
            if not only or task.task_id in only:
                yield task, stream, lines

    async def failures(
        self, job_ids: Iterable[int] | None = None, only: Mapping[int, Sequence[int]] | None = None
    ) -> list[Group]:
        """Return the failures of jobs (None: of all) by their causes, the largest group first.

        ``only``: of these jobs, by id, these tasks alone.
        """
        from asyncjman.api.failures import groups

        return await groups(self.session.database, job_ids, only)

    async def failure_examples(self, some: Sequence[Group]) -> list[tuple[Group, Example | None]]:
        """Return groups of failures, each with one of its tasks."""
        from asyncjman.api.failures import examples

        found = await examples(self.session.database, some)
        return list(zip(some, found, strict=True))

    async def totals(self, only: Iterable[int] | None, since: float = 0.0) -> LocalTotals:
        """Return how the tasks of local jobs are (of ``only`` these) that were open at a moment, or are."""
        from asyncjman.api.summary import totals

        return await totals(self.session.database, only, since)

    async def not_succeeded(self, only: Iterable[int] | None) -> list[Unsuccessful]:
        """Return the local jobs (of ``only`` these) that are not successes now."""
        from asyncjman.api.summary import not_succeeded

        return await not_succeeded(self.session.database, only)

    async def unconfirmed(self, job_ids: Iterable[int], task_ids: Sequence[int] = ()) -> list[str]:
        """Return a line for each of these jobs of which a cluster still has something, or such a task."""
        from asyncjman.scheduler.stopping import unconfirmed

        return await unconfirmed(self.session.database, job_ids, task_ids)

    async def why(
        self, selected: Sequence[Job], selection: Selection, wanted: TaskFilter | None = None
    ) -> AsyncIterator[tuple[Job, list[str]]]:
        """Yield for each job the lines that say why it is as it is; ``selection`` may name tasks.

        ``wanted``: of tasks that ended only such, and only jobs that have some.
        """
        from asyncjman.api.evidence import gather
        from asyncjman.api.why import explain

        evidence = await gather(self.session, selected)
        for job in selected:
            lines = await explain(self.session, job, evidence, selection.tasks.get(job.id, ()), wanted)
            if lines or not wanted:
                yield job, lines

    def doctor(self) -> AsyncIterator[Finding]:
        """Yield what was found of all that is needed here."""
        from asyncjman.api.doctor import examine

        return examine(self.session)

    async def last_contact(self) -> float | None:
        """Return when a cluster last answered, in seconds since 1970; None: never."""
        from asyncjman.store import submissions

        return await submissions.last_contact(self.session.database)

    async def has_runner(self) -> bool:
        """Tell whether some process runs local jobs of this database now, or may do so."""
        from asyncjman.api.runners import has_runner

        return await has_runner(self.session.database)
