"""The engine: takes tasks up, dependencies first, and runs them on an executor, so many at a time.

A task goes: claimed in the database, so that nobody else starts it; its job's dependencies awaited;
a slot awaited; started; its end observed; recorded. Claims and records go to the disk in group
commits; so that short tasks never wait for one, tasks are claimed a moment ahead.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Collection, Iterable, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, replace

import anyio

from asyncjman.errors import first_of
from asyncjman.executors.base import Executor, Work
from asyncjman.executors.environment import task_environment
from asyncjman.executors.logs import log_paths
from asyncjman.model.graph import Dependency, Kind, Verdict
from asyncjman.model.job import JobSpec, Task
from asyncjman.model.status import Status
from asyncjman.scheduler.attempts import STOPPED, Attempts, Key, unstarted
from asyncjman.scheduler.bus import Bus
from asyncjman.scheduler.dependencies import counterparts
from asyncjman.scheduler.feed import Feed
from asyncjman.scheduler.reconcile import Repair, clear_strays, lock_names, repair
from asyncjman.scheduler.recorder import Recorder
from asyncjman.scheduler.settle import release_runner
from asyncjman.scheduler.workload import JobState, Workload
from asyncjman.store import jobs, runners, schedule, tasks
from asyncjman.store.database import Database, Transaction
from asyncjman.store.runnerlock import RunnerLock
from asyncjman.store.schedule import Outline
from asyncjman.store.tasks import Claim

POLL_SECONDS = 0.2
REPAIR_SECONDS = 2.0
FRESH_SECONDS = 0.05
"""How often to look at what other processes do while tasks are held that depend on other jobs."""
STALE_SECONDS = 0.1
"""What is older is not good enough to start such a task by."""
DOUBT_SECONDS = 1.0
"""The same for all others. It was suspended meanwhile where it is longer: its claims may be taken."""


@dataclass(frozen=True, slots=True)
class Options:
    """How an engine runs."""

    parallel: int = 1
    log_files: bool = True
    only: Set[int] | None = None
    """The jobs to run; None: all. It may grow: see ``Engine.look``."""
    told: Set[int] | None = None
    """Of those, the jobs that are to run here; what runs of others when the engine stops is not stopped, but
    released, for whoever is to run it. None: all."""
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
        on_lost: Callable[[Sequence[Key]], None] = lambda lost: None,
        lock: RunnerLock | None = None,
    ) -> None:
        """``lock`` is held as long as this runs; ``on_lost`` is told of tasks that others took from it."""
        self._database = database
        self._executor = executor
        self._executor_name = executor_name
        self._token = token
        self._options = options
        self._on_repair = on_repair
        self._on_lost = on_lost
        self._lock = lock
        self._told: set[tuple[int, str]] = set()
        self._names: dict[int, str] = {}
        self._recorder = Recorder(
            database, bus, self._names, self._on_closed, self._on_refused, self._take_in_lost
        )
        self._workload = Workload(self._recorder)
        self._feed = Feed(database, self._workload, self._recorder, self._names)
        self._slots = asyncio.Semaphore(options.parallel)
        self._attempts = Attempts(executor, database.runtime)
        self._held: dict[Key, asyncio.Future[None]] = {}
        """The tasks that it claimed, and that have not ended; resolved when they have."""
        self._lost: set[Key] = set()
        """Of these: what others took from it."""
        self._dependent = 0
        """How many of them depend on other jobs."""
        self._is_behind = False
        """Whether to look once more for what it is asked to stop."""
        self._gates: set[asyncio.Future[None]] = set()
        self._closed: set[int] = set()
        """Jobs that the store has ended; several processes may have had a part in them."""
        self._claims_at_last_look = -1
        self._loading = asyncio.Lock()
        self._begun = False
        """Whether the jobs that are there are read, or being read."""
        self._looking = asyncio.Lock()
        self._looked_at = -math.inf
        self._version: tuple[int, int] | None = None
        """The state of the file when it was looked at last."""
        self._stopping = asyncio.Event()
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
        await self._register()
        await self._executor.open()
        try:
            async with anyio.create_task_group() as services:
                services.start_soon(self._recorder.run)
                services.start_soon(self._attempts.observe)
                services.start_soon(self._listen)
                try:
                    self._revision = await jobs.latest_revision(self._database)
                    await self._load_first()
                    # asyncio's own: half the cost of anyio's, and there is one task in it per task
                    async with asyncio.TaskGroup() as running:
                        await self._take_up_tasks(running)
                finally:
                    services.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await self._close()

    async def _register(self) -> None:
        """Lock first, then write the row: a row whose lock is free means a dead runner."""
        runtime = self._database.runtime
        lock = self._lock
        if lock is not None and self._database.opened_file is not None:
            await clear_strays(self._database)
            lock.take(await lock_names(self._database, self._token))
        pid = runtime.pid()
        boot, started = runtime.process_start(pid)
        try:
            async with self._database.transaction() as tx:
                self._runner = await runners.insert(
                    tx,
                    token=self._token,
                    host=runtime.host(),
                    pid=pid,
                    process_started=started,
                    now=runtime.time(),
                    boot=boot,
                    namespace=runtime.namespace(),
                    lock=lock.lock if lock else None,
                    tasks_lock=lock.tasks_lock if lock else None,
                )
                self._recorder.runner = await runners.get(tx, self._runner)
        except BaseException:
            if lock is not None:
                lock.release()
            raise

    async def stop(self, *, kill: bool = False, rest: bool = False) -> None:
        """Start nothing more, end what runs (recorded as stopped), and let ``run`` return.

        ``rest``: also what tasks that have ended left running.
        """
        self._stopping.set()
        self._wake.set()
        self._open_gates()
        await self._attempts.stop(kill=kill)
        if rest:
            await self._executor.cancel_rest(kill=kill)

    def _open_gates(self) -> None:
        """Have all tasks that wait for dependencies look whether they are still to wait."""
        for gate in self._gates:
            if not gate.done():
                gate.set_result(None)

    @property
    def running(self) -> int:
        """Return how many tasks run now."""
        return len(self._attempts.running)

    @property
    def left(self) -> int:
        """Return how many tasks haven't ended, of all the jobs that this engine may run."""
        return sum(job.left for job in self._workload.jobs.values())

    async def _close(self) -> None:
        """Leave no process and no claim behind."""
        is_gone = False
        try:
            await self._attempts.stop()
            await self._executor.close()
            await self._recorder.flush()
            async with self._database.transaction() as tx:
                await release_runner(tx, self._runner, "the jman that ran it ended", tx.runtime.time())
            is_gone = True
        finally:
            if self._lock is not None:
                # where the row stays they prove that this runner has ended
                self._lock.release(remove=is_gone or not self._database.is_at_its_path)

    async def _repair(self) -> None:
        for one in await repair(self._database):
            if one.released or (one.pid, one.host) not in self._told:
                self._on_repair(one)
            if not one.released:
                self._told.add((one.pid, one.host))

    def _take_in_lost(self, lost: Collection[Key]) -> None:
        """Hear that others took tasks from this runner: what runs of them is ended, and not recorded."""
        if new := sorted(set(lost) - self._lost):
            self._on_lost(new)
        self._lost.update(self._held.keys() & lost)
        self._attempts.to_stop.update(self._held.keys() & lost)
        self._feed.stale.update(job_id for job_id, _ in lost)

    async def _end_lost(self) -> None:
        """Look whether all claims are still this runner's; end what isn't."""
        before = dict(self._held)
        lost = await runners.lost(self._database, self._runner, dict.fromkeys(before)) if before else set()
        # one that ended while the store was asked isn't lost
        if lost := {key for key in lost if self._held.get(key) is before[key]}:
            self._take_in_lost(lost)
        if running := self._lost & self._attempts.running.keys():
            await self._attempts.stop(running)
            self._open_gates()

    # -- taking up and running ---------------------------------------------------------------------

    async def _take_up_tasks(self, running: asyncio.TaskGroup) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            free = self._options.parallel - self.running
            for job, claim in await self._feed.claim(self._runner, free):
                running.create_task(self._run_task(job, claim, self._hold(claim)))
            if self._feed.wants_more:
                continue
            if not self._feed.held and not self.running and await self._is_over():
                break
            if not self._stopping.is_set():
                await self._wake.wait()

    def _hold(self, claim: Claim) -> asyncio.Future[None] | None:
        """Note a claim; return the end of an earlier one of the same task, which was lost and runs still."""
        key = (claim.job_id, claim.task_id)
        earlier, self._held[key] = self._held.get(key), asyncio.get_running_loop().create_future()
        return earlier

    async def _run_task(self, job: JobState, claim: Claim, earlier: asyncio.Future[None] | None) -> None:
        """Carry one task from its claim to its end, over as many attempts as it may have."""
        key = (claim.job_id, claim.task_id)
        mine = self._held[key]
        dependent = bool(job.dependencies)
        self._dependent += dependent
        try:
            if earlier is not None:
                await asyncio.shield(earlier)
            first = claim.attempt
            while again := await self._attempt(job, claim, claim.attempt - first + 1):
                claim = again
                if job.spec is not None and job.spec.retry is not None:
                    await self._pause(job.spec.retry.delay)
        finally:
            # it may be claimed again: what was asked of it is over
            self._attempts.to_stop.discard(key)
            self._lost.discard(key)
            self._dependent -= dependent
            mine.set_result(None)
            if self._held[key] is mine:
                del self._held[key]

    async def _attempt(self, job: JobState, claim: Claim, tries: int) -> Claim | None:
        """Run one attempt, in a slot; return the claim of the next one where there is to be one."""
        while True:
            await self._await_dependencies(job, claim)
            async with self._slots:
                await self._look_around(STALE_SECONDS if job.dependencies else DOUBT_SECONDS)
                if self._stopping.is_set() or (claim.job_id, claim.task_id) in self._attempts.to_stop:
                    self._drop(job, claim, Status.STOPPED, STOPPED)
                    return None
                said = self._workload.verdict(job, claim.task_id)
                if said is Verdict.SKIP:
                    self._drop(job, claim, Status.SKIPPED, job.skip_reason)
                    return None
                if said is Verdict.GO:
                    return await self._run_attempt(job, claim, tries)
            if not self._workload.is_next(job):
                self._release(job, claim)
                return None

    async def _run_attempt(self, job: JobState, claim: Claim, tries: int) -> Claim | None:
        spec = job.spec
        assert spec is not None
        self._feed.dropped()
        self._feed.started()
        work = self._work(spec, claim)
        ended = await self._attempts.run(work, spec.timeout, self._recorder.task_started)
        failed = ended.status is Status.FAILURE and not self._stopping.is_set()
        if failed and spec.retry and spec.retry.applies(ended.cause, ended.signal, tries):
            self._recorder.task_retried(ended)
            self._feed.held += 1
            return replace(claim, attempt=claim.attempt + 1)
        told = self._options.told is None or job.id in self._options.told
        if told or ended.status is not Status.STOPPED or not self._stopping.is_set():
            self._end(job, ended)
        return None  # what nobody told this engine to run is released with its runner

    async def _pause(self, seconds: float) -> None:
        """Wait, but not when the engine is stopping."""
        if seconds > 0:
            self._feed.waiting += 1  # others may have its slot meanwhile
            self._wake.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), seconds)
            self._feed.waiting -= 1

    async def _await_dependencies(self, job: JobState, claim: Claim) -> None:
        """Wait while the dependencies of a claimed task are undecided, and may be decided in a moment."""
        key = (claim.job_id, claim.task_id)
        while (
            self._workload.verdict(job, claim.task_id) is Verdict.WAIT
            and self._workload.is_next(job)
            and not self._stopping.is_set()
            and key not in self._attempts.to_stop
        ):
            if job.gate is None or job.gate.done():
                job.gate = asyncio.get_running_loop().create_future()
                self._gates.add(job.gate)
                job.gate.add_done_callback(self._gates.discard)
            self._feed.waiting += 1
            try:
                # a job's tasks share the gate: one that is cancelled must not cancel it for the others
                await asyncio.shield(job.gate)
            finally:
                self._feed.waiting -= 1

    def _work(self, spec: JobSpec, claim: Claim) -> Work:
        logs = log_paths(spec, claim.job_id, claim.task_id) if self._options.log_files else None
        return Work(
            job_id=claim.job_id,
            task_id=claim.task_id,
            attempt=claim.attempt,
            argv=spec.argv(claim.task_id),
            exec_dir=spec.exec_dir,
            environment=task_environment(spec, claim.job_id, claim.task_id, claim.attempt),
            stdout=logs[0] if logs else None,
            stderr=logs[1] if logs else None,
        )

    def _end(self, job: JobState, task: Task) -> None:
        if (task.job_id, task.task_id) in self._lost:
            self._workload.task_released(job)
            self._feed.stale.add(job.id)
        else:
            self._recorder.task_finished(task)
            self._workload.task_ended(job, task.task_id, task.status)
        self._feed.room_for(job)
        self._wake.set()

    def _drop(self, job: JobState, claim: Claim, status: Status, reason: str) -> None:
        """End a claimed task that wasn't started; release it where the engine is stopping."""
        if self._stopping.is_set():
            self._release(job, claim)
            return
        self._feed.dropped()
        now = self._database.runtime.time()
        self._end(job, unstarted(claim.job_id, claim.task_id, claim.attempt, status, reason, now))

    def _release(self, job: JobState, claim: Claim) -> None:
        """Leave a claimed task that wasn't started to whoever claims it next."""
        self._feed.dropped()
        self._recorder.task_released(claim.job_id, claim.task_id)
        self._workload.task_released(job)
        self._feed.room_for(job)
        self._feed.stale.add(job.id)  # it may be claimed again: only the store knows it now
        self._wake.set()

    # -- what other processes do -------------------------------------------------------------------

    async def _listen(self) -> None:
        """Hear of new jobs, of requests to stop, and of runners that died."""
        monotonic = self._database.runtime.monotonic
        repaired = monotonic()
        while True:
            seconds = FRESH_SECONDS if self._dependent else POLL_SECONDS
            now = await self._database.change(self._version, seconds)
            if now != self._version or self._closed or self._feed.stale or self._is_behind:
                await self._refresh(now)
                self._wake.set()
            if self._dependent:
                await self._look_around(FRESH_SECONDS)  # so that no start has to wait for it
            if not self.running and monotonic() - repaired > REPAIR_SECONDS:
                repaired = monotonic()
                await self._repair()
                await self._refresh()
                self._wake.set()

    async def _look_around(self, seconds: float) -> None:
        """Take in what other processes changed: no task starts by what was true so many seconds ago.

        They may have submitted again what it depends on, while it was claimed, and waited for a slot.
        """
        monotonic = self._database.runtime.monotonic
        if monotonic() - self._looked_at < seconds:
            return
        async with self._looking:
            begun = monotonic()
            if begun - self._looked_at < seconds:
                return
            version = await self._database.version()
            if version != self._version:
                await self._refresh_now(version)
            self._looked_at = begun

    async def look(self, job_ids: Iterable[int]) -> None:
        """Take in jobs that were submitted, or that ``only`` lets this engine run now."""
        if self._begun:  # else they come with those before them, in order
            await self._load(list(job_ids))
            self._wake.set()

    async def _refresh(self, version: tuple[int, int] | None = None) -> None:
        """Take in what other processes changed.

        ``version`` is given where the file is no longer as it was: then they may have made room.
        """
        async with self._looking:  # whoever sees the new state sees what is in it, too
            await self._refresh_now(version)

    async def _refresh_now(self, version: tuple[int, int] | None) -> None:
        self._version = version or self._version
        changed, self._revision = await jobs.changed_since(self._database, self._revision)
        changed += self._closed | self._feed.stale
        self._closed.clear()
        self._feed.stale.clear()
        await self._end_lost()
        asked = await tasks.to_stop(self._database, self._runner)
        to_stop = [key for key in asked if key in self._held]
        # the others ended, which isn't stored yet, or were claimed in this moment
        self._is_behind = len(to_stop) < len(asked)
        if to_stop:
            await self._attempts.stop(to_stop)
            self._open_gates()
        if changed:
            await self._load(changed)
        if version is not None:
            self._feed.room_for_all()
            self._wake.set()

    async def _load_first(self) -> None:
        async with self._loading:
            self._begun = True
            await self._load_now(await schedule.open_jobs(self._database))

    async def _load(self, job_ids: Collection[int]) -> None:
        """Read these jobs, or read them again."""
        async with self._loading:
            await self._load_now(job_ids)

    async def _load_now(self, job_ids: Collection[int]) -> None:
        enrolled, changed = await self._enroll(job_ids)
        # what depends on a job that is open again waits again; on one that was deleted, no more
        dependents = {one for job_id in changed for one in self._workload.dependents(job_id)}
        if dependents := dependents - enrolled.keys():
            enrolled |= (await self._enroll(dependents))[0]
        others = {one.job_id for job in enrolled.values() for one in job.dependencies}
        outlines = await self._recorder.outlines(others) if others else {}
        for job in enrolled.values():
            # one that was deleted in this moment is heard of next
            known = [outlines[one.job_id] for one in job.dependencies if one.job_id in outlines]
            ends = {}
            if job.pairing is not None and job.array is not None:
                paired = [one for one in known if one.id in job.pairing.with_jobs]
                ends = await counterparts(self._database, job.array, paired)
            self._workload.decide(job, {one.id: one for one in known if one.finished}, ends)

    async def _enroll(self, job_ids: Collection[int]) -> tuple[dict[int, JobState], list[int]]:
        """Read these jobs; return those that this engine runs, and which of all are open, or deleted."""
        waits: dict[int, tuple[Dependency, ...]] = {}
        unclaimable: dict[int, set[int]] = {}

        async def read(tx: Transaction) -> None:
            waits.clear()
            waits.update(await schedule.dependencies(tx, job_ids))
            for job_id, some in waits.items():
                if any(one.kind is Kind.CORR for one in some):
                    unclaimable[job_id] = await tasks.unclaimable(tx, job_id)

        outlines = await self._recorder.outlines(job_ids, read)
        enrolled: dict[int, JobState] = {}
        for job_id, outline in outlines.items():
            if not self._is_mine(outline):
                continue
            job = enrolled[job_id] = self._workload.enroll(outline, waits.get(job_id, ()))
            self._names.setdefault(job_id, job.name)
            if job.pairing is not None:
                job.pairing.settled.update(unclaimable[job_id])
            if not outline.unfinished:
                self._recorder.touch(job_id)  # somebody was killed before it said so
        for job in enrolled.values():
            if job.fresh and job.array is not None and job.next_index == 0 and job.task_count > job.left:
                job.next_index = await tasks.first_gap(self._database, job.id, job.array)
        for job_id in job_ids:
            outline_or_none = outlines.get(job_id)
            if outline_or_none is None or outline_or_none.finished:
                await self._end_elsewhere(job_id, outline_or_none)
        return enrolled, [one for one in job_ids if one not in outlines or not outlines[one].finished]

    def _is_mine(self, outline: Outline) -> bool:
        chosen = self._options.only is None or outline.id in self._options.only
        return not outline.finished and outline.executor == self._executor_name and chosen

    async def _end_elsewhere(self, job_id: int, outline: Outline | None) -> None:
        """Take in that a job has ended in another process, or was deleted."""
        if outline is None:
            self._workload.job_deleted(job_id)
            return
        if job_id not in self._workload.jobs and not self._workload.is_waited_for(job_id):
            return
        for waiting in self._workload.pairs_with(job_id):
            if waiting.array is not None:
                ends = await counterparts(self._database, waiting.array, [outline])
                for task_id, status in ends[job_id]:
                    self._workload.counterpart_ended(waiting, job_id, task_id, status)
        self._workload.job_ended(job_id, outline.status, stop_on_failure=outline.stop_on_failure)

    def _on_refused(self, job_ids: Iterable[int]) -> None:
        self._feed.stale.update(job_ids)

    def _on_closed(self, closed: Iterable[int]) -> None:
        self._closed.update(job_id for job_id in closed if job_id in self._workload.jobs)

    async def _is_over(self) -> bool:
        """Tell whether nothing is left to wait for, by this engine."""
        if self._options.keep_running:
            return False
        await self._refresh()
        if self._has_more():
            return False
        # a job of which they hold as many as may run at a time has room when the file changes: not before
        if await tasks.others_hold(self._database, self._runner):
            return False
        self._feed.room_for_all()
        if self._has_more():
            return False
        outside = {
            other
            for job in self._workload.jobs.values()
            for other in job.undecided
            if other not in self._workload.jobs
        }
        pending = await schedule.outlines(self._database, outside)
        if any(not one.finished and one.executor != self._executor_name for one in pending.values()):
            return False
        if self._claims_at_last_look == self._feed.claims:
            return True
        # once more from the store: what is in memory must not be all that says that nothing is left
        self._claims_at_last_look = self._feed.claims
        await self._load(await schedule.open_jobs(self._database))
        return not self._has_more()

    def _has_more(self) -> bool:
        """Tell whether there is something to be claimed; have that tried."""
        if any(job.line is not None for job in self._workload.jobs.values()):
            self._wake.set()
            return True
        return False
