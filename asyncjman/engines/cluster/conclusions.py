"""What a launch's records, the queue and accounting say together. Pure.

Records come first: they are written by the job script itself. The queue says what is pending,
running or held; a task that it doesn't list, and that left no record, is missing: one absence proves
nothing. Accounting decides then, and after a grace the task counts as failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from asyncjman.engines.base import IN_ERROR, Observation, Purpose, Ref, Saw, TaskRow, Watched
from asyncjman.engines.cluster.accounted import end_by_accounting
from asyncjman.engines.cluster.dialect import Accounting, Row
from asyncjman.engines.cluster.numbers import is_member, members, number_of, task_ids_of
from asyncjman.engines.cluster.queue_ends import Listed, end_of, is_for_queue, is_stale
from asyncjman.engines.cluster.recorded import ended_of, started_of
from asyncjman.engines.cluster.records import Record, RecordKind
from asyncjman.model.failure import Cause
from asyncjman.model.status import FINISHED, Status

VANISHED = "vanished from the cluster"
ASK_ACCOUNTING_SECONDS = 5.0
YOUNG_SECONDS = 20.0
"""A job may be unknown to the queue for a moment after it was submitted."""
_PENDING = (Saw.PENDING, Saw.HELD)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """All that is known of one launch, at one moment (``now``, seconds since 1970)."""

    watched: Watched
    records: Sequence[Record]
    rows: Sequence[Row] | None
    """What the queue says; None: it did not answer."""
    accounting: Accounting | None = None
    """What accounting says; None: it was not asked."""
    now: float
    grace: float
    queue_decides: bool = False
    """Whether an end that the queue lists outranks a record's."""


@dataclass(slots=True)
class Conclusions:
    """What is to be reported."""

    seen: list[Observation] = field(default_factory=list)
    ask_accounting: bool = False
    """Whether accounting may tell of a task that is missing."""

    @property
    def is_not_sent(self) -> bool:
        """Tell whether it is concluded that an intent was not carried out."""
        return any(one.saw is Saw.NOT_SENT for one in self.seen)


def conclude(view: View) -> Conclusions:
    """Conclude what became of a launch, or of an intent."""
    conclusions = Conclusions()
    watched = view.watched
    if watched.purpose is Purpose.LATE:
        conclusions.seen = [
            ended_of(watched, one) for one in _latest(view).values() if _is_late_end(watched, one)
        ]
    elif watched.native_id is None:
        conclusions.seen = _of_intent(view)
    else:
        _of_launch(view, conclusions)
    return conclusions


def _of_intent(view: View) -> list[Observation]:
    """Find out whether the cluster has it: by its name, or by what its script wrote.

    What an earlier launch left of these tasks was cleared before the intent was stored.
    """
    watched = view.watched
    native_id = next((row.native_id for row in view.rows or ()), None)
    if native_id is None:
        own = set(members(watched)) if watched.tasks else None
        native_id = next(
            (
                record.native_id
                for record in view.records
                if record.native_id is not None and (own is None or record.task_id in own)
            ),
            None,
        )
    if native_id is not None:
        return [Observation(watched.token, None, Saw.SENT, view.now, native_id=native_id)]
    if view.rows is not None and watched.maker_is_dead:
        return [Observation(watched.token, None, Saw.NOT_SENT, view.now)]
    return []


def _of_launch(view: View, conclusions: Conclusions) -> None:
    ended = _from_records(view, conclusions)
    if view.rows is None:
        return
    listed, engine_state = _from_queue(view, conclusions, ended)
    listed |= ended
    _judge_missing(view, conclusions, listed)
    if engine_state != view.watched.engine_state:
        state = Observation(view.watched.token, None, Saw.SENT, view.now, engine_state=engine_state)
        conclusions.seen.append(state)


def _latest(view: View) -> dict[int, Record]:
    """Return the record that counts of each task: of the latest attempt, and there of its end."""
    latest: dict[int, Record] = {}
    for record in view.records:
        if not is_member(view.watched, record.task_id) or not _is_by(view.watched, record):
            continue
        known = latest.get(record.task_id)
        if known is None or (record.attempt, record.kind is RecordKind.EXIT) > (
            known.attempt,
            known.kind is RecordKind.EXIT,
        ):
            latest[record.task_id] = record
    return latest


