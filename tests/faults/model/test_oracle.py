"""The oracle itself: each broken promise is seen, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from signal import SIGINT, SIGKILL

import pytest

from tests.faults.model.plan import (
    Delete,
    Execute,
    Need,
    Resubmit,
    Stop,
)
from tests.faults.model.story import Story

ALSO_SUCCESS = frozenset({"--also-success"})


def success_without_exit_0(story: Story) -> None:
    story.submit(1)
    execute = story.call(Execute(1))
    story.runs(1, execute, code=3)
    story.lists(j1="success")


def forgotten_success(story: Story) -> None:
    story.submit(1)
    execute = story.call(Execute(1))
    story.runs(1, execute)
    story.returns(execute)
    story.lists(j1="submitted")


def again_without_being_asked(story: Story) -> None:
    story.submit(1)
    execute = story.call(Execute(1))
    story.runs(1, execute)
    story.lists(j1="success")
    story.runs(1, execute, attempt=2)


def again_after_resubmit(story: Story) -> None:
    again = again_until_resubmit(story)
    story.runs(1, again, attempt=2)


def again_until_resubmit(story: Story) -> int:
    story.submit(1)
    execute = story.call(Execute(1))
    story.runs(1, execute)
    story.lists(j1="success")
    story.do(Resubmit((1,), ALSO_SUCCESS), 1)
    return execute


def again_after_a_refused_resubmit(story: Story) -> None:
    story.submit(1)
    execute = story.call(Execute(1))
    story.runs(1, execute)
    story.lists(j1="success")
    story.do(Resubmit((1, 9), ALSO_SUCCESS), 1, 9, code=2)
    story.runs(1, execute, attempt=2)


def again_as_the_execute_lives(story: Story) -> None:
    story.submit(1)
    first, second = story.call(Execute(1)), story.call(Execute(1))
    story.begin(1, first)
    story.runs(1, second)


def again_after_a_kill(story: Story) -> None:
    story.submit(1)
    first = story.call(Execute(1))
    story.begin(1, first)
    story.signal(first, SIGKILL)
    story.returns(first, -SIGKILL)
    second = story.call(Execute(1))
    story.runs(1, second, attempt=2)
    story.returns(second)


def again_after_a_stop(story: Story) -> None:
    story.submit(1)
    story.do(Stop((1,)), 1)
    story.runs(1, story.call(Execute(1)))


def again_after_a_stop_that_was_killed(story: Story) -> None:
    story.submit(1)
    stop = story.call(Stop((1,)), 1)
    story.signal(stop, SIGKILL)
    story.returns(stop, -SIGKILL)
    story.runs(1, story.call(Execute(1)))


def stopped_by_an_interrupt(story: Story) -> None:
    story.submit(1)
    execute = story.call(Execute(1))
    story.begin(1, execute)
    story.signal(execute, SIGINT)
    story.returns(execute, 130)
    story.lists(j1="stopped")


def stopped_by_nobody(story: Story) -> None:
    story.submit(1)
    story.begin(1, story.call(Execute(1)))
    story.lists(j1="stopped")


def lost_job(story: Story) -> None:
    story.submit(1)
    story.submit(2)
    story.lists(j2="submitted")


def lost_by_a_delete_that_was_killed(story: Story) -> None:
    story.submit(1)
    story.submit(2)
    delete = story.call(Delete((1,)), 1)
    story.signal(delete, SIGKILL)
    story.returns(delete, -SIGKILL)
    story.lists(j2="submitted")


def deleted_job_that_is_listed(story: Story) -> None:
    story.submit(1)
    story.do(Delete((1,)), 1)
    story.lists(j1="submitted")


def two_places_under_a_throttle_of_one(story: Story) -> None:
    story.submit(1, tasks=(1, 2), throttle=1)
    execute = story.call(Execute(2))
    first = story.begin(1, execute, task=1)
    story.runs(1, execute, task=2)
    story.end(1, execute, task=1, pid=first)


def in_order(kind: str, code: int) -> Callable[[Story], None]:
    """Job 2 depends on job 1, begins after its end, and is listed."""

    def tell(story: Story) -> None:
        story.submit(1)
        story.submit(2, needs=(Need(1, kind),))
        execute = story.call(Execute(2))
        story.runs(1, execute, code)
        story.runs(2, execute)
        story.lists(j1="success" if code == 0 else "failure", j2="success")

    return tell


def before_its_time(kind: str) -> Callable[[Story], None]:
    def tell(story: Story) -> None:
        story.submit(1)
        story.submit(2, needs=(Need(1, kind),))
        execute = story.call(Execute(2))
        first = story.begin(1, execute)
        story.runs(2, execute)
        story.end(1, execute, 3 if kind == "notok" else 0, pid=first)

    return tell


def pairs(*tasks: int) -> Callable[[Story], None]:
    """Task 1 of job 1 is a success, then these tasks of job 2 run, which is paired with it."""

    def tell(story: Story) -> None:
        story.submit(1, tasks=(1, 2))
        story.submit(2, tasks=(1, 2), needs=(Need(1, "corr"),))
        execute = story.call(Execute(2))
        story.runs(1, execute, task=1)
        for task in tasks:
            story.runs(2, execute, task=task)

    return tell


def reset_with_what_it_waits_for(story: Story) -> int:
    story.submit(1)
    story.submit(2, needs=(Need(1, "any"),))
    execute = story.call(Execute(2))
    story.runs(1, execute)
    story.runs(2, execute)
    story.lists(j1="success", j2="success")
    story.do(Resubmit((1, 2), ALSO_SUCCESS), 1, 2)
    return execute


def beside_what_it_waits_for(story: Story) -> None:
    execute = reset_with_what_it_waits_for(story)
    first = story.begin(1, execute, attempt=2)
    story.runs(2, execute, attempt=2)
    story.end(1, execute, attempt=2, pid=first)


def after_what_it_waits_for(story: Story) -> None:
    execute = reset_with_what_it_waits_for(story)
    story.runs(1, execute, attempt=2)
    story.runs(2, execute, attempt=2)


def decided_before_a_reset(story: Story, later: float = 0) -> None:
    """Job 2 was free to start when job 1 was reset by somebody else; its line comes ``later``."""
    story.submit(1)
    story.submit(2, needs=(Need(1, "any"),))
    execute = story.call(Execute(2))
    story.runs(1, execute)
    story.lists(j1="success", j2="submitted")
    story.do(Resubmit((1,), ALSO_SUCCESS), 1)
    story.moment += later
    story.runs(2, execute)


def long_after_a_reset(story: Story) -> None:
    decided_before_a_reset(story, later=60)


def skipped_for_a_failure(story: Story) -> None:
    story.submit(1)
    story.submit(2, needs=(Need(1, "ok"),))
    story.runs(1, story.call(Execute(2)), code=3)
    story.lists(j1="failure", j2="skipped")


def skipped_for_nothing(story: Story) -> None:
    story.submit(1)
    story.submit(2, needs=(Need(1, "ok"),))
    story.runs(1, story.call(Execute(2)))
    story.lists(j1="success", j2="skipped")


def exit_0_after_a_failure(story: Story) -> None:
    story.submit(1)
    execute = story.call(Execute(2))
    story.runs(1, execute, code=3)
    story.returns(execute, 0)


def usage_error_for_a_job_that_is_there(story: Story) -> None:
    story.submit(1)
    story.do(Stop((1,)), 1, code=2)


def left_at_the_end(story: Story) -> None:
    story.submit(1)
    story.do(Execute(4), code=1)
    story.lists(j1="submitted", final=True)


@pytest.mark.parametrize(
    ("tell", "words"),
    [
        (success_without_exit_0, "was listed as 'success': that can't be"),
        (forgotten_success, "was listed as 'submitted': that can't be"),
        (again_without_being_asked, "began, and nobody asked for it"),
        (again_after_a_refused_resubmit, "began, and nobody asked for it"),
        (again_as_the_execute_lives, "began, and nobody asked for it"),
        (again_after_a_stop, "began, and nobody asked for it"),
        (stopped_by_nobody, "was listed as 'stopped': that can't be"),
        (lost_job, "was listed as 'no job': that can't be"),
        (deleted_job_that_is_listed, "was listed as 'submitted': that can't be"),
        (two_places_under_a_throttle_of_one, "ran at once, the throttle is 1"),
        (before_its_time("ok"), "before its dependencies allowed it"),
        (before_its_time("any"), "before its dependencies allowed it"),
        (before_its_time("notok"), "before its dependencies allowed it"),
        (in_order("ok", 3), "before its dependencies allowed it"),
        (in_order("notok", 0), "before its dependencies allowed it"),
        (pairs(1, 2), "task 2.2: began"),
        (beside_what_it_waits_for, "before its dependencies allowed it"),
        (long_after_a_reset, "before its dependencies allowed it"),
        (skipped_for_nothing, "was listed as 'skipped': that can't be"),
        (exit_0_after_a_failure, "ended with 0, though these were not successes: 1.0"),
        (usage_error_for_a_job_that_is_there, "ended with 2, not [0]"),
        (left_at_the_end, "after an execute that should run all that can run"),
    ],
)
def test_what_is_seen(tell: Callable[[Story], None], words: str) -> None:
    story = Story()
    tell(story)
    assert words in story.found()


@pytest.mark.parametrize(
    "tell",
    [
        again_after_resubmit,
        again_after_a_kill,
        again_after_a_stop_that_was_killed,
        stopped_by_an_interrupt,
        lost_by_a_delete_that_was_killed,
        in_order("ok", 0),
        in_order("any", 0),
        in_order("any", 3),
        in_order("notok", 3),
        pairs(1),
        after_what_it_waits_for,
        decided_before_a_reset,
        skipped_for_a_failure,
    ],
)
def test_what_may_be(tell: Callable[[Story], None]) -> None:
    story = Story()
    tell(story)
    assert story.found() == ""
