"""What a submission's records, the queue and accounting say together. Pure.

Records come first: they are written by the job script itself. The queue says what is pending,
running or held; a task that it doesn't list, and that left no record, is missing: one absence proves
nothing. Accounting decides then, and after a grace the task counts as failed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace

from asyncjman.executors.records import Record, RecordKind
from asyncjman.executors.sge.accounting import AccountingRecord
from asyncjman.executors.sge.failed import Failed
from asyncjman.executors.sge.letters import is_error, note_of, status_of
from asyncjman.executors.sge.qstat import QueueEntry
from asyncjman.model.array import ArraySpec
from asyncjman.model.failure import Cause
from asyncjman.model.job import PLAIN_TASK, Task
from asyncjman.model.signals import signal_name
from asyncjman.model.status import FINISHED, Status
from asyncjman.store.submissions import Submission

VANISHED = "vanished from the grid"
LOST = "lost by the node that ran it, or was to"
_LIMIT = "a limit of the queue or the job was hit"
ASK_ACCOUNTING_SECONDS = 5.0
YOUNG_SECONDS = 20.0
"""A job may be unknown to qstat for a moment after it was submitted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """All that is known of one submission, at one moment (``now``, seconds since 1970)."""

    submission: Submission
    array: ArraySpec | None
    rest: Status
    """The status of the job's tasks that have no row."""
    rows: Mapping[int, tuple[Task, float | None]]
    """Unfinished tasks that have a row, and since when they are missing."""
    finished: Set[int]
    """Tasks that ended, and whose end is known."""
    to_stop: Set[int]
    elsewhere: frozenset[int] = frozenset()
    """Tasks that a later submission is about."""
    records: Sequence[Record]
    entries: Sequence[QueueEntry] | None
    """What the queue says; None: it did not answer."""
    accounting: Mapping[tuple[int, int], AccountingRecord] | None = None
    """What accounting says; None: it was not asked."""
    now: float
    grace: float


@dataclass(slots=True)
class Findings:
    """What is to be stored."""

    tasks: list[tuple[Task, float | None]] = field(default_factory=list)
    rest: Status | None = None
    note: str | None = None
    ask_accounting: bool = False
    """Whether accounting may tell of a task that is missing."""


def interpret(view: View) -> Findings:
    """Conclude what the tasks of a submission are doing."""
    found = Findings()
    pending = _pending(view)
    ended = _from_records(view, found, pending)
    if view.entries is None:
        found.note = view.submission.note
        return found
    listed = _from_queue(view, found, ended)
    _judge_missing(view, found, ended, listed)
    return found


def has_known_end(task: Task) -> bool:
    """Tell whether anybody saw a finished task end; if not, its time is the one when it was missed."""
    return task.cause not in (Cause.VANISHED, Cause.NODE)


def members(submission: Submission, array: ArraySpec | None) -> Iterable[int]:
    """Return the task ids of a submission, but for those that were deleted from the job."""
    if submission.mapped:
        return [task_id for task_id in submission.mapped if array is None or task_id in array]
    return array if array is not None else (PLAIN_TASK,)


def _pending(view: View) -> set[int]:
    """Return the tasks that the queue says wait there: again, where they had started before."""
    return {
        task_id
        for entry in view.entries or ()
        if status_of(entry.letters) in (Status.QUEUED, Status.WAITING)
        for task_id in _task_ids(view, entry)
    }


def _from_records(view: View, found: Findings, pending: set[int]) -> set[int]:
    """Take in what the job script wrote; return the tasks that it says have ended."""
    latest: dict[int, Record] = {}
    for record in view.records:
        if not _is_member(view, record.task_id):
            continue
        known = latest.get(record.task_id)
        if known is None or (record.attempt, record.kind is RecordKind.EXIT) > (
            known.attempt,
            known.kind is RecordKind.EXIT,
        ):
            latest[record.task_id] = record
    ended: set[int] = set()
    for task_id, record in latest.items():
        row = view.rows.get(task_id)
        attempt = row[0].attempt if row else 1
        if record.attempt != attempt or task_id in view.finished:
            continue
        if record.kind is RecordKind.EXIT:
            ended.add(task_id)
            found.tasks.append((_ended(view, record), None))
        elif task_id not in pending and (
            row is None or row[0].status is not Status.EXECUTING or row[0].started_at is None
        ):
            found.tasks.append((_started(view, record), row[1] if row else None))
    return ended


def _started(view: View, record: Record) -> Task:
    return Task(
        job_id=view.submission.job_id,
        task_id=record.task_id,
        attempt=record.attempt,
        status=Status.EXECUTING,
        host=record.host,
        started_at=record.started_at or record.time,
    )


