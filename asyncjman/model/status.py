"""The one word for the state of a job or a task, everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Status(StrEnum):
    """Where a job or a task stands."""

    SUBMITTED = "submitted"
    """Stored; not claimed yet."""
    WAITING = "waiting"
    """Waits for the jobs that it depends on."""
    QUEUED = "queued"
    """Claimed by a runner, waits for a free slot."""
    EXECUTING = "executing"
    SUCCESS = "success"
    """Seen to end with exit status 0."""
    FAILURE = "failure"
    STOPPED = "stopped"
    """Ended, or kept from starting, because a user asked for it."""
    SKIPPED = "skipped"
    """Never started: a dependency did not do what the job asked of it."""


_ENDED = {"success": "succeeded", "failure": "failed", "stopped": "was stopped", "skipped": "was skipped"}


def in_words(status: Status) -> str:
    """Say it of a job or a task.

    >>> f"job 1 {in_words(Status.FAILURE)}, job 2 {in_words(Status.WAITING)}"
    'job 1 failed, job 2 is waiting'
    """
    return _ENDED.get(status, f"is {status}")


FINISHED = frozenset({Status.SUCCESS, Status.FAILURE, Status.STOPPED, Status.SKIPPED})
UNSUCCESSFUL = FINISHED - {Status.SUCCESS}

_ROLL_UP_ORDER = (
    Status.EXECUTING,
    Status.QUEUED,
    Status.SUBMITTED,
    Status.WAITING,
    Status.FAILURE,
    Status.STOPPED,
    Status.SKIPPED,
    Status.SUCCESS,
)


def roll_up(counts: Mapping[Status, int]) -> Status:
    """Return the status of a job from the number of its tasks in each status.

    A job is finished when all of its tasks are; then the worst of them speaks for it.
    """
    for status in _ROLL_UP_ORDER:
        if counts.get(status, 0) > 0:
            return status
    return Status.SUBMITTED
