"""Pace and time left, from counts."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncjman.model.progress import JobProgress, Pace, RunningTask, Spent, TimeLeft, time_left
from asyncjman.model.status import Status

NOW = 1000.0


def counts(**some: int) -> Mapping[Status, int]:
    return {Status(name): count for name, count in some.items()}


def left_of(
    jobs: list[JobProgress], running: list[RunningTask] | None = None, pace: Pace | None = None
) -> TimeLeft | None:
    total = {status: sum(job.counts.get(status, 0) for job in jobs) for status in Status}
    if pace is None:
        pace = Pace()
        pace.add(NOW, total)
    return time_left(total, jobs, running or [], NOW, pace)


def job(spent: Spent | None, job_id: int = 1, **some: int) -> JobProgress:
    return JobProgress(job_id, "job", "local", counts(**some), None, spent)


def test_tasks_that_take_long_count_by_slots() -> None:
    found = left_of([job(Spent(10, 60.0, 0.0), executing=4, submitted=16, success=10)])
    assert found is not None
    assert found.seconds == pytest.approx(20 * 60 / 4)
    assert not found.is_wide


def test_what_runs_already_is_not_counted_twice() -> None:
    running = [RunningTask(1, 1, 1, NOW - 45, "here"), RunningTask(1, 2, 1, NOW - 15, "here")]
    found = left_of([job(Spent(10, 60.0, 0.0), executing=2, success=10)], running)
    assert found is not None
    assert found.seconds == pytest.approx(45), "no sooner than the last one of them"


def test_short_tasks_count_by_the_rate() -> None:
    pace = Pace()
    for second in range(5):
        pace.add(NOW - 4 + second, counts(executing=2, success=100 * second, submitted=1000 - 100 * second))
    assert pace.rate == pytest.approx(100)
    found = left_of([job(Spent(100, 0.001, 0.0), executing=2, success=400, submitted=598)], pace=pace)
    assert found is not None
    assert found.seconds == pytest.approx(6)


def test_a_range_only_where_it_is_wide() -> None:
    few = left_of([job(Spent(3, 100.0, 80.0), executing=1, submitted=2, success=3)])
    many = left_of([job(Spent(100, 100.0, 80.0), executing=1, submitted=2000, success=100)])
    assert few is not None and few.is_wide
    assert many is not None and not many.is_wide


def test_nothing_is_said_of_what_nothing_is_known() -> None:
    assert left_of([job(None, executing=1, submitted=99)]) is None
    assert left_of([job(Spent(5, 1.0, 0.0), submitted=9, success=5)]) is None, "nothing runs"
    large = [job(Spent(9, 1.0, 0.0), success=9, executing=1), job(None, 2, submitted=1000)]
    assert left_of(large) is None, "most of it is of a kind that never ran"


@given(st.lists(st.tuples(st.floats(0.01, 100), st.integers(0, 50)), max_size=30))
def test_the_rate_is_never_negative(steps: list[tuple[float, int]]) -> None:
    pace, now = Pace(), 0.0
    for seconds, done in steps:
        now += seconds
        pace.add(now, counts(success=done, executing=1))
        assert pace.rate is None or pace.rate > 0