def _ended(view: View, record: Record) -> Task:
    status, reason = record.status, record.reason
    if record.task_id in view.to_stop and status is not Status.SUCCESS:
        status, reason = Status.STOPPED, "stopped"
    elif status is Status.FAILURE and reason is None:
        reason = f"exit status {record.exit_status}"
        if record.signal is not None:
            reason += f", as after {signal_name(record.signal)}"
    return Task(
        job_id=view.submission.job_id,
        task_id=record.task_id,
        attempt=record.attempt,
        status=status,
        exit_status=record.exit_status,
        signal=record.signal,
        reason=reason,
        host=record.host,
        started_at=None if status is Status.SKIPPED else record.started_at or record.time,
        finished_at=record.time,
        cause=_cause(status, record.signal),
    )


def _cause(status: Status, signal: int | None) -> Cause | None:
    if status is not Status.FAILURE:
        return None
    return Cause.EXIT if signal is None else Cause.SIGNAL


def _from_queue(view: View, found: Findings, ended: set[int]) -> set[int]:
    """Take in what the queue lists; return the tasks that it lists."""
    assert view.entries is not None
    listed: set[int] = set()
    told = {task.task_id for task, _ in found.tasks}
    pending: list[tuple[int, Status]] = []
    for entry in view.entries:
        status = status_of(entry.letters)
        if note := note_of(entry.letters):
            found.note = found.note if found.note == "error" else note
        for task_id in _task_ids(view, entry):
            listed.add(task_id)
            row = view.rows.get(task_id)
            if status is None and row is not None and row[1] is not None and task_id not in told:
                found.tasks.append((row[0], None))
            if status is None or task_id in ended or task_id in told or task_id in view.finished:
                continue
            if status is Status.EXECUTING:
                _note_running(view, found, task_id, entry)
            else:
                pending.append((len(pending), status))
                back = (status, _reason(entry), None)
                if row is not None and (row[0].status, row[0].reason, row[1]) != back:
                    task = replace(row[0], status=status, reason=back[1], started_at=None, host=None)
                    found.tasks.append((task, None))
    statuses = [status for _, status in pending]
    if statuses and not view.submission.mapped and view.rest not in FINISHED:
        common = max(set(statuses), key=statuses.count)
        found.rest = common if common is not view.rest else None
    return listed


def _note_running(view: View, found: Findings, task_id: int, entry: QueueEntry) -> None:
    row = view.rows.get(task_id)
    if row is None:
        task = Task(
            job_id=view.submission.job_id,
            task_id=task_id,
            attempt=1,
            status=Status.EXECUTING,
            host=entry.host,
            started_at=_start(view, entry),
        )
        found.tasks.append((task, None))
    elif row[0].status is not Status.EXECUTING or row[1] is not None:
        started = row[0].started_at or _start(view, entry)
        task = replace(row[0], status=Status.EXECUTING, reason=None, host=entry.host, started_at=started)
        found.tasks.append((task, None))


def _start(view: View, entry: QueueEntry) -> float | None:
    """Return when it started: the queue says it in whole seconds, which may be before it was submitted."""
    return None if entry.started_at is None else max(entry.started_at, view.submission.created_at)


def _judge_missing(view: View, found: Findings, ended: set[int], listed: set[int]) -> None:
    """Decide on tasks that the queue doesn't list and no record speaks of."""
    if view.submission.grid_id is None:
        return
    told = {task.task_id: task for task, _ in found.tasks}
    young = view.now - view.submission.created_at < min(YOUNG_SECONDS, view.grace)
    for task_id in members(view.submission, view.array):
        if task_id in listed or task_id in ended or task_id in view.finished:
            continue
        if not _is_member(view, task_id):
            continue
        row = view.rows.get(task_id)
        if row is None and view.rest in FINISHED:
            continue
        task, since = row or (_untouched(view, task_id), None)
        task = told.get(task_id, task)
        if task_id in view.to_stop:
            found.tasks.append((_over(task, view.now, Status.STOPPED, "stopped"), None))
        elif not young:
            _judge_one(view, found, task, since)


