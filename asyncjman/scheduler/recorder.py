"""Group commits: what happens within some milliseconds goes to the disk in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

from asyncjman.errors import DatabaseProblem, EnvironmentProblem
from asyncjman.model.events import JobFinished, TaskFinished, TaskRetried, TaskStarted
from asyncjman.model.job import Task
from asyncjman.model.status import Status
from asyncjman.scheduler.batch import Batch, store
from asyncjman.scheduler.bus import Bus
from asyncjman.scheduler.dependencies import held_back
from asyncjman.scheduler.removal import finish_before
from asyncjman.store import claims, runners, schedule, tasks
from asyncjman.store.claims import Claim
from asyncjman.store.completion import to_completion
from asyncjman.store.database import Database, Transaction
from asyncjman.store.runners import Runner
from asyncjman.store.schedule import JobSummary

GROUP_SECONDS = 0.02
RETRY_SECONDS = 1.0
MAX_RETRIES = 10


@dataclass(slots=True)
class Claimed:
    """What came of an attempt to claim tasks; what is in neither list another process has."""

    claims: list[Claim]
    full: list[tuple[int, int]]
    """Not tried: (job id, task id) of jobs of which as many tasks are held as may be at a time."""
    blocked: set[tuple[int, int]]
    """Not tried: their dependencies don't allow it as they stand now."""


