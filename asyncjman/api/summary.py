"""What a run did, and what is left after it: as the database says, so that all who look say the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from asyncjman.model.events import Event, JobFinished, TaskFinished
from asyncjman.model.job import LOCAL
from asyncjman.model.status import Status
from asyncjman.store import schedule
from asyncjman.store.database import Reader


@dataclass(slots=True)
class Summary:
    """What this run did."""

    counts: Counter[Status] = field(default_factory=Counter)
    """How many tasks ended, and how."""
    skipped_jobs: int = 0
    ended: dict[int, Status] = field(default_factory=dict)
    """Jobs that ended during it."""

    def add(self, event: Event) -> None:
        """Count an event."""
        if isinstance(event, TaskFinished):
            self.counts[event.task.status] += 1
        elif isinstance(event, JobFinished):
            self.ended[event.job_id] = event.status
            self.skipped_jobs += event.status is Status.SKIPPED


class Totals(NamedTuple):
    """How the tasks of some jobs are."""

    job_ids: tuple[int, ...]
    counts: Mapping[Status, int]
    cpu_seconds: float
    """What their latest attempts used."""


async def totals(database: Reader, only: Iterable[int] | None, since: float = 0.0) -> Totals:
    """Return how the tasks of local jobs (of ``only`` these) are that were open at a moment, or are.

    ``since``: in seconds since 1970; 0: whenever they ended.
    """
    ids = await schedule.concerned(database, LOCAL, only, since)
    counts, cpu = await schedule.task_counts(database, ids)
    return Totals(tuple(ids), counts, cpu)


class Unsuccessful(NamedTuple):
    """A job that is not a success, or not yet."""

    job_id: int
    status: Status
    waits_for: tuple[int, ...]
    """The unfinished jobs that it waits for."""


async def not_succeeded(database: Reader, only: Iterable[int] | None) -> list[Unsuccessful]:
    """Return the local jobs (of ``only`` these) that are not successes now, as they are stored."""
    ids = await schedule.not_succeeded(database, LOCAL, only)
    summaries = await schedule.summaries(database, ids)
    waits = await schedule.dependencies(database, [one.id for one in summaries.values() if not one.finished])
    others = {other.job_id for some in waits.values() for other in some}
    unfinished = {
        job_id for job_id, one in (await schedule.summaries(database, others)).items() if not one.finished
    }
    return [
        Unsuccessful(
            job_id, one.status, tuple(sorted({other.job_id for other in waits.get(job_id, ())} & unfinished))
        )
        for job_id, one in summaries.items()
    ]
