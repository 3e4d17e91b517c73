"""Statuses: which one speaks for a job."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncjman.model.status import FINISHED, Status, roll_up

SUBMITTED, WAITING, QUEUED, EXECUTING = Status.SUBMITTED, Status.WAITING, Status.QUEUED, Status.EXECUTING
SUCCESS, FAILURE, STOPPED, SKIPPED = Status.SUCCESS, Status.FAILURE, Status.STOPPED, Status.SKIPPED


def test_the_words() -> None:
    words = ["submitted", "waiting", "queued", "executing", "success", "failure", "stopped", "skipped"]
    assert [str(one) for one in Status] == words


@pytest.mark.parametrize("status", Status)
def test_one_task_speaks_for_itself(status: Status) -> None:
    assert roll_up({status: 1}) is status


@pytest.mark.parametrize(
    ("some", "of_the_job"),
    [
        ({SUCCESS, FAILURE}, FAILURE),
        ({SUCCESS, STOPPED}, STOPPED),
        ({SUCCESS, SKIPPED}, SKIPPED),
        ({FAILURE, STOPPED, SKIPPED, SUCCESS}, FAILURE),
        ({STOPPED, SKIPPED}, STOPPED),
        ({EXECUTING, FAILURE}, EXECUTING),
        ({QUEUED, FAILURE}, QUEUED),
        ({SUBMITTED, FAILURE}, SUBMITTED),
        ({WAITING, SUCCESS}, WAITING),
        ({WAITING, SUBMITTED}, SUBMITTED),
        ({QUEUED, EXECUTING}, EXECUTING),
        (set(), SUBMITTED),
    ],
)
def test_roll_up(some: set[Status], of_the_job: Status) -> None:
    assert roll_up(dict.fromkeys(some, 2)) is of_the_job


COUNTS = st.dictionaries(st.sampled_from(Status), st.integers(0, 3))


@given(COUNTS)
def test_a_job_is_finished_when_all_its_tasks_are(counts: dict[Status, int]) -> None:
    there = {status for status, count in counts.items() if count}
    if there:
        assert (roll_up(counts) in FINISHED) is (there <= FINISHED)
        assert roll_up(counts) in there


@given(COUNTS)
def test_success_only_when_all_succeeded(counts: dict[Status, int]) -> None:
    there = {status for status, count in counts.items() if count}
    assert (roll_up(counts) is SUCCESS) is (there == {SUCCESS})
