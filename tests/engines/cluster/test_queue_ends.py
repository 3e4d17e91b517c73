"""Ends that a queue lists, against what the job scripts recorded."""

from __future__ import annotations

import pytest

from asyncjman.engines.base import Observation, Saw, TaskRow
from asyncjman.engines.cluster.conclusions import View, conclude
from asyncjman.engines.cluster.dialect import Row
from asyncjman.engines.cluster.records import Record, RecordKind, parse_record
from asyncjman.model.failure import Cause
from asyncjman.model.status import Status
from tests.engines.cluster.test_conclusions import TOKEN, record_of, view_of

NOW = 2000.0
RUNNING = {0: TaskRow(1, Status.EXECUTING, 1400.0, None)}


def end(saw: Saw = Saw.ENDED, cause: Cause | None = None, **changes: object) -> Observation:
    values = {"started_at": 1399.0, "at": 1501.0, "host": "n1", "native_id": "50"}
    return Observation(TOKEN, None, saw, cause=cause, **{**values, **changes})  # type: ignore[arg-type]


def row(ended: Observation | None = None, saw: Saw | None = None, restart: int = 0) -> Row:
    return Row("50", TOKEN, (), None if ended else saw or Saw.RUNNING, restart=restart, end=ended)


def view(*rows: Row, records: tuple[Record, ...] = (), now: float = NOW, **changes: object) -> View:
    made = view_of(records=records, now=now, **changes)
    return View(
        watched=made.watched, records=records, rows=rows, now=now, grace=made.grace, queue_decides=True
    )


def seen(it: View) -> list[tuple[Saw, Cause | None, int | None, str | None]]:
    return [(one.saw, one.cause, one.exit_status, one.reason) for one in conclude(it).seen]


def test_the_queue_says_why_and_the_record_how() -> None:
    timeout = end(cause=Cause.TIMEOUT, reason="too long")
    it = view(row(timeout), records=(record_of(exit_status=7),))
    assert seen(it) == [(Saw.ENDED, Cause.TIMEOUT, 7, "too long")]
    (one,) = conclude(it).seen
    assert (one.started_at, one.at, one.host) == (1400.0, 1500.0, "node")


def test_a_success_of_the_record_does_not_outrank_a_limit_of_memory() -> None:
    it = view(row(end(cause=Cause.MEMORY, reason="memory")), records=(record_of(),))
    assert seen(it) == [(Saw.ENDED, Cause.MEMORY, 0, "memory")]


@pytest.mark.parametrize("cause", [None, Cause.EXIT, Cause.SIGNAL])
def test_a_record_tells_best_how_it_ended_by_itself(cause: Cause | None) -> None:
    skipped = record_of(exit_status=None, skipped_by=3, reason="because of job 3")
    assert seen(view(row(end(cause=cause)), records=(skipped,)))[0][0] is Saw.SKIPPED
    missing = record_of(exit_status=None, reason="folder missing: /x")
    it = view(row(end(cause=cause, exit_status=1)), records=(missing,))
    assert seen(it) == [(Saw.ENDED, Cause.EXIT, None, "folder missing: /x")]


def test_a_record_is_waited_for_where_it_tells_best() -> None:
    success = end(exit_status=0)
    assert seen(view(row(success), rows=RUNNING, now=1505.0)) == []
    assert seen(view(row(success), rows=RUNNING, now=1512.0)) == [(Saw.ENDED, None, 0, None)]
    node = end(cause=Cause.NODE, reason="its node failed")
    assert seen(view(row(node), rows=RUNNING, now=1501.0)) == [(Saw.ENDED, Cause.NODE, None, node.reason)]


def test_the_queue_is_waited_for_where_it_decides() -> None:
    record = record_of(exit_status=143, time=1998.0)
    assert seen(view(row(), records=(record,), rows=RUNNING)) == []
    late = view(row(), records=(record,), rows=RUNNING, now=2009.0)
    assert seen(late)[0][:3] == (Saw.ENDED, Cause.SIGNAL, 143)
    gone = view(records=(record,), rows=RUNNING)
    assert seen(gone)[0][:3] == (Saw.ENDED, Cause.SIGNAL, 143), "the queue has forgotten it"


def test_a_queue_that_does_not_answer_is_waited_for_where_it_may_say_why() -> None:
    record = record_of(exit_status=143, time=1998.0)
    silent = View(
        watched=view(rows=RUNNING).watched, records=(record,), rows=None, now=NOW, grace=60.0,
        queue_decides=True,
    )  # fmt: skip
    assert seen(silent) == []
    assert seen(View(**{**_fields(silent), "now": 2059.0}))[0][0] is Saw.ENDED  # type: ignore[arg-type]
    success = View(**{**_fields(silent), "records": (record_of(time=1998.0),)})  # type: ignore[arg-type]
    assert seen(success) == [(Saw.ENDED, None, 0, None)]


def _fields(it: View) -> dict[str, object]:
    return {name: getattr(it, name) for name in View.__slots__}


def test_cancelled_by_us_and_by_others() -> None:
    cancelled = end(Saw.STOPPED, reason="cancelled on the cluster")
    record = record_of(exit_status=0)
    assert seen(view(row(cancelled), records=(record,))) == [(Saw.STOPPED, None, 0, cancelled.reason)]
    ours = view(row(cancelled), records=(record,), to_stop=frozenset({0}))
    assert seen(ours) == [(Saw.STOPPED, None, 0, "stopped")]


def test_what_was_stopped_before_it_started_is_told_once() -> None:
    cancelled = end(Saw.STOPPED, reason="cancelled on the cluster", started_at=None)
    assert seen(view(row(cancelled), rest=Status.STOPPED)) == []
    assert seen(view(row(cancelled), rest=Status.QUEUED))[0][0] is Saw.STOPPED
    # what ran all the same is told
    assert seen(view(row(end(exit_status=0)), rest=Status.STOPPED))[0][:2] == (Saw.ENDED, None)


def test_a_job_that_the_cluster_started_anew() -> None:
    record = record_of(exit_status=143)
    waits = view(row(saw=Saw.PENDING, restart=1), records=(record,), rows=RUNNING)
    assert [one[0] for one in seen(waits)] == [Saw.PENDING, Saw.PENDING]
    runs = view(row(restart=1), records=(record,))
    assert [one[0] for one in seen(runs)] == [Saw.RUNNING]
    ended = view(row(end(exit_status=0), restart=1), records=(record,), now=1502.0)
    assert seen(ended) == [], "the record of the second run is still to come"
    second = record_of(exit_status=0, restart=1)
    assert seen(view(row(end(exit_status=0), restart=1), records=(second,)))[0][:3] == (Saw.ENDED, None, 0)


def test_a_record_tells_its_restart() -> None:
    text = "jman 1\njob 7\ntask 0\nattempt 1\ngrid 50\nhost n\n{}time 5\nexit_status 0\nend\n"
    for line, restart in (("restart 2\n", 2), ("", 0)):
        record = parse_record(RecordKind.EXIT, text.format(line))
        assert record is not None
        assert record.restart == restart
