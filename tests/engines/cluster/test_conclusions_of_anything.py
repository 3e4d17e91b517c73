"""Conclusions from anything that records, queue and accounting may say, in any order: no wrong success."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from asyncjman.engines.base import Observation
from asyncjman.engines.cluster.conclusions import VANISHED
from asyncjman.engines.cluster.records import Record, RecordKind
from asyncjman.engines.sge.qstat import QueueEntry
from asyncjman.model.array import ArraySpec
from asyncjman.model.job import Task
from asyncjman.model.status import FINISHED, Status
from tests.engines.cluster.test_conclusions import (
    SUBMISSION,
    Findings,
    accounted,
    entry_of,
    interpret,
    last,
    record_of,
    row_of,
    view_of,
)

TASKS = range(1, 5)
ARRAY = ArraySpec.parse("1-4")
STATE_CODES = st.text("drtqwhERsSTNPzfX", max_size=4)
RECORDS = st.lists(
    st.builds(
        record_of,
        st.sampled_from(RecordKind),
        st.integers(0, 6),
        attempt=st.integers(0, 3),
        exit_status=st.none() | st.integers(0, 300),
        reason=st.none() | st.just("because"),
    ),
    max_size=8,
)
ENTRIES = st.none() | st.lists(
    st.builds(
        lambda state_codes, tasks: entry_of(state_codes, *tasks), STATE_CODES, st.lists(st.integers(0, 6))
    ),
    max_size=5,
)
ACCOUNTING = st.none() | st.dictionaries(
    st.tuples(st.sampled_from(["49", "50"]), st.integers(0, 6)),
    st.builds(accounted, st.just(1), st.sampled_from([0, 37, 100]), st.sampled_from([0, 1, 137])),
)
ROWS = st.dictionaries(
    st.sampled_from(TASKS),
    st.tuples(
        st.sampled_from([one for one in Status if one not in FINISHED]),
        st.integers(1, 3),
        st.none() | st.floats(0, 2000),
    ),
)


@given(
    records=RECORDS, entries=ENTRIES, accounting=ACCOUNTING, rows=ROWS,
    task_map=st.sampled_from([(), (2, 4), (4,)]), finished=st.frozensets(st.sampled_from(TASKS)),
    to_stop=st.frozensets(st.sampled_from(TASKS)), rest=st.sampled_from(Status), now=st.floats(1000, 3000),
)  # fmt: skip
def test_no_wrong_success_and_no_error_whatever_comes(
    records: list[Record],
    entries: list[QueueEntry] | None,
    accounting: Mapping[tuple[str, int], Observation] | None,
    rows: dict[int, tuple[Status, int, float | None]],
    task_map: tuple[int, ...],
    finished: frozenset[int],
    to_stop: frozenset[int],
    rest: Status,
    now: float,
) -> None:
    submission = SUBMISSION._replace(tasks=task_map)
    known = {
        task_id: next(iter(row_of(task_id, status, attempt, since).values()))
        for task_id, (status, attempt, since) in rows.items()
        if task_id not in finished
    }
    view = view_of(
        submission=submission, array=ARRAY, records=records, entries=entries, accounting=accounting,
        rows=known, finished=finished, to_stop=to_stop, rest=rest, now=now,
    )  # fmt: skip
    found = interpret(view)
    for task, _ in found.tasks:
        assert task.task_id in ARRAY
        assert task.task_id not in finished
        before = known.get(task.task_id)
        attempt = before.attempt if before else 1
        assert task.attempt == attempt
        if task.status is Status.SUCCESS:
            number = task_map.index(task.task_id) + 1 if task.task_id in task_map else task.task_id
            own = any(
                one.kind is RecordKind.EXIT and one.exit_status == 0 and one.attempt == attempt
                for one in records
                if one.task_id == task.task_id
            )
            booked = (accounting or {}).get(("50", number))
            assert own or (
                booked is not None and booked.cause is None and before and before.missing_since is not None
            )
        if entries is None:
            assert task.reason is None or not task.reason.startswith(VANISHED)
    assert found.rest not in FINISHED


@given(data=st.data(), records=RECORDS, entries=st.lists(st.builds(entry_of, STATE_CODES, st.integers(1, 4))))
def test_the_order_of_what_is_seen_does_not_matter(
    data: st.DataObject, records: list[Record], entries: list[QueueEntry]
) -> None:
    # each file is there once
    records = list({(one.kind, one.task_id): one for one in records}.values())
    rows = row_of(1, since=1.0) | row_of(2, attempt=2, since=1.0)
    one = interpret(view_of(array=ARRAY, rows=rows, records=records, entries=entries, accounting={}))
    shuffled = view_of(
        array=ARRAY, rows=rows, records=data.draw(st.permutations(records)),
        entries=data.draw(st.permutations(entries)), accounting={},
    )  # fmt: skip
    other = interpret(shuffled)

    def ends(found: Findings) -> dict[int, Task]:
        return {task_id: task for task_id, task in last(found).items() if task.status in FINISHED}

    assert ends(one) == ends(other)
