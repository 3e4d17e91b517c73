"""Which statuses of a task may follow each other in one step."""

from __future__ import annotations

from collections.abc import Mapping

from asyncjman.model.status import FINISHED, Status

_NEXT: Mapping[Status, frozenset[Status]] = {
    Status.SUBMITTED: frozenset({Status.WAITING, Status.QUEUED, Status.STOPPED, Status.SKIPPED}),
    Status.WAITING: frozenset({Status.SUBMITTED, Status.QUEUED, Status.STOPPED, Status.SKIPPED}),
    Status.QUEUED: frozenset({Status.EXECUTING, Status.SUBMITTED, Status.WAITING}) | FINISHED,
    # back to queued: its runner tries it again; to submitted: its runner was lost, or somebody asked for that
    Status.EXECUTING: frozenset({Status.QUEUED, Status.SUBMITTED, Status.WAITING})
    | FINISHED - {Status.SKIPPED},
    **{status: frozenset({Status.SUBMITTED, Status.WAITING}) for status in FINISHED},
}


def may_follow(old: Status, new: Status) -> bool:
    """Tell whether a task may go from ``old`` to ``new`` in one step."""
    return new in _NEXT[old]
