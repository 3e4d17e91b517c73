"""What is to be stored next, in one transaction."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from asyncjman.model.events import Event, TaskFinished, TaskRetried, TaskStarted
from asyncjman.model.job import Task
from asyncjman.model.status import Status
from asyncjman.scheduler.resolving import resolve_dependents
from asyncjman.scheduler.skips import Skip, store_skips
from asyncjman.store import claims, schedule, transitions
from asyncjman.store.database import Transaction


@dataclass(slots=True)
class Batch:
    """What is to be stored next."""

    started: dict[tuple[int, int], tuple[float, int, str, int, int, int]] = field(default_factory=dict)
    job_starts: dict[int, float] = field(default_factory=dict)
    finished: list[Task] = field(default_factory=list)
    retried: list[Task] = field(default_factory=list)
    released: list[tuple[int, int]] = field(default_factory=list)
    ready: list[int] = field(default_factory=list)
    skipped: list[Skip] = field(default_factory=list)
    touched: set[int] = field(default_factory=set)
    events: list[Event] = field(default_factory=list)
    has_skips: bool = False
    """Whether something is skipped: that holds only once it is stored. Somebody may submit again meanwhile
    what it depends on."""
    claims: dict[tuple[int, int], int | None] = field(default_factory=dict)
    """What all this rests on: (job id, task id) with the attempt that the store has before this batch."""

    def leave_out(self, lost: Collection[tuple[int, int]]) -> None:
        """Take out what rests on claims that are another's by now."""
        self.started = {key: row for key, row in self.started.items() if key not in lost}
        self.finished = [one for one in self.finished if (one.job_id, one.task_id) not in lost]
        self.retried = [one for one in self.retried if (one.job_id, one.task_id) not in lost]
        self.released = [key for key in self.released if key not in lost]
        self.events = [one for one in self.events if _key_of(one) not in lost]

    def add(self, later: Batch) -> None:
        """Take in what came after this one."""
        for task in (*later.finished, *later.retried):
            self.started.pop((task.job_id, task.task_id), None)
        self.started |= later.started
        for job_id, start in later.job_starts.items():
            self.job_starts.setdefault(job_id, start)
        self.finished += later.finished
        self.retried += later.retried
        self.released += later.released
        self.ready += later.ready
        self.skipped += later.skipped
        self.touched |= later.touched
        self.has_skips = self.has_skips or later.has_skips
        self.events += later.events
        self.claims = later.claims | self.claims

    @property
    def is_empty(self) -> bool:
        return not (
            self.started
            or self.finished
            or self.retried
            or self.released
            or self.ready
            or self.skipped
            or self.touched
        )


def _key_of(event: Event) -> tuple[int, int] | None:
    """Return which task an event tells of, None where it is a job."""
    if isinstance(event, TaskFinished | TaskRetried):
        return event.task.job_id, event.task.task_id
    return (event.job_id, event.task_id) if isinstance(event, TaskStarted) else None


async def store(tx: Transaction, runner: int | None, batch: Batch) -> tuple[dict[int, Status], set[int]]:
    """Store a batch; return the status of each job that has finished by it, and the jobs of which something
    was to be skipped that no dependency skips any more.
    """
    await transitions.set_ready(tx, batch.ready)
    await claims.retry(tx, runner, batch.retried)
    await claims.start(tx, runner, list(batch.started.values()))
    await transitions.mark_jobs_started(tx, [(start, job_id) for job_id, start in batch.job_starts.items()])
    skipped = [task for task in batch.finished if task.status is Status.SKIPPED]
    finished = [task for task in batch.finished if task.status is not Status.SKIPPED] if skipped else None
    await claims.end(tx, runner, batch.finished if finished is None else finished)
    now = tx.runtime.time()
    stopped = await claims.release(tx, runner, batch.released, now)
    touched = batch.touched | stopped
    closed = await transitions.close_jobs(tx, touched, now) if touched else []
    if stopped:
        closed += await resolve_dependents(tx, closed)  # this runner may be ending: nobody else would
    refused: set[int] = set()
    if skipped or batch.skipped:
        more, refused = await store_skips(tx, runner, skipped, batch.skipped, now)
        closed += more
    summaries = await schedule.summaries(tx, closed) if closed else {}
    return {job_id: summary.status for job_id, summary in summaries.items()}, refused
