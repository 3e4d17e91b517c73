"""What records, queue and accounting say together: case by case, and whatever order they come in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from asyncjman.engines.base import Observation, Saw, TaskRow, Watched
from asyncjman.engines.cluster.conclusions import VANISHED, View, conclude
from asyncjman.engines.cluster.records import Record, RecordKind
from asyncjman.engines.cluster.script_records import SKIPPED_STATUS
from asyncjman.engines.sge.accounting import AccountingRecord
from asyncjman.engines.sge.dialect import row_of as row_of_entry
from asyncjman.engines.sge.ends import end_of
from asyncjman.engines.sge.qstat import QueueEntry
from asyncjman.model.array import ArraySpec
from asyncjman.model.failure import Cause
from asyncjman.model.job import Task
from asyncjman.model.status import FINISHED, Status
from asyncjman.scheduler.observed import task_after

TOKEN = "0123456789abcd"
SUBMISSION = Watched(
    token=TOKEN, native_id="50", job_id=7, created_at=1000.0, maker_is_dead=False, array=None, tasks=(),
    default=Status.QUEUED, rows={}, ended=frozenset(), folder="/spool/7",
)  # fmt: skip
GRACE = 60.0
NAME = f"jm7_{TOKEN}_x"


@dataclass
class Findings:
    """What was concluded, as it would be stored."""

    tasks: list[tuple[Task, float | None]]
    rest: Status | None
    note: str | None
    ask_accounting: bool


def interpret(view: View) -> Findings:
    """Conclude, and put each observation on the row that it is about."""
    found = conclude(view)
    watched = view.watched
    tasks: dict[int, Task] = {}
    rest, note = None, watched.engine_state
    ordered = []
    for one in found.seen:
        if one.ref is None:
            if one.saw is Saw.SENT:
                note = one.engine_state
            else:
                rest = {Saw.PENDING: Status.QUEUED, Saw.HELD: Status.WAITING}[one.saw]
            continue
        row = watched.rows.get(one.ref.task_id) or TaskRow(1, watched.default, None, None)
        assert one.ref == (watched.job_id, one.ref.task_id, row.attempt)
        before = tasks.get(one.ref.task_id) or Task(
            job_id=7, task_id=one.ref.task_id, status=row.status, attempt=row.attempt,
            started_at=row.started_at,
        )  # fmt: skip
        after = task_after(before, one)
        if one.saw in (Saw.PENDING, Saw.HELD) and (after.status, row.missing_since) == (row.status, None):
            continue  # nothing new
        tasks[one.ref.task_id] = after
        ordered.append((after, one.missing_since))
    return Findings(ordered, None if rest is watched.default else rest, note, found.ask_accounting)


def view_of(**changes: object) -> View:
    names = {"rest": "default", "finished": "ended", "to_stop": "stop"}
    names |= {name: name for name in ("array", "rows", "elsewhere")}
    of_launch = {new: changes.pop(old) for old, new in names.items() if old in changes}
    watched = changes.pop("submission", SUBMISSION)._replace(**of_launch)  # type: ignore[attr-defined]
    entries = changes.pop("entries", ())
    rows = None if entries is None else [row_of_entry(one) for one in entries]  # type: ignore[attr-defined]
    values: dict[str, object] = {
        "watched": watched,
        "records": (),
        "rows": rows,
        "now": 2000.0,
        "grace": GRACE,
    }
    return View(**{**values, **changes})  # type: ignore[arg-type]


def record_of(kind: RecordKind = RecordKind.EXIT, task_id: int = 0, **changes: object) -> Record:
    values: dict[str, object] = {
        "job_id": 7,
        "attempt": 1,
        "native_id": "50",
        "host": "node",
        "time": 1500.0,
        "started_at": 1400.0,
        "exit_status": 0 if kind is RecordKind.EXIT else None,
    }
    return Record(kind=kind, task_id=task_id, **{**values, **changes})  # type: ignore[arg-type]


def entry_of(state_codes: str, *tasks: int) -> QueueEntry:
    some = tuple(range(one, one + 1) for one in tasks) or None
    return QueueEntry(native_id=50, name=NAME, state_codes=state_codes, tasks=some, started_at=1300.0)


def accounted(task_id: int = 0, failed: int = 0, exit_status: int = 0, name: str = NAME) -> Observation:
    record = AccountingRecord(
        native_id=50, task_id=task_id, name=name, owner="root", account="sge", failed=failed,
        failed_text="qmaster enforced h_rt, h_cpu, or h_vmem limit", exit_status=exit_status,
        started_at=1400.0, finished_at=1500.0,
    )  # fmt: skip
    return end_of(record)


def row_of(
    task_id: int = 0, status: Status = Status.EXECUTING, attempt: int = 1, since: float | None = None
) -> dict[int, TaskRow]:
    return {task_id: TaskRow(attempt, status, 1400.0, since)}


def last(found: Findings) -> dict[int, Task]:
    return {task.task_id: task for task, _ in found.tasks}


# -- case by case ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({"exit_status": 0}, Status.SUCCESS, None),
        ({"exit_status": 3}, Status.FAILURE, "exit status 3"),
        ({"exit_status": 99}, Status.FAILURE, "exit status 99"),
        ({"exit_status": 143}, Status.FAILURE, "exit status 143, as after SIGTERM"),
        ({"exit_status": None, "reason": "folder missing: /x"}, Status.FAILURE, "folder missing: /x"),
        ({"exit_status": None, "skipped_by": 3, "reason": "because"}, Status.SKIPPED, "because"),
    ],
)
@pytest.mark.parametrize("entries", [None, (), (entry_of("r"),), (entry_of("qw"),)])
def test_an_end_is_believed_whatever_the_queue_says(
    changes: dict[str, object], status: Status, reason: str | None, entries: Sequence[QueueEntry] | None
) -> None:
    found = interpret(view_of(records=[record_of(**changes)], entries=entries))  # type: ignore[arg-type]
    (task,) = last(found).values()
    assert (task.status, task.reason) == (status, reason)
    assert task.finished_at == 1500.0


def test_an_end_of_what_was_to_stop_is_a_stop_unless_it_succeeded() -> None:
    stopped = interpret(view_of(records=[record_of(exit_status=143)], to_stop=frozenset({0})))
    assert last(stopped)[0].status is Status.STOPPED
    done = interpret(view_of(records=[record_of()], to_stop=frozenset({0})))
    assert last(done)[0].status is Status.SUCCESS


@pytest.mark.parametrize("attempt", [1, 3])
def test_an_end_of_another_attempt_says_nothing(attempt: int) -> None:
    rows = row_of(status=Status.QUEUED, attempt=2)
    assert interpret(view_of(rows=rows, records=[record_of(attempt=attempt)], entries=None)).tasks == []


@pytest.mark.parametrize(
    ("state_codes", "rest", "note"),
    [
        ("hqw", Status.WAITING, "held"),
        ("Eqw", None, "error"),
        ("qw", None, None),
    ],
)
def test_pending(state_codes: str, rest: Status | None, note: str | None) -> None:
    found = interpret(view_of(entries=[entry_of(state_codes)]))
    assert (found.rest, found.note, found.tasks) == (rest, note, [])


@pytest.mark.parametrize(
    ("state_codes", "note"), [("r", None), ("t", None), ("s", "suspended"), ("dr", "being deleted")]
)
def test_running(state_codes: str, note: str | None) -> None:
    found = interpret(view_of(entries=[entry_of(state_codes)]))
    assert (last(found)[0].status, found.note) == (Status.EXECUTING, note)
    assert last(found)[0].started_at == 1300.0


def test_a_start_before_the_submission_is_the_whole_second_that_it_was_in() -> None:
    entry = entry_of("r")._replace(started_at=999.0)
    assert last(interpret(view_of(entries=[entry])))[0].started_at == 1000.0


def test_unknown_state_codes_change_nothing() -> None:
    assert interpret(view_of(entries=[entry_of("X")])).tasks == []


def test_a_start_is_not_believed_while_the_queue_says_pending() -> None:
    start = record_of(RecordKind.START)
    for rows in ({}, row_of(status=Status.QUEUED)):
        found = interpret(view_of(rows=rows, records=[start], entries=[entry_of("Rq")]))
        assert found.tasks == []
    found = interpret(view_of(records=[start], entries=None))
    assert last(found)[0].status is Status.EXECUTING


# -- what is missing ------------------------------------------------------------------------------


def test_one_absence_proves_nothing() -> None:
    for accounting in (
        None,
        {},
        {("50", 0): accounted()},
        {("50", 0): accounted(failed=100, exit_status=137)},
    ):
        found = interpret(view_of(rows=row_of(), accounting=accounting))
        ((task, since),) = found.tasks
        assert (task.status, since) == (Status.EXECUTING, 2000.0)


def test_a_young_job_is_not_missed() -> None:
    submission = SUBMISSION._replace(created_at=1990.0)
    assert interpret(view_of(submission=submission)).tasks == []


def test_no_answer_is_no_absence() -> None:
    assert interpret(view_of(rows=row_of(since=1.0), entries=None)).tasks == []


def test_accounting_is_asked_before_anything_is_given_up() -> None:
    rows = row_of(since=1.0)
    found = interpret(view_of(rows=rows))
    assert found.tasks == []
    assert found.ask_accounting
    given_up = interpret(view_of(rows=rows, accounting={}))
    ((task, since),) = given_up.tasks
    assert (task.status, since) == (Status.FAILURE, 1.0)
    assert task.reason is not None
    assert task.reason.startswith(VANISHED)
    assert task.cause is Cause.VANISHED
    known = interpret(view_of(rows=rows, accounting={("50", 0): accounted(failed=37, exit_status=137)}))
    ((task, since),) = known.tasks
    assert (task.status, task.signal, since) == (Status.FAILURE, 9, None)
    assert task.cause is Cause.TIMEOUT


def test_accounting_of_another_job_with_the_same_number_says_nothing() -> None:
    other = accounted(name="jm7_ffffffffffffff_x")
    found = interpret(view_of(rows=row_of(since=1.0), accounting={("50", 0): other}))
    assert last(found)[0].status is Status.FAILURE


def test_a_record_of_a_launch_that_was_taken_back_is_not_of_the_next_one() -> None:
    """It comes late, and its attempt has the same number: nobody knew that it had started."""
    waits = entry_of("qw")
    assert interpret(view_of(records=[record_of(native_id="49")], entries=[waits])).tasks == []
    ((task, _),) = interpret(view_of(records=[record_of()], entries=[waits])).tasks
    assert task.status is Status.SUCCESS


def test_what_may_have_been_skipped_is_corrected_by_its_record() -> None:
    accounting = {("50", 0): accounted(exit_status=SKIPPED_STATUS)}
    found = interpret(view_of(rows=row_of(since=1.0), accounting=accounting))
    ((task, missing_since),) = found.tasks
    assert (task.status, missing_since) == (Status.FAILURE, 1.0)


def test_what_is_listed_again_was_not_missing() -> None:
    for state_codes in ("r", "qw", "X", "dr"):
        found = interpret(view_of(rows=row_of(since=1.0), entries=[entry_of(state_codes)]))
        assert [since for _, since in found.tasks] == [None], state_codes
        assert last(found)[0].status not in FINISHED


def test_what_was_to_stop_and_is_missing_was_stopped() -> None:
    found = interpret(view_of(rows=row_of(), to_stop=frozenset({0})))
    assert last(found)[0].status is Status.STOPPED


def test_a_task_is_judged_by_its_own_submission_only() -> None:
    array = ArraySpec.parse("1-3")
    success = {("50", number): accounted(number) for number in (1, 2, 3)}
    sent_again = row_of(2, Status.QUEUED, attempt=2, since=1.0)
    to_be_sent = row_of(2, Status.SUBMITTED, attempt=1, since=1.0)
    for rows, elsewhere in ((sent_again, {2}), (sent_again, set()), (to_be_sent, set())):
        found = interpret(
            view_of(
                array=array, rows=rows, elsewhere=frozenset(elsewhere),
                records=[record_of(task_id=2)], accounting=success,
            )
        )  # fmt: skip
        assert 2 not in last(found)
    task_map = SUBMISSION._replace(native_id="60", tasks=(2,))
    found = interpret(view_of(submission=task_map, array=array, rows=sent_again, accounting=success))
    assert last(found)[2].status is Status.FAILURE  # accounting knows 50.2, not 60.1


@pytest.mark.parametrize("entries", [(), (entry_of("r"),), (entry_of("dr"),)])
def test_what_is_left_of_a_former_submission_says_nothing_of_the_next_attempt(
    entries: Sequence[QueueEntry],
) -> None:
    for rows, elsewhere in (
        (row_of(0, Status.QUEUED, attempt=2, since=1.0), {0}),
        (row_of(0, Status.SUBMITTED, attempt=2, since=1.0), set()),
    ):
        view = view_of(
            rows=rows, elsewhere=frozenset(elsewhere), entries=entries,
            records=[record_of()], accounting={("50", 0): accounted(exit_status=1)},
        )  # fmt: skip
        assert last(interpret(view)) == {}


def test_tasks_that_were_deleted_from_the_job_stay_so() -> None:
    array = ArraySpec.parse("1,3")
    found = interpret(
        view_of(array=array, entries=[entry_of("dr", 2), entry_of("r", 1)], records=[record_of(task_id=2)])
    )
    assert set(last(found)) == {1, 3}


@pytest.mark.parametrize(
    ("exit_status", "cause"), [(0, None), (1, Cause.EXIT), (137, Cause.SIGNAL), (143, Cause.SIGNAL)]
)
def test_causes_of_what_a_record_says(exit_status: int, cause: Cause | None) -> None:
    found = interpret(view_of(records=[record_of(exit_status=exit_status)]))
    assert last(found)[0].cause is cause


# -- whatever comes -------------------------------------------------------------------------------


def test_an_end_is_not_before_its_start() -> None:
    """Accounting has whole seconds, the record of the start has not."""
    rows = {0: TaskRow(1, Status.EXECUTING, 1500.7, 1900.0)}
    known = {("50", 0): replace(accounted(failed=100, exit_status=137), at=1500.0)}
    found = conclude(view_of(rows=rows, accounting=known))
    (one,) = (one for one in found.seen if one.saw is Saw.ENDED)
    assert (one.started_at, one.at) == (1500.7, 1500.7)