def _is_by(watched: Watched, record: Record) -> bool:
    """Tell whether a launch may have written a record: one that was taken back may do so late."""
    return not watched.native_id or record.native_id in (None, watched.native_id)


def _from_records(view: View, conclusions: Conclusions) -> set[int]:
    """Take in what the job script wrote; return the tasks that it says have ended."""
    ended: set[int] = set()
    latest = _latest(view)
    if not latest:
        return ended
    listed = {i: row for row in view.rows or () for i in task_ids_of(view.watched, row)}
    for task_id, record in latest.items():
        row, line = view.watched.rows.get(task_id), listed.get(task_id)
        if not _is_current(view, record, line):
            continue
        if record.kind is RecordKind.EXIT and not _is_for_queue(view, record, line):
            ended.add(task_id)
            conclusions.seen.append(ended_of(view.watched, record))
        elif line is not None and (line.saw in _PENDING or line.end is not None):
            continue  # what the queue says waits there, waits again where it had started before
        elif row is None or row.status is not Status.EXECUTING or row.started_at is None:
            conclusions.seen.append(started_of(view.watched, record, row))
    return ended


def _is_current(view: View, record: Record, line: Row | None) -> bool:
    """Tell whether a record is of the attempt, and of the run of it, that the task is at."""
    row = view.watched.rows.get(record.task_id)
    attempt = row.attempt if row else 1
    return (
        record.attempt == attempt and record.task_id not in view.watched.ended and not is_stale(record, line)
    )


def _is_for_queue(view: View, record: Record, line: Row | None) -> bool:
    return view.queue_decides and is_for_queue(
        record, line, answered=view.rows is not None, now=view.now, grace=view.grace
    )


def _is_late_end(watched: Watched, record: Record) -> bool:
    row = watched.rows.get(record.task_id)
    return row is not None and record.kind is RecordKind.EXIT and row.attempt == record.attempt


def _from_queue(view: View, conclusions: Conclusions, ended: set[int]) -> tuple[set[int], str | None]:
    """Take in what the queue lists; return the tasks that it lists, and what it says beyond our status."""
    watched = view.watched
    engine_state: str | None = None
    listed: set[int] = set()
    told = {one.ref.task_id for one in conclusions.seen if one.ref is not None} | ended | watched.ended
    queued = held = 0
    latest = _latest(view) if any(row.end is not None for row in view.rows or ()) else {}
    for row in view.rows or ():
        if row.engine_state and engine_state != IN_ERROR:
            engine_state = row.engine_state
        ids = task_ids_of(watched, row)
        if listed:
            listed.update(ids)
        else:
            listed = set(ids)  # half the time of adding what may be very many to an empty one
        if row.saw in _PENDING and row.end is None:
            # of those without a row nothing is said one by one: there may be very many
            count = len(ids) - len(ids & told)
            queued, held = (queued, held + count) if row.saw is Saw.HELD else (queued + count, held)
            ids = ids & watched.rows.keys()
        for task_id in sorted(ids):
            if task_id in told:
                continue
            known = watched.rows.get(task_id)
            if row.end is not None:
                conclusions.seen += _ended_there(view, task_id, row, latest.get(task_id))
            elif row.saw is None:
                if known is not None and known.missing_since is not None:
                    conclusions.seen.append(_there_again(view, task_id, known))
            elif row.saw is Saw.RUNNING:
                if known is None or known.status is not Status.EXECUTING or known.missing_since is not None:
                    conclusions.seen.append(_running(view, task_id, row, known))
            elif known is not None:
                ref = Ref(watched.job_id, task_id, known.attempt)
                conclusions.seen.append(Observation(watched.token, ref, row.saw, view.now, reason=row.reason))
    if queued + held and not watched.tasks and watched.default not in FINISHED:
        common = Saw.HELD if held > queued else Saw.PENDING
        conclusions.seen.append(Observation(watched.token, None, common, view.now))
    return listed, engine_state


