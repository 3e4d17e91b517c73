"""The engine: takes tasks up, dependencies first, and runs them on an executor, so many at a time.

A task goes: claimed in the database, so that nobody else starts it; its job's dependencies awaited;
a slot awaited; started; its end observed; recorded. Claims and records go to the disk in group
commits; so that short tasks never wait for one, tasks are claimed a moment ahead.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import anyio

from asyncjman.errors import first_of
from asyncjman.executors.base import Executor, Observation, Work
from asyncjman.executors.environment import task_environment
from asyncjman.executors.logs import log_paths
from asyncjman.model.job import Task
from asyncjman.model.selection import format_ids
from asyncjman.model.status import Status
from asyncjman.scheduler.bus import Bus
from asyncjman.scheduler.feed import Feed
from asyncjman.scheduler.reconcile import Repair, repair, this_process
from asyncjman.scheduler.recorder import Recorder
from asyncjman.scheduler.workload import JobState, Workload
from asyncjman.store import jobs, runners, schedule, tasks
from asyncjman.store.database import Database
from asyncjman.store.schedule import Outline
from asyncjman.store.tasks import Claim

POLL_SECONDS = 0.2
REPAIR_SECONDS = 2.0
EXIT_NOT_STARTED = 127  # what a shell says of a command that it can't start
HOST = socket.gethostname()


@dataclass(frozen=True, slots=True)
class Options:
    """How an engine runs."""

    parallel: int = 1
    nice: int = 0
    log_files: bool = True
    only: frozenset[int] | None = None
    """The jobs to run; None: all."""
    keep_running: bool = False
    """Whether to wait for new jobs when none is left."""


class Engine:
    """Runs the jobs of one database that belong to one executor."""

    def __init__(
        self,
        database: Database,
        executor: Executor,
        *,
        token: str,
        options: Options,
        bus: Bus,
        executor_name: str = "local",
        on_repair: Callable[[Repair], None] = lambda repair: None,
    ) -> None:
        self._database = database
        self._executor = executor
        self._executor_name = executor_name
        self._token = token
        self._options = options
        self._on_repair = on_repair
        self._names: dict[int, str] = {}
        self._recorder = Recorder(database, bus, self._names, self._on_closed)
        self._workload = Workload(self._recorder)
        self._feed = Feed(database, self._workload, self._recorder, self._names)
        self._slots = asyncio.Semaphore(options.parallel)
        self._running: dict[tuple[int, int], str] = {}
        self._ends: dict[str, asyncio.Future[Observation]] = {}
        self._asked_to_stop: set[tuple[int, int]] = set()
        self._gates: set[asyncio.Future[bool]] = set()
        self._stale: list[int] = []
        self._stopping = False
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Run until nothing is left that this engine can run, or until it is stopped.

        Cancelled, it stops what runs, stores that, and is cancelled then.
        """
        work = asyncio.ensure_future(self._run_all())
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            with anyio.CancelScope(shield=True):
                await self.stop()
                await asyncio.wait([work])
            work.exception()
            raise
        except BaseExceptionGroup as group:
            raise first_of(group) from group

    async def _run_all(self) -> None:
        await self._repair()
        host, pid, started = this_process()
        async with self._database.transaction() as tx:
            self._runner = await runners.insert(
                tx, token=self._token, host=host, pid=pid, process_started=started, now=time.time()
            )
        await self._executor.open()
        try:
            async with anyio.create_task_group() as services:
                services.start_soon(self._recorder.run)
                services.start_soon(self._observe)
                services.start_soon(self._listen)
                try:
                    self._revision = await jobs.latest_revision(self._database)
                    await self._load(await schedule.open_jobs(self._database))
                    # asyncio's own: half the cost of anyio's, and there is one task in it per task
                    async with asyncio.TaskGroup() as running:
                        await self._take_up_tasks(running)
                finally:
                    services.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await self._close()

    async def stop(self, *, kill: bool = False) -> None:
        """Start nothing more, end what runs (recorded as stopped), and let ``run`` return."""
        self._stopping = True
        self._wake.set()
        for gate in self._gates:
            if not gate.done():
                gate.set_result(False)
        self._asked_to_stop.update(self._running)
        await self._executor.cancel(list(self._running.values()), kill=kill)

    @property
    def running(self) -> int:
        """Return how many tasks run now."""
        return len(self._running)

    @property
    def left(self) -> int:
        """Return how many tasks haven't ended, of all the jobs that this engine may run."""
        return sum(job.left for job in self._workload.jobs.values())

    def blocked(self) -> dict[int, list[int]]:
        """Return the jobs that could not run, each with the unfinished jobs that it waits for."""
        return {job.id: sorted(job.undecided) for job in self._workload.jobs.values() if job.undecided}

    async def _close(self) -> None:
        """Leave no process and no claim behind."""
        await self._executor.cancel(list(self._running.values()))
        await self._executor.close()
        await self._recorder.flush()
        async with self._database.transaction() as tx:
            await runners.give_back(tx, self._runner, "the jman that ran it ended", time.time())
            await runners.delete(tx, self._runner)

    async def _repair(self) -> None:
        for one in await repair(self._database):
            self._on_repair(one)

    # -- taking up and running ---------------------------------------------------------------------

    async def _take_up_tasks(self, running: asyncio.TaskGroup) -> None:
        while not self._stopping:
            self._wake.clear()
            free = self._options.parallel - len(self._running)
            for job, claim in await self._feed.claim(self._runner, free):
                running.create_task(self._run_task(job, claim))
            if self._feed.wants_more:
                continue
            if not self._feed.held and not self._running and await self._is_over():
                break
            if not self._stopping:
                await self._wake.wait()

    async def _run_task(self, job: JobState, claim: Claim) -> None:
        """Carry one task from its claim to its end."""
        key = (claim.job_id, claim.task_id)
        if job.undecided and not await self._may_go(job):
            self._feed.dropped()
            if self._stopping:
                self._release(job, claim)
            else:
                self._end(job, claim, Status.SKIPPED, reason=f"because of {_waited_for(job)}")
            return
        async with self._slots:
            self._feed.dropped()
            if self._stopping:
                self._release(job, claim)
            elif key in self._asked_to_stop:
                self._end(job, claim, Status.STOPPED, reason="stopped")
            else:
                await self._run(job, claim)
        self._asked_to_stop.discard(key)

    async def _may_go(self, job: JobState) -> bool:
        """Await the dependencies of a job that was taken up ahead of time."""
        if job.gate is None:
            job.gate = asyncio.get_running_loop().create_future()
            self._gates.add(job.gate)
            job.gate.add_done_callback(self._gates.discard)
        self._feed.waiting += 1
        try:
            # a job's tasks share the gate: one that is cancelled must not cancel it for the others
            return await asyncio.shield(job.gate)
        finally:
            self._feed.waiting -= 1

    async def _run(self, job: JobState, claim: Claim) -> None:
        started = time.time()
        try:
            native_id = await self._executor.submit(self._work(job, claim))
        except OSError as error:
            reason = error.strerror or str(error)
            self._end(
                job, claim, Status.FAILURE, reason=reason, started=started, exit_status=EXIT_NOT_STARTED
            )
            return
        key = (claim.job_id, claim.task_id)
        self._feed.started()
        self._running[key] = native_id
        end = self._ends[native_id] = asyncio.get_running_loop().create_future()
        self._recorder.task_started(_task(claim, Status.EXECUTING, started=started), int(native_id))
        seen = await end
        del self._running[key]
        if key in self._asked_to_stop:
            self._end(job, claim, Status.STOPPED, reason="stopped", started=started, seen=seen)
        else:
            self._end(job, claim, seen.status, reason=seen.reason, started=started, seen=seen)

    def _work(self, job: JobState, claim: Claim) -> Work:
        spec = job.spec
        assert spec is not None
        logs = log_paths(spec, claim.job_id, claim.task_id) if self._options.log_files else None
        return Work(
            job_id=claim.job_id,
            task_id=claim.task_id,
            attempt=claim.attempt,
            argv=spec.argv,
            exec_dir=spec.exec_dir,
            environment=task_environment(spec, claim.job_id, claim.task_id, claim.attempt),
            stdout=logs[0] if logs else None,
            stderr=logs[1] if logs else None,
            nice=self._options.nice,
        )

    def _end(
        self,
        job: JobState,
        claim: Claim,
        status: Status,
        *,
        reason: str | None,
        started: float | None = None,
        seen: Observation | None = None,
        exit_status: int | None = None,
    ) -> None:
        task = _task(claim, status, reason=reason, started=started, seen=seen, exit_status=exit_status)
        self._recorder.task_finished(task)
        self._workload.task_ended(job, claim.task_id, status)
        self._feed.room_for(job)
        self._wake.set()

    def _release(self, job: JobState, claim: Claim) -> None:
        self._recorder.task_released(claim.job_id, claim.task_id)
        self._workload.task_released(job)

    async def _observe(self) -> None:
        async for seen in self._executor.watch():
            end = self._ends.pop(seen.native_id, None)
            if end is not None and not end.done():
                end.set_result(seen)

    # -- what other processes do -------------------------------------------------------------------

    async def _listen(self) -> None:
        """Hear of new jobs, of requests to stop, and of runners that died."""
        version = await self._database.data_version()
        repaired = time.monotonic()
        while True:
            await asyncio.sleep(POLL_SECONDS)
            now = await self._database.data_version()
            if now != version or self._stale:
                version = now
                await self._refresh()
            if not self._running and time.monotonic() - repaired > REPAIR_SECONDS:
                repaired = time.monotonic()
                await self._repair()
                await self._refresh()

    async def _refresh(self) -> None:
        changed, self._revision = await jobs.changed_since(self._database, self._revision)
        changed += self._stale
        self._stale.clear()
        to_stop = await tasks.to_stop(self._database, self._runner)
        if to_stop:
            self._asked_to_stop.update(to_stop)
            await self._executor.cancel([self._running[key] for key in to_stop if key in self._running])
        if changed:
            await self._load(changed)
        self._feed.room_for_all()
        self._wake.set()

    async def _load(self, job_ids: Iterable[int]) -> None:
        """Read these jobs, or read them again."""
        outlines = await self._recorder.outlines(job_ids)
        for job_id in job_ids:
            outline = outlines.get(job_id)
            if outline is None or outline.finished:
                await self._end_elsewhere(job_id, outline)
            elif job_id not in self._workload.jobs:
                self._workload.reopened(job_id)
        mine = {job_id: one for job_id, one in outlines.items() if self._is_mine(one)}
        waits = await schedule.dependencies(self._database, mine)
        others = {one.job_id for some in waits.values() for one in some}
        ended = {
            other.id: other
            for other in (await self._recorder.outlines(others)).values()
            if other.id not in self._workload.jobs and other.finished
        }
        for job_id, outline in mine.items():
            if known := self._workload.jobs.get(job_id):
                self._workload.changed(known, outline)
                continue
            job = JobState.of(outline, waits.get(job_id, ()))
            self._names.setdefault(job_id, job.name)
            counterparts = {}
            if job.pairing is not None:
                job.pairing.settled.update(
                    task_id for task_id, _ in await tasks.outcomes(self._database, job.id)
                )
                for other_id in job.pairing.with_jobs:
                    counterparts[other_id] = await tasks.outcomes(self._database, other_id)
            waited = {one.job_id: ended[one.job_id] for one in job.dependencies if one.job_id in ended}
            self._workload.add(job, waited, counterparts)
        self._wake.set()

    def _is_mine(self, outline: Outline) -> bool:
        chosen = self._options.only is None or outline.id in self._options.only
        return not outline.finished and outline.executor == self._executor_name and chosen

    async def _end_elsewhere(self, job_id: int, outline: Outline | None) -> None:
        """Take in that a job has ended in another process, or was deleted."""
        if job_id not in self._workload.jobs and not self._workload.is_waited_for(job_id):
            return
        for waiting in self._workload.pairs_with(job_id):
            for task_id, status in await tasks.outcomes(self._database, job_id):
                self._workload.counterpart_ended(waiting, job_id, task_id, status)
        self._workload.job_ended(
            job_id,
            outline.status if outline else Status.STOPPED,
            stop_on_failure=outline.stop_on_failure if outline else False,
        )

    def _on_closed(self, closed: Iterable[int]) -> None:
        """Hear from the store that jobs have ended; several processes may have had a part in them."""
        self._stale.extend(job_id for job_id in closed if job_id in self._workload.jobs)

    async def _is_over(self) -> bool:
        """Tell whether nothing is left to wait for, by this engine."""
        if self._options.keep_running:
            return False
        await self._refresh()
        if self._workload.ready or self._workload.soon:
            return False
        if await tasks.others_hold(self._database, self._runner):
            return False
        outside = {
            other
            for job in self._workload.jobs.values()
            for other in job.undecided
            if other not in self._workload.jobs
        }
        pending = await schedule.outlines(self._database, outside)
        return not any(not one.finished and one.executor != self._executor_name for one in pending.values())


def _waited_for(job: JobState) -> str:
    return "job " + format_ids({one.job_id for one in job.dependencies})


def _task(
    claim: Claim,
    status: Status,
    *,
    reason: str | None = None,
    started: float | None = None,
    seen: Observation | None = None,
    exit_status: int | None = None,
) -> Task:
    return Task(
        job_id=claim.job_id,
        task_id=claim.task_id,
        attempt=claim.attempt,
        status=status,
        reason=reason,
        exit_status=seen.exit_status if seen else exit_status,
        signal=seen.signal if seen else None,
        host=HOST if started is not None else None,
        started_at=started,
        finished_at=None if status is Status.EXECUTING else (seen.time if seen else time.time()),
        cpu_seconds=seen.usage.cpu_seconds if seen and seen.usage else None,
        peak_memory_bytes=seen.usage.peak_memory_bytes if seen and seen.usage else None,
    )
