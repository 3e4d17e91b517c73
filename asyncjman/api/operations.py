"""What can be done with the jobs of a database: each verb of the command line, as a method."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal

from asyncjman.api.ids import check_tasks, resolve, resolve_dependencies, where_tasks
from asyncjman.errors import (
    BadSelection,
    DamagedDatabase,
    DatabaseProblem,
    JmanError,
    UnreadableJob,
    UsageError,
    first_of,
)
from asyncjman.executors.environment import task_environment
from asyncjman.executors.logs import earlier_log, log_paths
from asyncjman.model.array import ArraySpec
from asyncjman.model.graph import Dependency, Kind
from asyncjman.model.ids import Word
from asyncjman.model.job import PLAIN_TASK, Job, JobSpec, Task
from asyncjman.model.selection import Selection
from asyncjman.model.status import FINISHED, Status
from asyncjman.runtime import SYSTEM, Runtime
from asyncjman.store import jobs, schedule, tasks
from asyncjman.store.database import Database, Reader, Transaction
from asyncjman.store.opening import damaged

if TYPE_CHECKING:
    from asyncjman.api.deletion import Deleted
    from asyncjman.api.execution import Execution, Options, Output, Repair
    from asyncjman.api.failures import Failure
    from asyncjman.api.grid import Grid
    from asyncjman.api.resubmission import Outcome, Resubmission
    from asyncjman.engines.base import Preview
    from asyncjman.engines.registry import Budget
    from asyncjman.scheduler.bus import Bus
    from asyncjman.settings import Settings

ALL = Selection()
_PAGE = 500
Asks = Literal["again", "once", "briefly"]
"""How often a cluster is asked that hangs: each call waits 30 seconds for it; or the first one does, and no
other is made; or all of them together wait for ``cluster-timeout`` seconds."""


class _DryRun(Exception):
    """Ends a transaction that must not be committed."""


_OF_ODD_VALUES = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, AssertionError)
"""What ends in these is a fault of ours, or of a damaged file."""


class Operations:
    """A database of jobs, open inside ``async with``.

    ``create``: whether a database that isn't there is made; if not, it looks like an empty one.
    ``asks``: how patient it is with a cluster; ``within``: seconds for all that the cluster is asked.
    """

    def __init__(
        self,
        database: str | Path = "submitted.sql3",
        *,
        create: bool = True,
        settings: Settings | None = None,
        profile: str | None = None,
        runtime: Runtime = SYSTEM,
        asks: Asks = "again",
        within: float | None = None,
    ) -> None:
        self.path = Path(database)
        self._asks = asks
        self._within = within
        self._runtime = runtime
        self._create = create
        self._settings = settings
        self._profile = profile
        self._clusters: dict[str, Grid] = {}
        self.trouble: JmanError | None = None
        """Why a cluster did not answer, or did not take a job, when it was polled."""
        self.left_over: list[str] = []
        """What could not be removed of what a command that was killed left."""

    async def __aenter__(self) -> Operations:
        await self._open()
        try:
            await self._finish_removal()
        except BaseException:
            await self.database.close()
            raise
        return self

    async def _open(self) -> None:
        self.database = await Reader.open(self.path, create=self._create, runtime=self._runtime)

    async def _finish_removal(self) -> None:
        """Remove what a command that was killed left to be removed."""
        from asyncjman.store import removals

        if not self.is_owner or not await removals.is_pending(self.database):
            return
        from asyncjman.scheduler import removal

        with suppress(DatabaseProblem):  # a full disk
            removed = await removal.finish(self.writer())
            self.left_over = [problem for some in removed.problems.values() for problem in some]
        if not self.database.is_at_its_path:
            await self.database.close()
            await self._open()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is not None:
                await self._blame_damage(first_of(error))
        finally:
            await self.database.close()

    async def _blame_damage(self, error: BaseException) -> None:
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
        return self.database.authority.is_owner

    @property
    def only_shown(self) -> str | None:
        """Return why nothing can be done with the database but to look at it; None for one's own."""
        return self.database.authority.against

    @property
    def settings(self) -> Settings:
        """Return the settings that hold here, read when they are first needed."""
        if self._settings is None:
            from asyncjman.settings import load

            self._settings = load(Path.cwd(), profile=self._profile)
        return self._settings

    def cluster(self, name: str = "") -> Grid:
        """Return what can be done with a cluster, the one of the settings unless another is named.

        Raises NotOwner: only the owner does anything there.
        """
        name = name or self.settings.cluster
        if name not in self._clusters:
            from asyncjman.api.grid import Grid

            self._clusters[name] = Grid(self.writer(), self.settings, self.budget(), name)
        return self._clusters[name]

    def budget(self) -> Budget:
        """Return the time that what is asked of a cluster from now on may take together."""
        from asyncjman.engines.registry import Budget

        if self._within is not None:
            # what begins just before the end gets a moment
            return Budget(max(self._within, 1.0), clock=self._runtime.monotonic)
        if self._asks == "briefly":
            return Budget(self.settings.cluster_timeout, clock=self._runtime.monotonic)
        return Budget(once=self._asks == "once")

    async def refresh(self, *, local: bool = False) -> JmanError | None:
        """Look at the cluster, if anything is on it; return why it did not answer, if it didn't.

        What belongs to others is not looked for there: it is not in the lists of this user.
        """
        if not local and self.is_owner:
            for name in await schedule.clusters(self.database):
                self.trouble = (await self.cluster(name).poll()).problem or self.trouble
        return self.trouble

    async def look_up_usage(self) -> None:
        """Learn from the cluster's accounting what tasks that ended there have used."""
        from asyncjman.store import submissions

        if self.is_owner and (pending := await submissions.unaccounted(self.database)):
            engines = {job.spec.executor for job in await self.get(one.job_id for one in pending)}
            for name in engines - {"local"}:
                await self.cluster(name).look_up_usage()

    async def clusters(self) -> list[str]:
        """Return the clusters that have anything, or that something is to be sent to."""
        return await schedule.clusters(self.database)

    async def submit(
        self,
        spec: JobSpec,
        *,
        repeat: int = 1,
        dry_run: bool = False,
        on_trouble: Callable[[str], None] = lambda _: None,
    ) -> list[Job]:
        """Store a job (``repeat`` times, each waiting for the one before); return it with its id.

        A job for a cluster is sent there. Raises BadDependency where it waits for a job that isn't
        there, and NotLaunched where the cluster doesn't take it; nothing is stored then. A limit of the
        site passes: the job waits for it, and ``on_trouble`` is told so in a line.
        """
        if dry_run:
            return await self._stored_and_undone(spec, repeat)
        stored: list[Job] = []
        await self.store(spec, stored.extend, repeat=repeat)
        if spec.executor == "local":
            return stored
        if trouble := await self.cluster(spec.executor).send_new(stored):
            on_trouble(trouble)
        return await jobs.get(self.database, [job.id for job in stored])

    async def store(self, spec: JobSpec, on_stored: Callable[[list[Job]], None], *, repeat: int = 1) -> None:
        """Store a job, and send it nowhere.

        ``on_stored`` is given it as soon as it is on the disk: also where the caller is cancelled in that
        moment. Where it isn't called, nothing is stored.
        """
        from asyncjman.api.submission import store_repeated
        from asyncjman.executors import git

        database = self.writer()
        self._refuse(spec)
        commit, dirty = await git.describe(Path(spec.exec_dir))
        spec = replace(spec, git_commit=commit, git_dirty=dirty)
        tx: Transaction | None = None
        try:
            async with database.transaction() as tx:
                stored = await jobs.get(tx, await store_repeated(tx, spec, repeat, tx.runtime.time()))
        finally:
            if tx is not None and tx.committed:
                on_stored(stored)

    def _refuse(self, spec: JobSpec) -> None:
        """Raise UsageError for a job that can never run where it is to."""
        if spec.executor != "local" and (reason := self.cluster(spec.executor).engine.refuse(spec)):
            raise UsageError(reason)

    async def _stored_and_undone(self, spec: JobSpec, repeat: int) -> list[Job]:
        """Return what would be stored, with all that can be wrong with it looked for."""
        from asyncjman.api.submission import store_repeated

        with suppress(_DryRun):
            async with self.writer().transaction() as tx:
                stored = await jobs.get(tx, await store_repeated(tx, spec, repeat, tx.runtime.time()))
                raise _DryRun
        return stored

    async def preview(self, spec: JobSpec) -> Preview:
        """Return how a job would be submitted to the cluster."""
        from asyncjman.scheduler.launches import NOT_STORED

        job = Job(
            id=NOT_STORED, spec=spec, submitted_at=self._runtime.time(), counts={}, status=Status.SUBMITTED
        )
        return await self.cluster(spec.executor).preview(job)

    async def resolve_dependencies(self, wanted: Mapping[Kind, Sequence[Word]]) -> tuple[Dependency, ...]:
        """Return dependencies by job ids.

        Raises BadSelection where a word means nothing, or two jobs, BadDependency where a job is not there.
        """
        return await resolve_dependencies(self.database, self.path, wanted)

    async def jobs(self, selection: Selection = ALL) -> AsyncIterator[Job]:
        """Yield the jobs that are meant, in order of id.

        Raises BadSelection where an id isn't there.
        """
        async for job in jobs.select(self.database, await self.resolve(selection)):
            yield job

    async def get(self, job_ids: Iterable[int]) -> list[Job]:
        """Return those of these jobs that are there."""
        return await jobs.get(self.database, job_ids)

    async def latest(self, count: int) -> list[Job]:
        """Return the latest jobs, the last one first."""
        return (await jobs.get(self.database, await jobs.latest_ids(self.database, count)))[::-1]

    async def with_dependencies(self, job_ids: Iterable[int]) -> set[int]:
        """Return these jobs and all that they wait for, directly or not."""
        edges = await jobs.dependency_edges(self.database)
        found: set[int] = set()
        todo = list(job_ids)
        while todo:
            job_id = todo.pop()
            if job_id not in found:
                found.add(job_id)
                todo.extend(edges.get(job_id, ()))
        return found

    async def tasks(self, job: Job, only: Sequence[int] = ()) -> AsyncIterator[Task]:
        """Yield all tasks of a job in order of id, those that nobody has taken up included; or ``only`` some.

        What is deleted meanwhile is left out from there on.
        """
        for task_id in only:
            yield await self.task(job, task_id)
        if only:
            return
        array = job.spec.array
        pending = iter(array.sorted() if array else (PLAIN_TASK,))
        after = -1
        while True:
            async with self.database.snapshot() as view:
                now = await tasks.rest(view, job.id)
                rows = await tasks.page(view, job.id, after, _PAGE)
            if now is None:
                return
            untouched, left = now
            if array is not None and left is not None and left != str(array):
                array = ArraySpec.parse(left)
                pending = iter([task_id for task_id in array.sorted() if task_id > after])
            for task in rows:
                for task_id in pending:
                    if task_id == task.task_id:
                        break
                    yield Task(job_id=job.id, task_id=task_id, status=untouched, attempt=1)
                yield task
                after = task.task_id
            if len(rows) < _PAGE:
                break
        for task_id in pending:
            yield Task(job_id=job.id, task_id=task_id, status=untouched, attempt=1)

    async def task(self, job: Job, task_id: int) -> Task:
        """Return one task. Raises BadSelection where the job has no such task, or is no more."""
        check_tasks(job, [task_id])
        found = await tasks.get(self.database, job.id, task_id)
        if found is not None:
            return found
        now = await tasks.rest(self.database, job.id)
        if now is None:
            raise BadSelection(f"job {job.id} was deleted in this moment")
        return Task(job_id=job.id, task_id=task_id, status=now[0], attempt=1)

    def launch(self, job: Job, task: Task) -> tuple[str, tuple[str, ...], dict[str, str]]:
        """Return folder, command and environment of a task, to run it by hand."""
        own = task_environment(job.spec, job.id, task.task_id, task.attempt)
        return job.spec.exec_dir, job.spec.argv(task.task_id), {**os.environ, **own}

    async def attempt(self, task: Task, number: int) -> Task | None:
        """Return an attempt of a task by its number; None where there was none."""
        if task.attempt == number:
            return task
        earlier = await tasks.attempts(self.database, task.job_id, task.task_id)
        return next((one for one in earlier if one.attempt == number), None)

    def logs(self, job: Job, task_id: int, *, earlier: int | None = None) -> tuple[str, str] | None:
        """Return the paths of a task's output and error log, None where it writes to the terminal.

        ``earlier``: those of an attempt before the latest one.
        """
        paths = log_paths(job.spec, job.id, task_id)
        if paths is None or earlier is None:
            return paths
        return earlier_log(paths[0], earlier), earlier_log(paths[1], earlier)

    async def follow(self, selection: Selection) -> AsyncIterator[tuple[Task, int, bytes]]:
        """Yield what is written to the logs of jobs, until they ended.

        (task, 1 for output or 2 for errors, whole lines)
        """
        from asyncjman.api.following import follow

        selection = await self.resolve(selection)
        ids = [job.id for job in await self._selected(selection, ())]
        async for task, stream, lines in follow(self.database, ids):
            only = selection.tasks.get(task.job_id, ())
            if not only or task.task_id in only:
                yield task, stream, lines

    async def stop(
        self,
        selection: Selection,
        task_ids: Sequence[int] = (),
        *,
        force: bool = False,
        on_forced: Callable[[str], None] = lambda _: None,
    ) -> list[Job]:
        """Stop jobs, or some tasks of one; return those that were not finished before.

        With ``force`` also what a process runs that doesn't answer: ``on_forced`` is told what is not sure
        by that, in a line. Raises BadSelection, or EnvironmentProblem where the process that runs them, or
        the cluster, doesn't answer; the others are stopped all the same. What a cluster still lists may not
        be finished as yet.
        """
        from asyncjman.api.stopping import stop

        database = self.writer()
        selected = await self._selected(selection, task_ids)
        try:
            on_grid = await self._stop_on_grid(selected, task_ids)
        finally:
            stopped = await stop(database, selected, task_ids, force=force, on_forced=on_forced)
        return await jobs.get(self.database, [job.id for job in [*stopped, *on_grid]])

    async def unconfirmed(self, job_ids: Iterable[int], task_ids: Sequence[int] = ()) -> list[str]:
        """Return a line for each of these jobs of which a cluster still has something, or one of these tasks.

        Stopping a local job waits for its end: one that is open after it was submitted again.
        """
        lines = []
        for job in await jobs.get(self.database, job_ids):
            on_cluster = job.spec.executor != "local" and job.status not in FINISHED
            if on_cluster and await self._any_left(job, task_ids):
                grid = f" (grid {job.grid_id})" if job.grid_id else ""
                lines.append(
                    f"job {job.id}{grid} is not confirmed to be stopped: it was told to, and is still there"
                )
        return lines

    async def _any_left(self, job: Job, task_ids: Sequence[int]) -> bool:
        from asyncjman.store import submissions

        if not task_ids:
            return True
        standing = (await submissions.standings(self.database, [job.id]))[job.id]
        others_end = standing.rest in FINISHED
        return any(
            one in standing.unfinished or not (others_end or one in standing.finished) for one in task_ids
        )

    async def delete(
        self,
        selection: Selection,
        task_ids: Sequence[int] = (),
        *,
        keep_logs: bool = False,
        keep_log_dir: bool = False,
    ) -> AsyncIterator[Deleted]:
        """Delete jobs, or some tasks of one, and their logs; yield what was done, job by job."""
        from asyncjman.api.deletion import delete

        database = self.writer()
        selected = await self._selected(selection, task_ids, unreadable_too=True)
        on_grid = await self._stop_on_grid(selected, task_ids)
        left = {job.id: await self.unconfirmed([job.id], task_ids) for job in on_grid}
        async for one in delete(
            database, selected, task_ids=task_ids, keep_logs=keep_logs, keep_log_dir=keep_log_dir
        ):
            one.problems.extend(left.get(one.job.id, ()))
            yield one

    async def resubmit(
        self,
        selection: Selection,
        request: Resubmission | None = None,
        *,
        running_too: bool = False,
        where: Mapping[str, str] | None = None,
    ) -> Outcome:
        """Have tasks run again, by default those that ended without success, in one transaction.

        ``where``: only tasks with these parameters; ``running_too``: what runs is stopped first.
        """
        from asyncjman.api.resubmission import Resubmission, as_they_stand, resubmit, send_again

        database = self.writer()
        request = request or Resubmission()
        if request.to is not None:
            from asyncjman.engines.registry import check

            check(request.to)
        selection = await self.resolve(selection)
        selected = await self._selected(selection, ())
        tasks = selection.tasks
        if where:
            selected, task_ids = where_tasks(selected, where)
            tasks = {selected[0].id: task_ids}
        request = replace(request, tasks=tasks)
        if running_too:
            ids = tuple(range(job.id, job.id + 1) for job in selected)
            for part, some in Selection(ids=ids, tasks=tasks).parts():
                await self.stop(part, some)
        if request.to is not None:
            on_cluster = request.to != "local"
            queue, log_dir = (self.settings.queue, self.settings.log_dir) if on_cluster else ("local", None)
            request = replace(request, queue=queue, log_dir=log_dir)
        outcome = await resubmit(database, selected, request, self._refuse)
        trouble = await send_again(database, self.cluster, outcome.done)
        outcome.done = await as_they_stand(database, outcome.done)
        if trouble and outcome.done:
            outcome.done[-1].problems.append(trouble)
        return outcome

    async def wait(
        self,
        selection: Selection,
        timeout: float | None = None,
        on_trouble: Callable[[str], None] = lambda _: None,
    ) -> list[Job]:
        """Wait until the jobs ended; return them. Raises TimeoutError after ``timeout`` seconds.

        ``on_trouble`` is told, in a line, of what somebody may have to do meanwhile.
        """
        from asyncjman.scheduler.waits import until_finished

        selected = await self._selected(selection, ())
        unfinished = [job.id for job in selected if job.status not in FINISHED]
        waiting: Awaitable[None] = until_finished(self.database, unfinished, timeout)
        clusters = await schedule.clusters(self.database) if self.is_owner else []
        if clusters:
            from asyncjman.api.grid import in_error

            for job in selected:
                if job.note == "error":
                    on_trouble(in_error(job.id))
        for name in clusters:
            waiting = self.cluster(name).following(waiting, on_trouble)
        await waiting
        return await jobs.get(self.database, [job.id for job in selected])

    async def failures(self, selected: Iterable[Job]) -> list[Failure]:
        """Return what to show of the first tasks of these jobs that failed."""
        from asyncjman.api.failures import first_failures

        return await first_failures(self.database, [job.id for job in selected])

    def execution(
        self,
        options: Options,
        *,
        output: Output | None = None,
        on_repair: Callable[[Repair], None] = lambda _: None,
        on_lost: Callable[[Sequence[tuple[int, int]]], None] = lambda _: None,
        on_trouble: Callable[[str], None] = lambda _: None,
        bus: Bus | None = None,
    ) -> Execution:
        """Make an execution of the local jobs: to subscribe to, and then to run.

        ``on_repair`` is told of runners that were killed, ``on_lost`` of tasks that others took from it,
        ``on_trouble``, in a line, of a cluster that does not answer while local jobs wait for jobs there.
        Raises NotOwner.
        """
        from asyncjman.api.execution import Execution

        async def follow(until: Callable[[], Awaitable[None]]) -> None:
            try:
                waiting = until()
                for name in await self.clusters():
                    waiting = self.cluster(name).following(waiting, on_trouble)
                await waiting
            except JmanError as error:  # no cluster here: another jman may follow it
                on_trouble(str(error))
                await until()

        return Execution(
            self.writer(),
            options,
            output=output,
            on_repair=on_repair,
            on_lost=on_lost,
            bus=bus,
            follow=follow,
        )

    async def killed(self) -> list[Repair]:
        """Return which processes that ran local jobs were killed since somebody looked last, and of which
        that can't be known.

        The tasks of those that are dead are released, unless processes of theirs live on.
        """
        if not self.is_owner or not await schedule.has_runner(self.database):
            return []
        from asyncjman.api.recovery import repair

        with suppress(DatabaseProblem):  # a full disk
            return await repair(self.writer(), end=False)
        return []

    async def has_runner(self) -> bool:
        """Tell whether some process runs local jobs of this database now, or may do so."""
        if not await schedule.has_runner(self.database):
            return False
        from asyncjman.scheduler.liveness import Life
        from asyncjman.scheduler.reconcile import lives

        return any(life is not Life.DEAD for life in (await lives(self.database)).values())

    async def _selected(
        self, selection: Selection, task_ids: Sequence[int], *, unreadable_too: bool = False
    ) -> list[Job]:
        meant = await self.resolve(selection)
        selected = [job async for job in jobs.select(self.database, meant, unreadable_too=unreadable_too)]
        for job in selected:
            if task_ids:
                check_tasks(job, task_ids)
        return selected

    async def _stop_on_grid(self, selected: Sequence[Job], task_ids: Sequence[int]) -> list[Job]:
        """Stop those of the jobs that are on a cluster; return them."""
        on_grid = [job for job in selected if job.spec.executor != "local" and job.status not in FINISHED]
        for name in sorted({job.spec.executor for job in on_grid}):
            await self.cluster(name).stop([job for job in on_grid if job.spec.executor == name], task_ids)
        return on_grid

    async def resolve(self, selection: Selection, task_ids: Sequence[int] = ()) -> Selection:
        """Return the selection by ids of jobs and tasks alone; ``task_ids`` are of the one job that is named.

        Raises BadSelection where a word matches nothing, means two jobs, or a task that is not there.
        """
        return await resolve(self.database, self.path, selection, task_ids)

    async def last_seen(self) -> float | None:
        """Return when the cluster last answered, in seconds since 1970."""
        from asyncjman.store import submissions

        return await submissions.last_seen(self.database)