def _ended_there(view: View, task_id: int, row: Row, record: Record | None) -> list[Observation]:
    """Say how a task ended that the queue lists as ended; nothing where its record is still to come."""
    known = view.watched.rows.get(task_id)
    assert row.end is not None
    if known is None and view.watched.default in FINISHED and row.end.saw is not Saw.ENDED:
        return []  # it was stopped, or skipped, before it started: that is known
    if record is not None and not _is_current(view, record, row):
        record = None
    listed = Listed(
        row=row,
        record=record,
        known=known,
        now=view.now,
        created_at=view.watched.created_at,
        grace=view.grace,
        is_stopped=task_id in view.watched.stop,
    )
    ref = Ref(view.watched.job_id, task_id, known.attempt if known else 1)
    ended = end_of(listed, ref, view.watched)
    return [ended] if ended is not None else []


def _there_again(view: View, task_id: int, known: TaskRow) -> Observation:
    """Say that a task never left the queue, which is all that an unknown state says."""
    states = {Status.EXECUTING: Saw.RUNNING, Status.WAITING: Saw.HELD}
    saw = states.get(known.status, Saw.PENDING)
    ref = Ref(view.watched.job_id, task_id, known.attempt)
    return Observation(view.watched.token, ref, saw, view.now, started_at=known.started_at)


def _running(view: View, task_id: int, row: Row, known: TaskRow | None) -> Observation:
    # the queue says it in whole seconds, which may be before it was submitted
    start = None if row.at is None else max(row.at, view.watched.created_at)
    return Observation(
        view.watched.token,
        Ref(view.watched.job_id, task_id, known.attempt if known else 1),
        Saw.RUNNING,
        view.now,
        started_at=known.started_at if known and known.started_at else start,
        host=row.host,
        is_unrecorded=known is None or known.status is not Status.EXECUTING,
    )


def _judge_missing(view: View, conclusions: Conclusions, known_of: set[int]) -> None:
    """Decide on tasks that the queue doesn't list and no record says have ended."""
    watched = view.watched
    reported = {one.ref.task_id: one for one in conclusions.seen if one.ref is not None}
    young = view.now - watched.created_at < min(YOUNG_SECONDS, view.grace)
    if not watched.tasks and watched.array is not None and len(known_of) == len(watched.array):
        return  # all of them: there may be very many
    for task_id in [one for one in members(watched) if one not in known_of]:
        if task_id in watched.ended or not is_member(watched, task_id):
            continue
        row = watched.rows.get(task_id)
        if row is None and watched.default in FINISHED:
            continue
        row = row or TaskRow(1, watched.default, None, None)
        if (start := reported.get(task_id)) is not None:
            row = row._replace(started_at=start.started_at)
        ref = Ref(watched.job_id, task_id, row.attempt)
        if task_id in watched.stop:
            conclusions.seen.append(_over(view, ref, row, Saw.STOPPED, "stopped"))
        elif not young:
            _judge_one(view, conclusions, ref, row)


def _judge_one(view: View, conclusions: Conclusions, ref: Ref, row: TaskRow) -> None:
    watched, since = view.watched, row.missing_since
    assert watched.native_id is not None
    key = (watched.native_id, number_of(watched.tasks, ref.task_id))
    accounted = (view.accounting or {}).get(key)
    if accounted is not None and accounted.token != watched.token:
        accounted = None  # another job that was given the same number
    if since is None:
        conclusions.seen.append(
            Observation(watched.token, ref, Saw.MISSING, view.now, missing_since=view.now)
        )
    elif accounted is not None:
        conclusions.seen.append(end_by_accounting(accounted, ref, row, since))
    elif view.now - since >= view.grace and view.accounting is not None:
        why = (
            ": neither a record nor accounting tells why"
            if row.started_at is not None
            else " before it started: somebody deleted it there, or it was lost"
        )
        ended = _over(view, ref, row, Saw.ENDED, VANISHED + why)
        ended.cause = Cause.VANISHED
        ended.missing_since = since
        conclusions.seen.append(ended)
    elif view.now - since >= min(ASK_ACCOUNTING_SECONDS, view.grace):
        conclusions.ask_accounting = True


def _over(view: View, ref: Ref, row: TaskRow, saw: Saw, reason: str) -> Observation:
    return Observation(view.watched.token, ref, saw, view.now, started_at=row.started_at, reason=reason)
