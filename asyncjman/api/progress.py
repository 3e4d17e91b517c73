"""How far jobs are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from asyncjman.model.job import Job
from asyncjman.model.status import FINISHED, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How many tasks of some jobs there are, have ended, and run. A ``chunk`` of inputs is one task.

    >>> Progress(total=8, ended=6, succeeded=5, failed=1, running=2).fraction
    0.75
    """

    total: int
    ended: int
    succeeded: int
    failed: int
    """Ended, and not with success: also what was stopped or skipped."""
    running: int

    @classmethod
    def of(cls, jobs: Iterable[Job]) -> Progress:
        counts: Counter[Status] = Counter()
        for job in jobs:
            counts.update(job.counts)
        ended = sum(counts[status] for status in FINISHED)
        return cls(
            total=sum(counts.values()),
            ended=ended,
            succeeded=counts[Status.SUCCESS],
            failed=ended - counts[Status.SUCCESS],
            running=counts[Status.EXECUTING],
        )

    @property
    def fraction(self) -> float:
        """Return which part has ended, from 0 to 1; 1 where there is nothing to do."""
        return self.ended / self.total if self.total else 1.0
