"""The dispatcher: claims tasks, dependencies first, and has an engine run them, so many at a time.

A task goes: claimed in the database, so that nobody else starts it; its job's dependencies awaited;
a slot awaited; started; its end observed; recorded. Claims and records go to the disk in group
commits; so that short tasks never wait for one, tasks are claimed a moment ahead.

A job of which tasks are claimed has one coroutine, which waits for dependencies and slots. An attempt that
runs has none: its end is a callback.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence, Set
from dataclasses import dataclass, replace

import anyio

from asyncjman.engines.base import Engine, LaunchRequest, Ref
from asyncjman.errors import first_of
from asyncjman.executors.logs import log_start
from asyncjman.model.graph import Verdict
from asyncjman.model.job import Task
from asyncjman.model.status import Status
from asyncjman.scheduler.attempts import STOPPED, Attempt, Attempts, Key, unstarted
from asyncjman.scheduler.bus import Bus
from asyncjman.scheduler.changes import Changes
from asyncjman.scheduler.feed import Feed
from asyncjman.scheduler.held import Held
from asyncjman.scheduler.loading import Loader
from asyncjman.scheduler.reconcile import Repair, repair
from asyncjman.scheduler.recorder import Recorder
from asyncjman.scheduler.registration import Registration
from asyncjman.scheduler.workload import JobState, Workload
from asyncjman.store import tasks
from asyncjman.store.database import Database
from asyncjman.store.runnerlock import RunnerLock

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
    """How a dispatcher runs."""

    parallel: int = 1
    log_files: bool = True
    only: Set[int] | None = None
    """The jobs to run; None: all. It may grow: see ``Dispatcher.look``."""
    told: Set[int] | None = None
    """Of those, the jobs that are to run here; what runs of others when it stops is not stopped, but
    released, for whoever is to run it. None: all."""
    keep_running: bool = False
    """Whether to wait for new jobs when none is left."""


class Dispatcher:
    """Runs the jobs of one database that belong to one engine."""

    def __init__(
        self,
        database: Database,
        engine: Engine,
        *,
        token: str,
        options: Options,
        bus: Bus,
        on_repair: Callable[[Repair], None] = lambda repair: None,
        on_lost: Callable[[Sequence[Key]], None] = lambda lost: None,
        lock: RunnerLock | None = None,
    ) -> None:
        """``lock`` is held as long as this runs; ``on_lost`` is told of tasks that others took from it."""
        self._database = database
        self._engine = engine
        self._token = token
        self._options = options
        self._on_repair = on_repair
        self._told: set[tuple[int, str]] = set()
        names: dict[int, str] = {}
        self._recorder = Recorder(
            database,
            bus,
            names,
            on_closed=self._on_closed,
            on_refused=self._on_refused,
            on_lost=lambda lost: self._changes.take_lost(lost),
        )
        self._workload = Workload(self._recorder)
        self._feed = Feed(database, self._workload, self._recorder, names)
        self._slots = asyncio.Semaphore(options.parallel)
        self._attempts = Attempts(engine, token, self._on_end, database.runtime)
        self._held = Held()
        self._loader = Loader(
            database, self._workload, self._recorder, names, engine_name=engine.name, only=options.only
        )
        self._changes = Changes(
            database,
            self._loader,
            self._feed,
            self._attempts,
            self._held,
            look_again=self._open_gates,
            on_lost=on_lost,
        )
        self._registration = Registration(database, token, lock)
        self._queues: dict[JobState, deque[Attempt]] = {}
        """What is claimed and not started, of each job that has a coroutine."""
        self._waiting: set[JobState] = set()
        """Of these: the jobs that wait for their dependencies."""
        self._resting: dict[Attempt, asyncio.TimerHandle] = {}
        """What failed, and is tried again after a while."""
        self._gates: set[asyncio.Future[None]] = set()
        self._claims_at_last_look = -1
        self._stopping = asyncio.Event()
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Run until nothing is left that can be run here, or until it is stopped.

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
        self._recorder.runner = await self._registration.enter()
        await self._attempts.open()
        try:
            async with anyio.create_task_group() as services:
                services.start_soon(self._recorder.run)
                services.start_soon(self._attempts.observe)
                services.start_soon(self._listen)
                try:
                    await self._changes.begin(self._registration.runner)
                    # asyncio's own: half the cost of anyio's
                    async with asyncio.TaskGroup() as running:
                        await self._claim_tasks(running)
                        while self._held.attempts:
                            self._wake.clear()
                            await self._wake.wait()
                finally:
                    services.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await self._close()

    async def stop(self, *, kill: bool = False, rest: bool = False) -> None:
        """Start nothing more, end what runs (recorded as stopped), and let ``run`` return.

        ``rest``: also what tasks that have ended left running.
        """
        self._stopping.set()
        for attempt, timer in list(self._resting.items()):
            timer.cancel()
            self._end_rest(attempt)
        self._wake.set()
        self._open_gates()
        if rest:
            await self._engine.recover(self._token)
        await self._attempts.stop(kill=kill)

    @property
    def running(self) -> int:
        """Return how many tasks run now."""
        return len(self._attempts.running)

    @property
    def left(self) -> int:
        """Return how many tasks haven't ended, of all the jobs that may run here."""
        return sum(job.left for job in self._workload.jobs.values())

    async def look(self, job_ids: Iterable[int]) -> None:
        """Take in jobs that were submitted, or that ``only`` has now."""
        if self._loader.has_begun:  # else they come with those before them, in order
            await self._loader.load(list(job_ids))
            self._wake.set()

    async def _close(self) -> None:
        """Leave no process and no claim behind."""
        is_released = False
        for timer in self._resting.values():
            timer.cancel()
        try:
            await self._attempts.stop()
            await self._engine.close()
            await self._recorder.flush()
            await self._registration.release()
            is_released = True
        finally:
            self._registration.leave(is_released=is_released)

    async def _repair(self) -> None:
        for one in await repair(self._database):
            if one.released or (one.pid, one.host) not in self._told:
                self._on_repair(one)
            if not one.released:
                self._told.add((one.pid, one.host))

    # -- claiming and starting -----------------------------------------------------------------------

    async def _claim_tasks(self, running: asyncio.TaskGroup) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            free = self._options.parallel - self.running
            for job, claim in await self._feed.claim(self._registration.runner, free):
                self._enqueue(self._held.add(job, claim), running)
            if self._feed.wants_more:
                continue
            if not self._feed.held and not self.running and await self._is_over():
                break
            if not self._stopping.is_set():
                await self._wake.wait()

    def _enqueue(self, attempt: Attempt, running: asyncio.TaskGroup) -> None:
        self._running = running
        queue = self._queues.get(attempt.job)
        if queue is None:
            queue = self._queues[attempt.job] = deque([attempt])
            running.create_task(self._start_all(attempt.job, queue))
            return
        queue.append(attempt)
        self._feed.waiting += attempt.job in self._waiting

    async def _start_all(self, job: JobState, queue: deque[Attempt]) -> None:
        """Start the claimed tasks of a job, one by one, as its dependencies and the slots let them."""
        try:
            while queue:
                await self._start(job, queue[0])
                queue.popleft()
        finally:
            del self._queues[job]

    async def _start(self, job: JobState, attempt: Attempt) -> None:
        """Start a claimed task in a slot, which it has until it ends; or end or release it unstarted."""
        if attempt.earlier is not None:
            await attempt.earlier.until_over()
            attempt.earlier = None
        while True:
            await self._await_dependencies(job, attempt)
            await self._slots.acquire()
            runs = False
            try:
                await self._changes.look(STALE_SECONDS if job.dependencies else DOUBT_SECONDS)
                said = self._workload.verdict(job, attempt.claim.task_id)
                if self._stopping.is_set() or attempt.key in self._attempts.to_stop:
                    return self._drop(attempt, Status.STOPPED, STOPPED)
                if said is Verdict.SKIP:
                    return self._drop(attempt, Status.SKIPPED, job.skip_reason)
                if said is Verdict.GO:
                    runs = await self._launch(job, attempt)
                    return None
            finally:
                if not runs:
                    self._slots.release()
            if not self._workload.is_next(job):
                return self._release(attempt)

    async def _await_dependencies(self, job: JobState, attempt: Attempt) -> None:
        """Wait while the dependencies of a claimed task are undecided, and may be decided in a moment."""
        while (
            self._workload.verdict(job, attempt.claim.task_id) is Verdict.WAIT
            and self._workload.is_next(job)
            and not self._stopping.is_set()
            and attempt.key not in self._attempts.to_stop
        ):
            if job.gate is None or job.gate.done():
                job.gate = asyncio.get_running_loop().create_future()
                self._gates.add(job.gate)
                job.gate.add_done_callback(self._gates.discard)
            self._waiting.add(job)
            self._feed.waiting += len(self._queues[job])
            try:
                await job.gate
            finally:
                self._waiting.discard(job)
                self._feed.waiting -= len(self._queues[job])

    def _open_gates(self) -> None:
        """Have all tasks that wait for dependencies look whether they are still to wait."""
        for gate in self._gates:
            if not gate.done():
                gate.set_result(None)

    async def _launch(self, job: JobState, attempt: Attempt) -> bool:
        """Start an attempt; tell whether it runs now."""
        spec = job.spec
        assert spec is not None
        self._feed.dropped()
        self._feed.started()
        request = LaunchRequest(
            token=self._token,
            job_id=job.id,
            spec=spec,
            tasks=(Ref(job.id, attempt.claim.task_id, attempt.claim.attempt),),
            time_limit=spec.timeout,
            folder="",
            logs=log_start(spec) if self._options.log_files else None,
        )
        ended = await self._attempts.launch(attempt, request, self._recorder.task_started)
        if ended is not None:
            self._end_attempt(attempt, ended)
        return ended is None

    # -- ends ----------------------------------------------------------------------------------------

    def _on_end(self, attempt: Attempt, ended: Task) -> None:
        """Take in the end of an attempt that ran."""
        self._slots.release()
        self._end_attempt(attempt, ended)

    def _end_attempt(self, attempt: Attempt, ended: Task) -> None:
        job, spec = attempt.job, attempt.job.spec
        assert spec is not None
        failed = ended.status is Status.FAILURE and not self._stopping.is_set()
        if failed and spec.retry and spec.retry.applies(ended.cause, ended.signal, attempt.tries):
            self._recorder.task_retried(ended)
            self._rest(attempt, spec.retry.delay)
            return
        told = self._options.told is None or job.id in self._options.told
        if told or ended.status is not Status.STOPPED or not self._stopping.is_set():
            self._end(attempt, ended)
        # what nobody told this dispatcher to run is released with its runner
        self._let_go(attempt)

    def _rest(self, attempt: Attempt, seconds: float) -> None:
        """Have another attempt follow, so many seconds later; others may have the slot until then."""
        attempt.claim = replace(attempt.claim, attempt=attempt.claim.attempt + 1)
        self._feed.held += 1
        self._feed.waiting += 1
        loop = asyncio.get_running_loop()
        self._resting[attempt] = loop.call_later(seconds, self._end_rest, attempt)
        self._wake.set()

    def _end_rest(self, attempt: Attempt) -> None:
        del self._resting[attempt]
        self._feed.waiting -= 1
        self._enqueue(attempt, self._running)

    def _end(self, attempt: Attempt, task: Task) -> None:
        job = attempt.job
        if attempt.key in self._held.lost:
            self._workload.task_released(job)
            self._feed.stale.add(job.id)
        else:
            self._recorder.task_finished(task)
            self._workload.task_ended(job, task.task_id, task.status)
        self._feed.room_for(job)
        self._wake.set()

    def _drop(self, attempt: Attempt, status: Status, reason: str) -> None:
        """End a claimed task that wasn't started; release it where the dispatcher is stopping."""
        if self._stopping.is_set():
            return self._release(attempt)
        self._feed.dropped()
        self._end(attempt, unstarted(attempt.claim, status, reason, self._database.runtime.time()))
        return self._let_go(attempt)

    def _release(self, attempt: Attempt) -> None:
        """Leave a claimed task that wasn't started to whoever claims it next."""
        job = attempt.job
        self._feed.dropped()
        self._recorder.task_released(*attempt.key)
        self._workload.task_released(job)
        self._feed.room_for(job)
        self._feed.stale.add(job.id)  # it may be claimed again: only the store knows it now
        self._let_go(attempt)

    def _let_go(self, attempt: Attempt) -> None:
        """Note that nothing is to be done for a claim any more."""
        # the task may be claimed again: what was asked of it is over
        self._attempts.to_stop.discard(attempt.key)
        self._held.remove(attempt)
        self._wake.set()

    # -- what other processes do -----------------------------------------------------------------------

    async def _listen(self) -> None:
        """Hear of new jobs, of requests to stop, and of runners that died."""
        monotonic = self._database.runtime.monotonic
        repaired = monotonic()
        while True:
            seconds = FRESH_SECONDS if self._held.dependent else POLL_SECONDS
            now = await self._database.change(self._changes.version, seconds)
            if now != self._changes.version or self._changes.are_pending:
                await self._changes.take_in(now)
                self._wake.set()
            if self._held.dependent:
                await self._changes.look(FRESH_SECONDS)  # so that no start has to wait for it
            if not self.running and monotonic() - repaired > REPAIR_SECONDS:
                repaired = monotonic()
                await self._repair()
                await self._changes.take_in()
                self._wake.set()

    def _on_refused(self, job_ids: Iterable[int]) -> None:
        self._feed.stale.update(job_ids)

    def _on_closed(self, closed: Collection[int]) -> None:
        self._changes.note_closed(job_id for job_id in closed if job_id in self._workload.jobs)

    async def _is_over(self) -> bool:
        """Tell whether nothing is left to wait for here."""
        if self._options.keep_running:
            return False
        await self._changes.take_in()
        if self._has_more():
            return False
        # a job of which they hold as many as may run at a time has room when the file changes: not before
        if await tasks.others_hold(self._database, self._registration.runner):
            return False
        self._feed.room_for_all()
        if self._has_more():
            return False
        if await self._loader.waits_for_another_engine():
            return False
        if self._claims_at_last_look == self._feed.claims:
            return True
        # once more from the store: what is in memory must not be all that says that nothing is left
        self._claims_at_last_look = self._feed.claims
        await self._loader.load_all()
        return not self._has_more()

    def _has_more(self) -> bool:
        """Tell whether there is something to be claimed; have that tried."""
        if any(job.line is not None for job in self._workload.jobs.values()):
            self._wake.set()
            return True
        return False