class Recorder:
    """Stores what the engine saw; only what is stored is published."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        names: Mapping[int, str],
        on_closed: Callable[[Mapping[int, Status]], None],
        on_refused: Callable[[Iterable[int]], None] = lambda job_ids: None,
        on_lost: Callable[[Collection[tuple[int, int]]], None] = lambda lost: None,
        settle: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """``on_lost`` is told of tasks, (job id, task id), that others took from this runner. ``settle`` is
        awaited before ends are stored: what these rest on is on the disk then.
        """
        self._database = database
        self._bus = bus
        self._names = names
        self._on_closed = on_closed
        self._on_refused = on_refused
        self._on_lost = on_lost
        self._settle = settle
        self.runner: Runner | None = None
        """Whose claims are recorded."""
        self._batch = Batch()
        self._wake = asyncio.Event()
        self._flushing = asyncio.Lock()
        self._file = database.opened_file
        self._has_skips_under_way = False
        self._last_try = False
        """Whether storing failed for good: what is left to be stored is tried once, without patience."""

    def task_started(self, claim: Claim, at: float, host: str, pid: int) -> None:
        job_id, task_id, attempt, _ = claim
        self._batch.started[job_id, task_id] = (at, pid, host, job_id, task_id, attempt)
        self._batch.claims.setdefault((job_id, task_id), attempt)
        self._batch.job_starts.setdefault(job_id, at)
        if self._bus.is_heard:
            event = TaskStarted(job_id, at, task_id, attempt, self._names.get(job_id, ""))
            if self._batch.events or self._flushing.locked():  # after what it may have waited for
                self._batch.events.append(event)
            else:  # at once: what the task writes may be on the screen before it is stored
                self._bus.publish(event)
        self._wake.set()

    def task_finished(self, task: Task) -> None:
        self._batch.started.pop((task.job_id, task.task_id), None)
        self._batch.claims.setdefault((task.job_id, task.task_id), task.attempt)
        self._batch.finished.append(task)
        self._batch.has_skips = self._batch.has_skips or task.status is Status.SKIPPED
        self._batch.touched.add(task.job_id)
        # what is skipped is told of its job: most of it was never claimed, task by task
        if self._bus.is_heard and task.status is not Status.SKIPPED:
            assert task.finished_at is not None
            self._batch.events.append(
                TaskFinished(task.job_id, task.finished_at, task, self._names.get(task.job_id, ""))
            )
        self._wake.set()

    def task_retried(self, task: Task) -> None:
        """Store an attempt that failed; its task stays with this runner."""
        self._batch.started.pop((task.job_id, task.task_id), None)
        self._batch.claims.setdefault((task.job_id, task.task_id), task.attempt)
        self._batch.retried.append(task)
        assert task.finished_at is not None
        name = self._names.get(task.job_id, "")
        self._batch.events.append(TaskRetried(task.job_id, task.finished_at, task, name))
        self._wake.set()

    def touch(self, job_id: int) -> None:
        """Have a job end of which nothing is left to end."""
        self._batch.touched.add(job_id)
        self._wake.set()

    def task_released(self, job_id: int, task_id: int) -> None:
        self._batch.released.append((job_id, task_id))
        self._batch.claims.setdefault((job_id, task_id), None)
        self._wake.set()

    def job_ready(self, job_id: int) -> None:
        self._batch.ready.append(job_id)
        self._wake.set()

    def skip(self, job_id: int, reason: str, task_ids: tuple[int, ...] = ()) -> None:
        """Skip what nobody has claimed of a job: all, or some tasks."""
        self._batch.skipped.append((job_id, task_ids, reason))
        self._batch.has_skips = True
        self._batch.touched.add(job_id)
        self._wake.set()

    async def claim(
        self,
        runner: int,
        wanted: Sequence[tuple[int, int, str | None]],
        spans: Sequence[tuple[int, int, int]],
        limits: Mapping[int, int],
        dependent: Container[int] = (),
    ) -> Claimed:
        """Claim tasks, together with all that waits to be stored.

        ``spans`` has the parts of arrays that are wanted whole: (job id, index of the first, of the next).
        ``limits`` has the number of tasks that may be held at a time for jobs that have one. ``dependent``
        has the jobs of which nothing is claimed but what may start as its dependencies stand.
        """
        result = Claimed([], [], set())

        async def claim_allowed(tx: Transaction) -> None:
            if self.runner is not None:
                await runners.keep(tx, self.runner)  # claims without it could never be released
            result.full.clear()
            checked = [(job_id, task_id) for job_id, task_id, _ in wanted if job_id in dependent]
            result.blocked = await held_back(tx, checked) if checked else set()
            allowed = [one for one in wanted if one[:2] not in result.blocked] if result.blocked else wanted
            if limits:
                allowed = await _within_limits(tx, allowed, limits, result.full)
            left_out = {job_id for job_id, _ in (*result.full, *result.blocked)}
            whole = [one for one in spans if one[0] not in left_out]
            await finish_before(tx, {one[0] for one in allowed}, {one[:2] for one in allowed})
            result.claims = await claims.claim(tx, runner, allowed, whole)

        await self._flush(claim_allowed)
        return result

    async def summaries(
        self, job_ids: Iterable[int], more: Callable[[Transaction], Awaitable[None]] | None = None
    ) -> dict[int, JobSummary]:
        """Read jobs as they are with all that was seen so far, stored or not yet.

        ``more`` is read in the same transaction.
        """
        found: dict[int, JobSummary] = {}

        async def read(tx: Transaction) -> None:
            found.clear()
            found.update(await schedule.summaries(tx, job_ids))
            if more is not None:
                await more(tx)

        def add_newest() -> None:
            for task in self._batch.finished:  # seen while the commit was under way
                if summary := found.get(task.job_id):
                    summary.counts[Status.EXECUTING] = summary.counts.get(Status.EXECUTING, 0) - 1
                    summary.counts[task.status] = summary.counts.get(task.status, 0) + 1

        await self._flush(read, add_newest)
        return found

    async def run(self) -> None:
        """Store what comes in, until cancelled."""
        while True:
            await self._wake.wait()
            await asyncio.sleep(GROUP_SECONDS)
            await self.flush()

    @property
    def has_skips(self) -> bool:
        """Tell whether something is skipped and not stored yet."""
        return self._batch.has_skips or self._has_skips_under_way

    async def store_skips(self) -> bool:
        """Have all that is skipped stored; return whether there was something."""
        found = self.has_skips
        if found:
            await self.flush()
        return found

    async def flush(self) -> None:
        """Store now what has come in; returns when it is on the disk."""

        async def nothing(_: Transaction) -> None:
            pass

        await self._flush(nothing)

    async def _flush(
        self,
        more: Callable[[Transaction], Awaitable[None]],
        then: Callable[[], None] = lambda: None,
    ) -> None:
        # once begun it is carried out: a batch that was taken must not be lost with a cancelled waiter
        await to_completion(self._flush_now(more, then))

    def _refuse_another_file(self) -> None:
        """Raise DatabaseProblem where the database was deleted: a new one knows nothing of our tasks."""
        if self._database.opened_file != self._file or not self._database.is_at_its_path:
            raise DatabaseProblem(
                f"the database {self._database.path} was deleted while its jobs ran: "
                "they are stopped, and nothing more is recorded"
            )

    @property
    def _runner_id(self) -> int | None:
        return None if self.runner is None else self.runner.id

    async def _lost(self, tx: Transaction, batch: Batch) -> set[tuple[int, int]]:
        """Return what others took from this runner: it must not say how that began or ended."""
        if self.runner is None or not batch.claims:
            return set()
        return await runners.lost(tx, self.runner.id, batch.claims)

    async def _flush_now(
        self, more: Callable[[Transaction], Awaitable[None]], then: Callable[[], None]
    ) -> None:
        """Store the batch and do ``more`` in one transaction; ``then`` is called before the next one."""
        async with self._flushing:
            self._refuse_another_file()
            self._wake.clear()
            batch, self._batch = self._batch, Batch()
            self._has_skips_under_way = batch.has_skips
            try:
                lost, closed, refused = await self._stored(batch, more)
            except BaseException:
                # whatever went wrong: what was seen must not be forgotten before it is stored
                batch.add(self._batch)
                self._batch = batch
                self._last_try = True  # the last flush, when all has ended
                raise
            finally:
                self._has_skips_under_way = False
            for event in batch.events:
                self._bus.publish(event)
            if refused:
                self._on_refused(refused)
            if lost:
                self._on_lost(lost)
            if closed:
                self._on_closed(closed)
                now = self._database.runtime.time()
                for job_id, status in closed.items():
                    self._bus.publish(JobFinished(job_id, now, status, self._names.get(job_id, "")))
            then()

    async def _stored(
        self, batch: Batch, more: Callable[[Transaction], Awaitable[None]]
    ) -> tuple[set[tuple[int, int]], dict[int, Status], set[int]]:
        """Store a batch, with what it rests on; return what of it was lost, which jobs closed, and which
        skips were refused.
        """

        async def record(tx: Transaction) -> tuple[set[tuple[int, int]], dict[int, Status], set[int]]:
            lost = await self._lost(tx, batch)
            batch.leave_out(lost)
            closed, refused = ({}, set()) if batch.is_empty else await store(tx, self._runner_id, batch)
            await more(tx)
            return lost, closed, refused

        tries = 0
        while True:
            try:
                if (batch.finished or batch.retried) and self._settle is not None:
                    await self._settle()
                return await self._database.carry_out(record, quiet=True)
            except EnvironmentProblem:
                # a full disk may get room again
                tries += 1
                if tries > MAX_RETRIES or self._last_try:
                    raise
                await asyncio.sleep(RETRY_SECONDS)


async def _within_limits(
    tx: Transaction,
    wanted: Sequence[tuple[int, int, str | None]],
    limits: Mapping[int, int],
    denied: list[tuple[int, int]],
) -> list[tuple[int, int, str | None]]:
    held = await tasks.held_counts(tx, limits)
    room = {job_id: limit - held.get(job_id, 0) for job_id, limit in limits.items()}
    allowed = []
    for job_id, task_id, array in wanted:
        if job_id in room:
            if room[job_id] <= 0:
                denied.append((job_id, task_id))
                continue
            room[job_id] -= 1
        allowed.append((job_id, task_id, array))
    return allowed