def _judge_one(view: View, found: Findings, task: Task, since: float | None) -> None:
    number = _number(view.submission, task.task_id)
    assert view.submission.grid_id is not None
    accounted = (view.accounting or {}).get((view.submission.grid_id, number))
    if accounted is not None and f"_{view.submission.token}" not in accounted.name:
        accounted = None  # another job that was given the same number
    if since is None:
        found.tasks.append((task, view.now))
    elif accounted is not None:
        # what was lost stays marked as missing: it may live on, and its record corrects this
        ended = from_accounting(task, accounted, since)
        found.tasks.append((ended, None if has_known_end(ended) else since))
    elif view.now - since >= view.grace and view.accounting is not None:
        why = (
            ": neither a record nor accounting tells why"
            if task.started_at is not None
            else " before it started: somebody deleted it there (qdel), or it was lost"
        )
        ended = replace(_over(task, view.now, Status.FAILURE, VANISHED + why), cause=Cause.VANISHED)
        # it stays marked as missing: a record that comes late corrects this
        found.tasks.append((ended, since))
    elif view.now - since >= min(ASK_ACCOUNTING_SECONDS, view.grace):
        found.ask_accounting = True


def from_accounting(task: Task, record: AccountingRecord, missing_since: float) -> Task:
    """Return a task as accounting says it ended; the program's own record is missing."""
    ended = replace(
        task,
        status=Status.SUCCESS if record.succeeded else Status.FAILURE,
        exit_status=record.own_exit_status,
        signal=record.signal,
        reason=None if record.succeeded else _accounting_reason(record),
        cause=None if record.succeeded else _accounting_cause(record),
        host=record.host or task.host,
        started_at=task.started_at or record.started_at,
    )
    if not has_known_end(ended):
        # it counts as an attempt also where it came no further than to its node
        return replace(ended, started_at=ended.started_at or missing_since, finished_at=missing_since)
    return replace(
        ended,
        finished_at=record.finished_at or record.started_at or missing_since,
        cpu_seconds=record.cpu_seconds,
        peak_memory_bytes=record.peak_memory_bytes,
    )


def _accounting_reason(record: AccountingRecord) -> str:
    match record.kind:
        case Failed.LIMIT:
            ran = ""
            if record.started_at is not None and record.finished_at is not None:
                ran = f" after {record.finished_at - record.started_at:.0f} seconds"
            return f"{_LIMIT}{ran} ({record.failed_text})"
        case Failed.SIGNAL if record.signal is not None:
            return f"killed by {signal_name(record.signal)} (by qdel, for its memory, or by hand)"
        case Failed.REFUSED:
            return f"it could not be started: {record.failure}"
        case Failed.NO:
            return f"exit status {record.exit_status}"
    if record.own_exit_status is not None:
        return f"exit status {record.exit_status} (and the grid says: {record.failure})"
    if record.kind is Failed.OTHER:
        return f"failed on the grid: {record.failure}"
    return f"{LOST}: {record.failure}"


def _accounting_cause(record: AccountingRecord) -> Cause:
    match record.kind:
        case Failed.LIMIT:
            # of memory h_vmem is only a limit of the address space (no allocation beyond it): time it is
            return Cause.TIMEOUT
        case Failed.SIGNAL if record.signal is not None:
            return Cause.SIGNAL
        case Failed.REFUSED:
            return Cause.LAUNCH
    if record.kind in (Failed.NO, Failed.OTHER) or record.own_exit_status is not None:
        return Cause.EXIT
    return Cause.NODE


def _task_ids(view: View, entry: QueueEntry) -> Iterable[int]:
    """Yield the tasks that an entry is about, but for those that were deleted from the job."""
    submission = view.submission
    if entry.tasks is None:
        numbers: Iterable[int] = (1 if submission.mapped else PLAIN_TASK,)
    else:
        numbers = (number for one in entry.tasks for number in one)
    for number in numbers:
        if submission.mapped and not 0 < number <= len(submission.mapped):
            continue
        task_id = submission.task_id(number)
        if _is_member(view, task_id):
            yield task_id


def _is_member(view: View, task_id: int) -> bool:
    row = view.rows.get(task_id)
    # a task that is to be sent again, or was, is no more this submission's
    if task_id in view.elsewhere or (row is not None and row[0].status is Status.SUBMITTED):
        return False
    if view.array is None:
        return task_id == PLAIN_TASK
    if row is not None and row[0].attempt > 1 and not view.submission.mapped:
        return False
    return task_id in view.array


def _number(submission: Submission, task_id: int) -> int:
    return submission.mapped.index(task_id) + 1 if submission.mapped else task_id


def _untouched(view: View, task_id: int) -> Task:
    return Task(job_id=view.submission.job_id, task_id=task_id, attempt=1, status=view.rest)


def _over(task: Task, now: float, status: Status, reason: str) -> Task:
    return replace(task, status=status, reason=reason, finished_at=now)


def _reason(entry: QueueEntry) -> str | None:
    return "in error state on the grid (jman why tells more)" if is_error(entry.letters) else None
