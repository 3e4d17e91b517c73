"""What is done with jobs by name: the commands of ``jman`` that change something."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from asyncjman.api.checks import id_of, task_ids_of
from asyncjman.api.reader import JobReader
from asyncjman.errors import JmanError
from asyncjman.model.job import LOCAL, Job, JobSpec
from asyncjman.model.selection import Selection, ranges_of
from asyncjman.model.status import FINISHED, Status

if TYPE_CHECKING:
    from asyncjman.api.deletion import Deleted
    from asyncjman.api.earlier import HasId
    from asyncjman.api.handle import JobHandle
    from asyncjman.api.progress_reader import ProgressReader
    from asyncjman.api.resubmission import Outcome
    from asyncjman.api.resubmission_request import Resubmission
    from asyncjman.api.run_progress import RunProgress
    from asyncjman.api.running import Options, Recovery, Runner, TaskOutput
    from asyncjman.engines.base import Preview
    from asyncjman.model.graph import Kind
    from asyncjman.model.ids import Word
    from asyncjman.store.runners import Runner as Execute


class JobCommands(JobReader):
    """Stores, sends, runs, stops and deletes jobs of an open database."""

    async def submit_spec(
        self,
        spec: JobSpec,
        after: Mapping[Kind, Sequence[Word]],
        *,
        repeat: int = 1,
        dry_run: bool = False,
        on_trouble: Callable[[str], None] = lambda _: None,
    ) -> list[Job]:
        """Store a job (``repeat`` times, each waiting for the one before), and send it to its engine.

        ``after`` names jobs that it waits for; with ``dry_run`` nothing is stored. Raises BadDependency where
        one isn't there, and NotLaunched where the cluster doesn't take it; nothing is stored then. A limit of
        the site passes: the job waits for it, and ``on_trouble`` is told so in a line.
        """
        from asyncjman.api.submission import store, would_store

        database = self.session.writer()
        self.session.refuse(spec)
        spec = await self._waiting(spec, after)
        if dry_run:
            return await would_store(database, spec, repeat=repeat)
        stored: list[Job] = []
        await store(database, spec, stored.extend, repeat=repeat)
        if spec.engine == LOCAL:
            return stored
        from asyncjman.scheduler.sending import send_new

        if trouble := await send_new(database, self.session.engine(spec.engine), stored):
            on_trouble(trouble)
        return await self.read(job.id for job in stored)

    async def preview(self, spec: JobSpec, after: Mapping[Kind, Sequence[Word]]) -> Preview:
        """Return how a job would be submitted to a cluster. Raises JmanError where it can't be."""
        from asyncjman.scheduler.launches import preview

        database = self.session.writer()
        engine = self.session.engine(spec.engine)
        return await preview(database, engine, await self._waiting(spec, after))

    async def _waiting(self, spec: JobSpec, after: Mapping[Kind, Sequence[Word]]) -> JobSpec:
        if not after:
            return spec
        from asyncjman.api.ids import resolve_dependencies

        waits = await resolve_dependencies(self.session.database, self.path, after)
        return replace(spec, dependencies=(*spec.dependencies, *waits))

    async def wait_for(
        self,
        selection: Selection,
        timeout: float | None = None,
        on_trouble: Callable[[str], None] = lambda _: None,
    ) -> list[Job]:
        """Wait until the jobs that are meant ended, of some only the tasks that are named; return the jobs.

        Raises TimeoutError after ``timeout`` seconds. ``on_trouble`` is told, in a line, of what somebody
        may have to do meanwhile.
        """
        return await self.read(await self.wait_for_ids(selection, timeout, on_trouble))

    async def wait_for_ids(
        self, selection: Selection, timeout: float | None, on_trouble: Callable[[str], None]
    ) -> list[int]:
        """Do as ``wait_for``, and return the ids alone: there may be very many."""
        from asyncjman.scheduler.waits import until_finished, until_tasks_finished

        meant = await self.resolve(selection)
        selected, whole, in_error = list[int](), list[int](), list[int]()
        only: dict[int, Sequence[int]] = {}
        async for job in self.select(meant):
            selected.append(job.id)
            if job.engine_state == "error":
                in_error.append(job.id)
            if job.status not in FINISHED and job.id in meant.tasks:
                only[job.id] = meant.tasks[job.id]
            elif job.status not in FINISHED:
                whole.append(job.id)

        async def until_both_ended() -> None:
            async with asyncio.timeout(timeout):
                await until_finished(self.session.database, whole)
                await until_tasks_finished(self.session.database, only)

        waiting: Awaitable[None] = until_both_ended()
        if self.is_owner:
            from asyncjman.scheduler.poller import in_error as words

            for job_id in in_error:
                on_trouble(words(job_id))
            waiting = self.session.poller().during(waiting, on_trouble)
        await waiting
        return selected

    def runner(
        self,
        options: Options,
        *,
        output: TaskOutput | None = None,
        on_recovery: Callable[[Recovery], None] = lambda _: None,
        on_lost: Callable[[Sequence[tuple[int, int]]], None] = lambda _: None,
        on_trouble: Callable[[str], None] = lambda _: None,
        on_asked: Callable[[], None] = lambda: None,
    ) -> Runner:
        """Return what runs all local jobs once: to subscribe to, and then to run. Raises NotOwner."""
        from asyncjman.api.running import make_runner

        return make_runner(
            self.session,
            options,
            task_output=output,
            on_recovery=on_recovery,
            on_lost=on_lost,
            on_trouble=on_trouble,
            on_asked=on_asked,
        )

    async def executes(self) -> list[Execute]:
        """Return the `jman execute` that run local jobs of this database now."""
        from asyncjman.store import errands

        if not await errands.has_runner(self.session.database):
            return []
        from asyncjman.api import executes

        return await executes.running(self.session.database)

    async def set_parallel(self, pid: int | None, parallel: int) -> Execute:
        """Have a running `jman execute` run so many tasks at once; return it as it was.

        ``pid`` names it where several run. Raises UsageError where it isn't clear which one is meant.
        """
        from asyncjman.api import executes

        return await executes.set_parallel(self.session.writer(), pid, parallel)

    async def stop_execute(self, pid: int | None) -> Execute:
        """Have a running `jman execute` end as Ctrl-C would, and wait for that; return it as it was.

        Raises UsageError where it isn't clear which one is meant, EnvironmentProblem where it does not end.
        """
        from asyncjman.api import executes

        return await executes.stop(self.session.writer(), pid)

    async def progress_of_run(self, only: Collection[int] | None) -> RunProgress:
        """Return what reads how far an execute is, or several side by side; ``only``: of these jobs."""
        from asyncjman.api.run_progress import RunProgress

        return await RunProgress.begin(self.session.database, only)

    async def progress_of_all(self, selection: Selection) -> ProgressReader:
        """Return what reads how far all jobs are that are meant, and what of them failed."""
        from asyncjman.api.progress_reader import ProgressReader
        from asyncjman.store.progress import Scope

        if selection.is_all:
            scope = Scope(engine=selection.engine)
        else:
            scope = Scope(ids=[job.id for job in await self.chosen(selection)])
        return ProgressReader(self.session.database, scope, failures_since=0.0)

    async def during_polls(self, work: Awaitable[None], on_trouble: Callable[[str], None]) -> None:
        """Await ``work`` while clusters that have open jobs are polled, where the database is one's own."""
        if not self.is_owner:
            return await work
        try:
            return await self.session.poller().during(work, on_trouble)
        except JmanError as error:
            on_trouble(str(error))  # no such cluster here: what is stored is shown
            return await work

    async def progress_of_wait(self, selection: Selection) -> ProgressReader:
        """Return what reads how far the jobs are that somebody waits for, and what fails meanwhile."""
        from asyncjman.api.progress_reader import ProgressReader
        from asyncjman.api.run_progress import begun
        from asyncjman.store.progress import Scope

        database = self.session.database
        if selection.is_all:
            scope = Scope(since=await begun(database))
        else:
            scope = Scope(ids=sorted(job.id for job in await self.chosen(selection)))
        return ProgressReader(database, scope, failures_since=database.runtime.time())

    async def stop(
        self,
        which: JobHandle | Selection,
        task_ids: Sequence[int] = (),
        *,
        force: bool = False,
        on_forced: Callable[[str], None] = lambda _: None,
    ) -> list[Job]:
        """Stop jobs, or some tasks of one; returns when they have ended, with those that had not before.

        With ``force`` also what a process runs that doesn't answer: ``on_forced`` is told what is not sure
        by that, in a line. Raises BadSelection, or EnvironmentProblem where the process that runs them, or
        the cluster, doesn't answer; the others are stopped all the same. What a cluster still lists may not
        be finished as yet.
        """
        task_ids = task_ids_of(task_ids)
        had = await self.stop_ids(selection_of(which), task_ids, force=force, on_forced=on_forced)
        stopped = await self.read(had)
        if not isinstance(which, Selection):
            await which.refresh()
        return stopped

    async def stop_ids(
        self,
        selection: Selection,
        task_ids: Sequence[int] = (),
        *,
        force: bool = False,
        on_forced: Callable[[str], None] = lambda _: None,
    ) -> list[int]:
        """Do as ``stop``, and return the ids alone: there may be very many."""
        from asyncjman.scheduler.stopping import stop

        database = self.session.writer()
        had = await self.ids(selection, task_ids, unfinished=True)
        elsewhere = await self.read(job_id for job_id, engine in had if engine != LOCAL)
        here = [job_id for job_id, engine in had if engine == LOCAL]
        engine_of = self.session.engine
        await stop(database, engine_of, here, elsewhere, task_ids, force=force, on_forced=on_forced)
        return [job_id for job_id, _ in had]

    async def run_again(
        self,
        selection: Selection,
        request: Resubmission,
        *,
        running_too: bool = False,
        where: Mapping[str, str] | None = None,
    ) -> Outcome:
        """Have tasks run once more, in one transaction (of very many jobs in several, the first jobs first),
        and send them where they are to run.

        ``where``: only tasks with these parameters; ``running_too``: what runs is stopped first. Raises
        UsageError where it makes no sense; nothing is changed then.
        """
        from asyncjman.api.resubmission import Outcome

        whole = Outcome()
        async for part in self.running_again(selection, request, running_too=running_too, where=where):
            whole.add(part)
        return whole

    async def running_again(
        self,
        selection: Selection,
        request: Resubmission,
        *,
        running_too: bool = False,
        where: Mapping[str, str] | None = None,
    ) -> AsyncIterator[Outcome]:
        """Do as ``run_again``, and yield what came of each transaction: there may be very many jobs."""
        from asyncjman.api.resubmission import as_they_stand, refuse_before_stop, resubmit
        from asyncjman.scheduler.sending import send_again

        database = self.session.writer()
        job_ids, request = await self._to_run_again(selection, request, where or {})
        held = dict[int, Status]()
        if running_too:
            await refuse_before_stop(self.session, job_ids, request)
            held = await self._stop_first(job_ids, request.tasks)
        async for outcome in resubmit(self.session, job_ids, request, held):
            trouble = await send_again(database, self.session.engine, [one.job for one in outcome.done])
            outcome.done = await as_they_stand(database, outcome.done)
            if trouble and outcome.done:
                outcome.done[-1].problems.append(trouble)
            yield outcome

    async def _stop_first(
        self, job_ids: Sequence[int], only: Mapping[int, Sequence[int]]
    ) -> dict[int, Status]:
        """Stop what runs of jobs that are to run again; return what waits for them, and is held back."""
        from asyncjman.scheduler.stopping_first import stop_first

        held = dict[int, Status]()
        meant = Selection(ids=ranges_of(job_ids), tasks=only)
        for part, task_ids in meant.parts() if job_ids else ():
            had = await self.ids(part, task_ids, unfinished=True)
            elsewhere = await self.read(job_id for job_id, engine in had if engine != LOCAL)
            here = [job_id for job_id, engine in had if engine == LOCAL]
            held |= await stop_first(self.session.writer(), self.session.engine, here, elsewhere, task_ids)
        return held

    async def _to_run_again(
        self, selection: Selection, request: Resubmission, where: Mapping[str, str]
    ) -> tuple[list[int], Resubmission]:
        """Return the jobs that are meant, and the request for those of their tasks that are."""
        from asyncjman.api.resubmission_request import matching, narrowed

        selection = await self.resolve(selection)
        some: Sequence[Job] = await self.chosen(selection) if where or request.wanted else []
        some, request = narrowed(some, selection, request, where)
        if request.wanted:
            some, request = await matching(self.session.writer(), some, request)
        if where or request.wanted:
            return [job.id for job in some], request
        return [job_id for job_id, _ in await self.ids(selection)], request

    async def delete(
        self,
        which: JobHandle | int | Selection,
        task_ids: Sequence[int] = (),
        *,
        keep_logs: bool = False,
        keep_log_dir: bool = False,
    ) -> list[Deleted]:
        """Delete jobs, or some tasks of one, and their logs and values, after what runs was stopped.

        The database goes with its last job. Raises BadSelection, or EnvironmentProblem where something can't
        be stopped: nothing is deleted then.
        """
        found = self.deleting(selection_of(which), task_ids, keep_logs=keep_logs, keep_log_dir=keep_log_dir)
        return sorted([one async for one in found], key=lambda one: one.job.id)

    async def deleting(
        self,
        selection: Selection,
        task_ids: Sequence[int] = (),
        *,
        keep_logs: bool = False,
        keep_log_dir: bool = False,
    ) -> AsyncIterator[Deleted]:
        """Do as ``delete``, and yield what was deleted: there may be very many jobs."""
        from asyncjman.api.deletion import Kept, delete

        database = self.session.writer()
        chosen = await self.ids(selection, task_ids)
        kept = Kept(logs=keep_logs, log_dir=keep_log_dir)
        async for one in delete(database, self.session.engine, chosen, task_ids=task_ids, kept=kept):
            yield one

    async def poll(self) -> JmanError | None:
        """Ask each cluster that has open jobs once, and store it; return why one did not answer.

        Of another user's database nothing is asked.
        """
        return await self.session.poll()

    async def look_up_usage(self) -> None:
        """Learn from the clusters' accounting what tasks that ended there have used."""
        await self.session.look_up_usage()

    async def killed(self) -> list[Recovery]:
        """Return which processes that ran local jobs were killed since somebody looked last."""
        from asyncjman.store import errands

        if not self.is_owner or not await errands.has_runner(self.session.database):
            return []
        from asyncjman.api.runners import killed

        return await killed(self.session)


def selection_of(which: HasId | int | Selection) -> Selection:
    """Return what means a job that is given by its handle, or by its id."""
    return which if isinstance(which, Selection) else Selection(ids=ranges_of([id_of(which)]))
