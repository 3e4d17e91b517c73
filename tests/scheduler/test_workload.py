"""What follows from what happened: no file, no process, no clock."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from asyncjman.model.array import ArraySpec
from asyncjman.model.graph import Dependency, Kind, Verdict
from asyncjman.model.status import FINISHED, Status
from asyncjman.scheduler.job_state import JobState, Line
from asyncjman.scheduler.workload import Workload
from asyncjman.store.schedule import JobSummary

OK, FAILED, STOPPED, SKIPPED = Status.SUCCESS, Status.FAILURE, Status.STOPPED, Status.SKIPPED


class Noted:
    """Decisions, as they came."""

    def __init__(self) -> None:
        self.ready: list[int] = []
        self.skipped: list[tuple[int, tuple[int, ...]]] = []

    def job_ready(self, job_id: int) -> None:
        self.ready.append(job_id)

    def skip(self, job_id: int, reason: str, task_ids: tuple[int, ...] = ()) -> None:
        assert reason
        self.skipped.append((job_id, task_ids))


def summary(
    job_id: int,
    array: str | None = None,
    *,
    stop_on_failure: bool = False,
    rows: dict[Status, int] | None = None,
) -> JobSummary:
    """Return a job whose tasks are submitted, but for those in ``rows``."""
    count = len(ArraySpec.parse(array)) if array else 1
    rows = rows or {}
    counts = dict(rows)
    if left := count - sum(rows.values()):
        counts[Status.SUBMITTED] = counts.get(Status.SUBMITTED, 0) + left
    return JobSummary(
        id=job_id,
        engine="local",
        name=f"job{job_id}",
        array=array,
        task_count=count,
        default_status=Status.SUBMITTED,
        next_index=0,
        stop_on_failure=stop_on_failure,
        finished=counts.keys() <= FINISHED,
        counts=counts,
        rows=rows,
    )


class World:
    """A workload, and the words to move it with."""

    def __init__(self) -> None:
        self.noted = Noted()
        self.load = Workload(self.noted)

    def add(
        self,
        job_id: int,
        *after: int,
        array: str | None = None,
        kind: Kind = Kind.ANY,
        stop_on_failure: bool = False,
        ended: Iterable[JobSummary] = (),
        counterparts: dict[int, list[tuple[int, Status]]] | None = None,
    ) -> JobState:
        job = self.load.enroll(
            summary(job_id, array, stop_on_failure=stop_on_failure),
            tuple(Dependency(one, kind) for one in after),
        )
        self.load.decide(job, {one.id: one for one in ended}, counterparts or {})
        return job

    def renew(
        self, now: JobSummary, *after: int, kind: Kind = Kind.ANY, ended: Iterable[JobSummary] = ()
    ) -> JobState:
        """Have the workload hear what the store says of a job now."""
        job = self.load.enroll(now, tuple(Dependency(one, kind) for one in after))
        self.load.decide(job, {one.id: one for one in ended}, {})
        return job

    def take(self, job: JobState, count: int = 1) -> list[int]:
        ids = job.give(count)
        self.load.claimed(job, len(ids))
        return ids

    def end(self, job: JobState, status: Status, task_id: int = 0) -> None:
        self.load.task_ended(job, task_id, status)

    def run(self, job: JobState, status: Status) -> None:
        """Claim and end the one task of a job."""
        assert job.line is Line.READY
        job.line = None
        assert not job.undecided
        assert self.take(job) == [0]
        self.end(job, status)

    @property
    def ready(self) -> list[int]:
        return self._in(Line.READY)

    @property
    def soon(self) -> list[int]:
        return self._in(Line.SOON)

    @property
    def lined_up(self) -> list[int]:
        """Return the jobs that may be claimed, from either line."""
        return [*self.ready, *self.soon]

    def _in(self, line: Line) -> list[int]:
        return [job.id for job in self.load.lines[line] if job.line is line]

    @property
    def left(self) -> list[int]:
        return sorted(self.load.jobs)


@pytest.fixture
def world() -> World:
    return World()


def test_a_chain_runs_one_after_the_other(world: World) -> None:
    chain = [world.add(1), world.add(2, 1), world.add(3, 2)]
    for place, job in enumerate(chain):
        assert world.lined_up == [job.id]
        world.run(job, OK)
        assert world.left == [one.id for one in chain[place + 1 :]]
    assert world.noted.ready == [2, 3]
    assert world.noted.skipped == []


def test_a_diamond_waits_for_both_sides(world: World) -> None:
    top, left, right, bottom = world.add(1), world.add(2, 1), world.add(3, 1), world.add(4, 2, 3)
    world.run(top, OK)
    assert world.lined_up == [2, 3]
    world.run(right, OK)
    assert world.lined_up == [2]
    assert bottom.undecided == {2}
    world.run(left, FAILED)
    assert world.lined_up == [4]
    assert world.noted.ready == [2, 3, 4]


@pytest.mark.parametrize(
    ("kind", "status", "stop_on_failure", "goes"),
    [
        (Kind.ANY, FAILED, False, True),
        (Kind.ANY, FAILED, True, False),
        (Kind.OK, OK, True, True),
        (Kind.OK, FAILED, False, False),
        (Kind.OK, STOPPED, False, False),
        (Kind.NOTOK, OK, False, False),
        (Kind.NOTOK, FAILED, True, True),
    ],
)
def test_each_kind(world: World, kind: Kind, status: Status, stop_on_failure: bool, goes: bool) -> None:
    first = world.add(1, stop_on_failure=stop_on_failure)
    world.add(2, 1, kind=kind)
    world.run(first, status)
    assert world.lined_up == ([2] if goes else [])
    assert world.noted.skipped == ([] if goes else [(2, ())])
    assert world.left == ([2] if goes else [])


def test_a_failure_skips_all_that_follow(world: World) -> None:
    first = world.add(1, stop_on_failure=True)
    for job_id in (2, 3, 4):
        world.add(job_id, job_id - 1)
    world.add(5)
    world.add(6, 2, 5)
    world.run(first, FAILED)
    assert sorted(world.noted.skipped) == [(2, ()), (3, ()), (4, ()), (6, ())]
    assert world.left == world.ready == [5]


def test_one_skip_is_enough_and_comes_at_once(world: World) -> None:
    first = world.add(1)
    world.add(2)
    world.add(3, 1, 2, kind=Kind.OK)
    world.run(first, FAILED)
    assert world.noted.skipped == [(3, ())]
    assert world.left == [2]


def test_a_job_is_skipped_once(world: World) -> None:
    first, second = world.add(1), world.add(2)
    third = world.add(3, 1, 2, kind=Kind.OK, array="4")
    world.run(first, FAILED)
    world.run(second, FAILED)
    assert world.noted.skipped == [(3, ())]
    assert third.finished[SKIPPED] == 4


def test_an_array_ends_with_its_last_task(world: World) -> None:
    array = world.add(1, array="3")
    world.add(2, 1, kind=Kind.OK)
    assert world.take(array, 2) == [1, 2]
    assert world.take(array, 2) == [3]
    world.end(array, OK, 1)
    world.end(array, FAILED, 2)
    assert world.noted.skipped == []
    world.end(array, OK, 3)
    assert world.noted.skipped == [(2, ())]


def test_paired_tasks_go_one_by_one(world: World) -> None:
    first = world.add(1, array="4")
    second = world.add(2, 1, kind=Kind.CORR, array="2-4")
    assert not second.may_give
    first.line = None
    world.take(first, 4)
    assert world.soon == []
    for task_id in (3, 1):
        world.end(first, OK, task_id)
    assert world.ready == [2]
    assert world.take(second, 9) == [3]
    world.end(first, FAILED, 2)
    assert world.noted.skipped == [(2, (2,))]
    world.end(first, OK, 4)
    assert world.take(second, 9) == [4]
    assert second.left == 2
    world.end(second, OK, 3)
    world.end(second, OK, 4)
    assert world.left == []


def test_pairs_with_two_arrays_wait_for_both(world: World) -> None:
    first, second = world.add(1, array="2"), world.add(2, array="2")
    third = world.add(3, 1, 2, kind=Kind.CORR, array="2")
    world.take(first, 2)
    world.take(second, 2)
    world.end(first, OK, 1)
    world.end(second, OK, 2)
    assert world.take(third, 9) == []
    world.end(second, OK, 1)
    assert world.take(third, 9) == [1]
    world.end(first, STOPPED, 2)
    assert world.noted.skipped == [(3, (2,))]
    world.end(third, OK, 1)
    assert world.left == []


def test_a_pair_added_after_its_counterpart_ended(world: World) -> None:
    ended = summary(1, "3", rows={OK: 2, FAILED: 1})
    job = world.add(
        2, 1, kind=Kind.CORR, array="3", ended=[ended], counterparts={1: [(1, OK), (2, FAILED), (3, OK)]}
    )
    assert world.ready == [2]
    assert world.take(job, 9) == [1, 3]
    assert world.noted.skipped == [(2, (2,))]


def test_what_was_taken_up_ahead_lets_the_next_be_soon(world: World) -> None:
    array = world.add(1, array="2")
    world.add(2, 1)
    world.add(3, 2)
    world.take(array, 1)
    assert world.soon == []
    world.take(array, 1)
    assert world.soon == [2]
    world.load.claimed(world.load.jobs[2], 1)
    assert world.soon == [2, 3]


def test_a_job_with_another_dependency_outside_is_not_soon(world: World) -> None:
    first = world.add(1)
    world.add(3, 1, 2)
    world.take(first)
    assert world.soon == []


@pytest.mark.parametrize(("status", "goes"), [(OK, True), (FAILED, False)])
async def test_the_gate_of_tasks_taken_up_ahead(world: World, status: Status, goes: bool) -> None:
    first, second = world.add(1), world.add(2, 1, kind=Kind.OK)
    world.take(first)
    gate = second.gate = asyncio.get_running_loop().create_future()
    world.take(second)
    assert world.load.verdict(second, 0) is Verdict.WAIT
    world.end(first, status)
    assert gate.done()
    assert world.load.verdict(second, 0) is (Verdict.GO if goes else Verdict.SKIP)
    assert world.left == [2], "a task is held: it must be told that it is skipped"
    world.end(second, OK if goes else SKIPPED)
    assert world.left == []


@pytest.mark.parametrize(
    ("status", "goes"), [(OK, True), (FAILED, False), (STOPPED, False), (SKIPPED, False)]
)
def test_a_job_added_after_its_dependency_ended(world: World, status: Status, goes: bool) -> None:
    world.add(2, 1, kind=Kind.OK, ended=[summary(1, rows={status: 1})])
    assert world.ready == ([2] if goes else [])
    assert world.noted.skipped == ([] if goes else [(2, ())])


def test_an_end_between_the_two_steps_of_adding_is_not_missed(world: World) -> None:
    first = world.add(1)
    second = world.load.enroll(summary(2), (Dependency(1, Kind.OK),))
    world.run(first, OK)
    world.load.decide(second, {}, {})
    assert world.ready == [2]


def test_a_job_that_ended_and_runs_again_is_waited_for(world: World) -> None:
    world.run(world.add(1), FAILED)
    again = world.add(1)
    world.add(2, 1, kind=Kind.OK)
    assert world.lined_up == [1]
    world.run(again, OK)
    assert world.lined_up == [2]


def test_dependents_of_a_job_that_is_open_again_wait_again(world: World) -> None:
    first, second = world.add(1), world.add(2, 1, array="4")
    world.run(first, FAILED)
    world.take(second, 2)
    world.add(1)
    assert world.load.dependents(1) == [2]
    world.renew(summary(2, "4", rows={Status.QUEUED: 2}), 1)
    assert world.ready == [1]
    assert world.load.verdict(second, 1) is Verdict.WAIT
    assert not world.load.is_next(second), "nobody holds job 1: its tasks are not to be waited for"


def test_a_paired_task_whose_counterpart_runs_again_waits_again(world: World) -> None:
    first = world.add(1, array="2")
    second = world.add(2, 1, array="2", kind=Kind.CORR)
    world.take(first, 2)
    world.end(first, OK, 1)
    assert world.take(second) == [1]
    assert world.load.verdict(second, 1) is Verdict.GO
    world.renew(summary(2, "2", rows={Status.QUEUED: 1}), 1, kind=Kind.CORR)
    assert world.load.verdict(second, 1) is Verdict.WAIT


def test_a_job_that_nobody_here_knows_is_waited_for(world: World) -> None:
    world.add(2, 1)
    assert (world.ready, world.soon) == ([], [])
    assert world.load.is_waited_for(1)
    world.load.job_ended(1, OK, stop_on_failure=False)
    assert world.ready == [2]


def test_a_task_given_back_makes_the_next_no_longer_sure(world: World) -> None:
    first = world.add(1)
    world.take(first)
    assert first.all_taken
    world.load.task_released(first)
    assert not first.all_taken


def test_a_job_of_which_more_is_held_than_was_left_has_not_ended(world: World) -> None:
    """A task of it was submitted again, and claimed, before it was known that it is open."""
    first = world.add(1, array="2")
    world.add(2, 1)
    world.take(first, 2)
    world.load.claimed(first, 1)
    world.end(first, OK, 1)
    world.end(first, OK, 2)
    assert world.left == [1, 2]
    assert 2 not in world.ready
    world.end(first, OK, 1)
    assert world.left == [2]
    assert 2 in world.ready


def test_what_others_did_is_taken_over(world: World) -> None:
    array = world.add(1, array="4")
    world.renew(summary(1, "4", rows={OK: 3, Status.EXECUTING: 1}))
    assert array.left == 1
    assert not array.may_give
    world.renew(summary(1, "4", rows={OK: 3, FAILED: 1}))
    assert world.left == []


def test_a_million_tasks_are_given_a_few_at_a_time(world: World) -> None:
    array = world.add(1, array="1-1000000")
    assert world.take(array, 3) == [1, 2, 3]
    assert world.take(array, 2) == [4, 5]
    assert array.left == 1_000_000


def test_a_skipped_job_of_which_others_hold_a_task_has_not_ended(world: World) -> None:
    """Else the counterpart of the task that is held would be skipped, too."""
    world.add(2, 1, array="2", kind=Kind.OK)
    third = world.add(3, 2, array="2", kind=Kind.CORR)
    stopped = summary(1, rows={STOPPED: 1})
    world.renew(summary(2, "2", rows={Status.QUEUED: 1, OK: 1}), 1, kind=Kind.OK, ended=[stopped])
    assert world.left == [2, 3]
    assert third.left == 2
    assert world.noted.skipped == [(2, ())]
