"""What accounting's records say in neutral words: how tasks ended, and why."""

from __future__ import annotations

from asyncjman.engines.base import Observation, Saw
from asyncjman.engines.cluster.dialect import Accounting
from asyncjman.engines.cluster.names import token_in
from asyncjman.engines.sge.accounting import AccountingRecord, latest, parse_qacct
from asyncjman.engines.sge.failed import Failed
from asyncjman.model.failure import Cause
from asyncjman.model.job import Usage
from asyncjman.model.signals import signal_name
from asyncjman.system.tool import Completed

LOST = "lost by the node that ran it, or was to"
LIMIT = "a limit of the queue or the job was hit"


def accounting_of(done: Completed) -> Accounting:
    """Read what qacct printed; raises ParseError."""
    return {
        (str(native_id), number): end_of(record)
        for (native_id, number), record in latest(parse_qacct(done.stdout)).items()
    }


def end_of(record: AccountingRecord) -> Observation:
    """Return how a task ended by the last record of it; ``at`` is 0 where no time is known."""
    usage = None
    if record.cpu_seconds is not None:
        usage = Usage(record.cpu_seconds, record.peak_memory_bytes or 0)
    return Observation(
        token=token_in(record.name) or "",
        ref=None,
        saw=Saw.ENDED,
        at=record.finished_at or record.started_at or 0.0,
        started_at=record.started_at,
        exit_status=record.own_exit_status,
        signal=record.signal,
        cause=cause_of(record),
        reason=None if record.succeeded else _reason(record),
        host=record.host,
        native_id=str(record.native_id),
        usage=usage,
    )


def cause_of(record: AccountingRecord) -> Cause | None:
    """Return why a task failed; None where it did not."""
    if record.succeeded:
        return None
    match record.kind:
        case Failed.LIMIT:
            return Cause.TIMEOUT
        case Failed.SIGNAL if record.signal is not None:
            return Cause.SIGNAL
        case Failed.REFUSED:
            return Cause.LAUNCH
        case Failed.NO | Failed.OTHER:
            return Cause.EXIT
    return Cause.EXIT if record.own_exit_status is not None else Cause.NODE


def _reason(record: AccountingRecord) -> str:
    match record.kind:
        case Failed.LIMIT:
            ran = ""
            if record.started_at is not None and record.finished_at is not None:
                ran = f" after {record.finished_at - record.started_at:.0f} seconds"
            return f"{LIMIT}{ran} ({record.failed_text})"
        case Failed.SIGNAL if record.signal is not None:
            return f"killed by {signal_name(record.signal)} (by qdel, for its memory, or by hand)"
        case Failed.REFUSED:
            return f"it could not be started: {record.failure}"
        case Failed.NO:
            return f"exit status {record.exit_status}"
    if record.own_exit_status is not None:
        return f"exit status {record.exit_status} (and the cluster says: {record.failure})"
    if record.kind is Failed.OTHER:
        return f"failed on the cluster: {record.failure}"
    return f"{LOST}: {record.failure}"
