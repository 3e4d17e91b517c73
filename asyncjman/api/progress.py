"""How far jobs are, for a program."""

from __future__ import annotations

from dataclasses import dataclass

from asyncjman.model.progress import Overview
from asyncjman.model.status import Status


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
    rate: float | None = None
    """Tasks that end in a second, by what the looks before have seen; None as long as that is not known."""
    seconds_left: float | None = None
    """Until all has ended, as estimated; None where nothing runs, or nothing has ended yet to tell by."""

    @classmethod
    def of(cls, seen: Overview) -> Progress:
        succeeded = seen.counts.get(Status.SUCCESS, 0)
        return cls(
            total=seen.total,
            ended=seen.done,
            succeeded=succeeded,
            failed=seen.done - succeeded,
            running=seen.executing,
            rate=seen.rate,
            seconds_left=seen.left.seconds if seen.left else None,
        )

    @property
    def fraction(self) -> float:
        """Return which part has ended, from 0 to 1; 1 where there is nothing to do."""
        return self.ended / self.total if self.total else 1.0
