"""How far jobs are, read from the database again and again: so seldom that it costs next to nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from asyncjman.api.machine import memory_of_sessions
from asyncjman.errors import JmanError
from asyncjman.model.job import JobSpec
from asyncjman.model.progress import (
    FailedTask,
    JobProgress,
    Overview,
    Pace,
    RunnerSeen,
    RunningTask,
    Spent,
    time_left,
)
from asyncjman.model.status import Status
from asyncjman.scheduler.liveness import Life
from asyncjman.scheduler.reconcile import lives
from asyncjman.store import jobs, progress, runners, schedule
from asyncjman.store.database import Reader, View
from asyncjman.store.progress import JobHead, Scope
from asyncjman.system.logs import display_name

LEAST_SECONDS = 0.25
MOST_SECONDS = 30.0
MOST_COST = 0.02
"""So much of the time may be spent with reading, at most."""
MOST_RUNNING = 200
MOST_FAILURES = 50
_RUNNERS_SECONDS = 2.0
_MEMORY_SECONDS = 2.0
_MOST_MEASURED = 50


class ProgressReader:
    """Reads how far jobs are; what did not change is not read again."""

    def __init__(self, database: Reader, scope: Scope, *, failures_since: float | None = None) -> None:
        """``failures_since``: only tasks that failed later (seconds since 1970) are told; None: none is."""
        self._database = database
        self._scope = scope
        self._failures_since = failures_since
        self._pace = Pace()
        self._specs: dict[int, tuple[int, JobSpec | None]] = {}
        self._spent: dict[int, tuple[int, Spent | None]] = {}
        self._waits: dict[int, tuple[int, tuple[int, ...]]] = {}
        self._failures: tuple[int, list[FailedTask]] = (0, [])
        self._runners: list[RunnerSeen] = []
        self._runners_at = -_RUNNERS_SECONDS
        self._memory: dict[int, int] = {}
        self._memory_at = -_MEMORY_SECONDS
        self._costs: deque[float] = deque(maxlen=3)

    @property
    def pause(self) -> float:
        """Return after how many seconds it may be read again, by what it cost last."""
        # the least of some: others may have kept the machine busy
        cost = min(self._costs, default=0.0)
        most = MOST_SECONDS if len(self._costs) == self._costs.maxlen else 1.0
        return min(max(LEAST_SECONDS, cost / MOST_COST), most)

    async def read(self) -> Overview:
        """Return how far the jobs are now."""
        monotonic = self._database.runtime.monotonic
        begun = monotonic()
        await self._database.renew()
        found = await self._read()
        self._costs.append(monotonic() - begun)
        return found

    async def read_counts(self) -> Overview:
        """Return the counts, the rate and the time left alone."""
        await self._database.renew()
        async with self._database.snapshot() as view:
            found, _ = await self._read_counts(view)
        return found

    async def _read(self) -> Overview:
        async with self._database.snapshot() as view:
            found, revisions = await self._read_counts(view)
            failures = await self._newest_failures(view, found.counts)
        named = await self._with_specs(found.jobs, revisions)
        return replace(
            found,
            jobs=named,
            running=self._measured(found.running),
            failures=failures,
            runners=await self._live_runners(),
        )

    async def _read_counts(self, view: View) -> tuple[Overview, dict[int, int]]:
        """Return how far jobs are, without names and what else is looked up; and the jobs' revisions."""
        now = self._database.runtime.time()
        counts, job_count = await progress.totals(view, self._scope)
        shown = await progress.heads(view, self._scope, await progress.shown_jobs(view, self._scope))
        running = await self._running(view, shown)
        found = [await self._job(view, head) for head in shown]
        self._pace.add(self._database.runtime.monotonic(), counts)
        overview = Overview(
            now,
            counts,
            found,
            job_count,
            running,
            rate=self._pace.rate if counts.get(Status.EXECUTING) else None,
            left=time_left(counts, found, running, now, self._pace),
        )
        return overview, {head.id: head.revision for head in shown}

    async def _job(self, view: View, head: JobHead) -> JobProgress:
        done = sum(head.counts.values())
        if head.finished_at is None:
            done -= sum(head.counts[one] for one in _OPEN)
            kept = self._spent.get(head.id)
            if kept is None or kept[0] != done:
                spent = Spent.of(await progress.seconds_spent(view, head.id)) if done else None
                self._spent[head.id] = (done, spent)
            spent = self._spent[head.id][1]
        elif head.is_array or head.started_at is None:
            spent = self._spent.get(head.id, (0, None))[1]
        else:
            spent = Spent.of([head.finished_at - head.started_at])
        return JobProgress(head.id, "", head.engine, head.counts, None, spent)

    async def _running(self, view: View, shown: list[JobHead]) -> list[RunningTask]:
        found: list[RunningTask] = []
        for head in shown:
            if count := min(head.counts[Status.EXECUTING], MOST_RUNNING - len(found)):
                found += await progress.running(view, head.id, count)
        return sorted(found, key=lambda task: task.started_at)

    async def _newest_failures(self, view: View, counts: Mapping[Status, int]) -> list[FailedTask]:
        if self._failures_since is None:
            return []
        count = counts.get(Status.FAILURE, 0)
        if count != self._failures[0]:
            found = await progress.newest_failures(view, self._scope, self._failures_since, MOST_FAILURES)
            self._failures = (count, found)
        return self._failures[1]

    async def _with_specs(self, found: Sequence[JobProgress], revisions: dict[int, int]) -> list[JobProgress]:
        """Return the jobs with their names and what was asked for, which is read where it changed."""
        changed = [one for one in revisions if self._specs.get(one, (None,))[0] != revisions[one]]
        if changed:
            specs: dict[int, JobSpec] = {}
            try:
                specs = await jobs.specs(self._database, changed)
            except JmanError:  # one is damaged: the others are shown with their names
                for job_id in changed:
                    with suppress(JmanError):
                        specs |= await jobs.specs(self._database, [job_id])
            waits = await schedule.dependencies(self._database, changed)
            for job_id in changed:
                self._specs[job_id] = (revisions[job_id], specs.get(job_id))
                others = tuple(one.job_id for one in waits.get(job_id, ()))
                self._waits[job_id] = (revisions[job_id], others)
        named = []
        for job in found:
            spec = self._specs[job.id][1]
            name = display_name(spec) if spec is not None else "?"
            waits_for = self._waits[job.id][1]
            named.append(JobProgress(job.id, name, job.engine, job.counts, spec, job.spent, waits_for))
        return named

    def _measured(self, running: Sequence[RunningTask]) -> list[RunningTask]:
        """Return the tasks with what they use of the memory, where this machine runs them."""
        host, monotonic = self._database.runtime.host(), self._database.runtime.monotonic()
        here = [task.pid for task in running[:_MOST_MEASURED] if task.pid and task.host == host]
        if monotonic - self._memory_at >= _MEMORY_SECONDS:
            self._memory_at = monotonic
            self._memory = memory_of_sessions(here)
        return [
            replace(
                task,
                is_local=task.host == host,
                memory=self._memory.get(task.pid or 0) if task.host == host else None,
                gpus=self._gpus_of(task),
            )
            for task in running
        ]

    def _gpus_of(self, task: RunningTask) -> str | None:
        """Return the GPUs that a task was given, as far as that was asked for with its job."""
        spec = self._specs[task.job_id][1]
        return spec.environment.get("CUDA_VISIBLE_DEVICES") if spec is not None else None

    async def _live_runners(self) -> list[RunnerSeen]:
        monotonic = self._database.runtime.monotonic()
        if monotonic - self._runners_at >= _RUNNERS_SECONDS:
            self._runners_at = monotonic
            self._runners = await live_runners(self._database)
        return self._runners


_OPEN = (Status.SUBMITTED, Status.WAITING, Status.QUEUED, Status.EXECUTING)


async def live_runners(database: Reader) -> list[RunnerSeen]:
    """Return the processes that run local tasks now, or may do so."""
    known = await runners.select(database)
    if not known:
        return []
    states = await lives(database)
    return [
        RunnerSeen(one.pid, one.host, one.parallel, one.output, one.started_at)
        for one in known
        if states.get(one.id) is not Life.DEAD
    ]
