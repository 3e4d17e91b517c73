"""What one record of a job script says, as an observation. Pure."""

from __future__ import annotations

from asyncjman.engines.base import Observation, Ref, Saw, TaskRow, Watched
from asyncjman.engines.cluster.records import Record
from asyncjman.model.failure import Cause
from asyncjman.model.job import Usage
from asyncjman.model.signals import signal_name


def started_of(watched: Watched, record: Record, row: TaskRow | None) -> Observation:
    """Return that a task runs, as the record of its start says."""
    return Observation(
        watched.token,
        Ref(watched.job_id, record.task_id, record.attempt),
        Saw.RUNNING,
        record.time,
        started_at=record.started_at or record.time,
        host=record.host,
        missing_since=row.missing_since if row else None,
    )


def ended_of(watched: Watched, record: Record) -> Observation:
    """Return how a task ended, as the record of its end says, and nothing else."""
    saw, reason, cause = Saw.ENDED, record.reason, None
    if record.skipped_by is not None:
        saw = Saw.SKIPPED
    elif record.task_id in watched.stop and record.exit_status != 0:
        saw, reason = Saw.STOPPED, "stopped"
    elif record.exit_status != 0:
        cause = record.cause or (Cause.EXIT if record.signal is None else Cause.SIGNAL)
        if reason is None:
            reason = f"exit status {record.exit_status}"
            if record.signal is not None:
                reason += f", as after {signal_name(record.signal)}"
    return Observation(
        watched.token,
        Ref(watched.job_id, record.task_id, record.attempt),
        saw,
        record.time,
        started_at=None if saw is Saw.SKIPPED else record.started_at or record.time,
        exit_status=record.exit_status,
        signal=record.signal,
        cause=cause,
        reason=reason,
        host=record.host,
        usage=usage_in(record),
    )


def usage_in(record: Record) -> Usage | None:
    """Return what a record says that was used: the shell knows of no memory."""
    return None if record.cpu_seconds is None else Usage(record.cpu_seconds, 0)
