"""How tasks ended by a queue that lists ends, too: held against what the job script recorded. Pure.

The queue tells best why a task ended (a limit of time or memory, a node that failed), the record how:
its exit status, and times that are not whole seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from asyncjman.engines.base import Observation, Ref, Saw, TaskRow, Watched
from asyncjman.engines.cluster.dialect import Row
from asyncjman.engines.cluster.recorded import ended_of, usage_in
from asyncjman.engines.cluster.records import Record, RecordKind
from asyncjman.model.failure import Cause

QUEUE_SECONDS = 10.0
"""So long the queue may still list as active what its record says has ended."""
RECORD_SECONDS = 10.0
"""So long a record may take to be seen here (NFS) when the queue says already that the task has ended."""
_DECIDED_BY_QUEUE = frozenset({Cause.TIMEOUT, Cause.MEMORY, Cause.NODE, Cause.LAUNCH})


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """What is known of one task that the queue lists."""

    row: Row
    record: Record | None
    known: TaskRow | None
    now: float
    created_at: float
    grace: float
    is_stopped: bool
    """Whether a user asked to stop it."""


def is_stale(record: Record, row: Row | None) -> bool:
    """Tell whether a record is of an earlier run of a task that the cluster has started anew."""
    return row is not None and record.restart < row.restart


def is_for_queue(record: Record, row: Row | None, *, answered: bool, now: float, grace: float) -> bool:
    """Tell whether the end in a record is left to a queue that decides.

    One that does not answer may tell later why it failed; of a success it would say nothing else.
    """
    if not answered:
        return record.exit_status != 0 and record.skipped_by is None and now - record.time < grace
    if row is None:
        return False
    return row.end is not None or now - record.time < min(QUEUE_SECONDS, grace)


def end_of(listed: Listed, ref: Ref, watched: Watched) -> Observation | None:
    """Return how a task ended; None where its record is still waited for."""
    end = listed.row.end
    assert end is not None
    record = listed.record
    ended = record if record is not None and record.kind is RecordKind.EXIT else None
    if ended is not None and (ended.skipped_by is not None or not _decides(end)):
        return replace(ended_of(watched, ended), native_id=None)
    if ended is None and not _decides(end) and listed.now - end.at < min(RECORD_SECONDS, listed.grace):
        return None
    started = _started(listed, end)
    seen = replace(end, ref=ref, native_id=None, started_at=started, at=max(end.at, started or 0.0))
    if ended is not None:
        seen.at, seen.host = ended.time, ended.host or end.host
        seen.exit_status, seen.signal = ended.exit_status, ended.signal
        seen.usage = seen.usage or usage_in(ended)
    if seen.saw is Saw.STOPPED and listed.is_stopped:
        seen.reason = "stopped"
    return seen


def _decides(end: Observation) -> bool:
    return end.saw is not Saw.ENDED or end.cause in _DECIDED_BY_QUEUE


def _started(listed: Listed, end: Observation) -> float | None:
    if end.saw is Saw.SKIPPED:
        return None
    if listed.record is not None:
        return listed.record.started_at or listed.record.time
    if listed.known is not None and listed.known.started_at is not None:
        return listed.known.started_at
    # the queue says it in whole seconds, which may be before it was submitted
    return None if end.started_at is None else max(end.started_at, listed.created_at)
