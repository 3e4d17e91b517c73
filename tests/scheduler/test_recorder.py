"""Recorder and feed, on a real file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from asyncjman.errors import DatabaseProblem, EnvironmentProblem
from asyncjman.model.array import ArraySpec
from asyncjman.model.events import JobFinished, TaskFinished
from asyncjman.model.job import Task
from asyncjman.model.status import Status
from asyncjman.runtime import Runtime
from asyncjman.scheduler import feed as feed_module
from asyncjman.scheduler.bus import Bus
from asyncjman.scheduler.feed import Feed
from asyncjman.scheduler.recorder import Recorder
from asyncjman.scheduler.workload import Workload
from asyncjman.store import claims, jobs, runners, schedule, transitions
from asyncjman.store.database import Database, Transaction
from tests.making import add_jobs, add_runner, spec_of


class Desk:
    """A recorder, and what it said."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.bus = Bus()
        self.closed: dict[int, Status] = {}
        self.names: dict[int, str] = {}
        self.recorder = Recorder(database, self.bus, self.names, self.closed.update)
        self.workload = Workload(self.recorder)
        self.feed = Feed(database, self.workload, self.recorder, self.names)

    def settle_by(self, settle: Callable[[], Awaitable[None]]) -> Recorder:
        """Have what ends rest on brought to the disk in this way."""
        self.recorder = Recorder(self.database, self.bus, self.names, self.closed.update, settle=settle)
        return self.recorder

    async def enter(self) -> int:
        """Have a runner, whose claims are recorded; return its id."""
        runner = await add_runner(self.database)
        async with self.database.transaction() as tx:
            self.recorder.runner = await runners.get(tx, runner)
        return runner

    async def load(self) -> None:
        ids = await schedule.open_jobs(self.database)
        waits = await schedule.dependencies(self.database, ids)
        for job_id, one in (await schedule.summaries(self.database, ids)).items():
            self.workload.decide(self.workload.enroll(one, waits.get(job_id, ())), {}, {})

    async def claimed(self, runner: int, free: int) -> list[tuple[int, int]]:
        return [(one.job_id, one.task_id) for _, one in await self.feed.claim(runner, free)]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    database = await Database.open(tmp_path / "jobs.sql3", create=True)
    yield Desk(database)
    await database.close()


def ended(job_id: int = 1, task_id: int = 0, status: Status = Status.SUCCESS) -> Task:
    return Task(
        job_id=job_id,
        task_id=task_id,
        status=status,
        attempt=1,
        exit_status=0 if status is Status.SUCCESS else 1,
        host="here",
        started_at=10.0,
        finished_at=11.0,
    )


async def test_ends_are_stored_once_what_they_rest_on_is_on_the_disk(desk: Desk) -> None:
    await add_jobs(desk.database, spec_of(), spec_of())
    seen: list[Status] = []

    async def settle() -> None:
        seen.append((await jobs.get(desk.database, [1]))[0].status)

    await desk.settle_by(settle).claim(await desk.enter(), [(1, 0, None), (2, 0, None)], [], {})
    assert seen == []  # nothing ended
    for job_id in (1, 2):
        desk.recorder.task_finished(ended(job_id))
        await desk.recorder.flush()
    assert seen == [Status.QUEUED, Status.SUCCESS]


async def test_ends_that_rest_on_a_disk_with_an_error_are_tried_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_jobs(desk.database, spec_of())
    monkeypatch.setattr("asyncjman.scheduler.recorder.RETRY_SECONDS", 0)
    faults = [EnvironmentProblem("broken"), EnvironmentProblem("broken")]

    async def settle() -> None:
        if faults:
            raise faults.pop()

    await desk.settle_by(settle).claim(await desk.enter(), [(1, 0, None)], [], {})
    desk.recorder.task_finished(ended())
    await desk.recorder.flush()
    assert faults == []
    assert (await jobs.get(desk.database, [1]))[0].status is Status.SUCCESS


@pytest.mark.parametrize("problem", [EnvironmentProblem("broken"), RuntimeError("broken")])
async def test_whatever_goes_wrong_no_end_is_forgotten(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, problem: Exception
) -> None:
    await add_jobs(desk.database, spec_of(), spec_of())
    monkeypatch.setattr("asyncjman.scheduler.recorder.RETRY_SECONDS", 0)
    faults: list[Exception] = []

    async def settle() -> None:
        if faults:
            raise faults[0]

    await desk.settle_by(settle).claim(await desk.enter(), [(1, 0, None), (2, 0, None)], [], {})
    desk.recorder.task_finished(ended())
    faults.append(problem)
    with pytest.raises(type(problem), match="broken"):
        await desk.recorder.flush()
    assert (await jobs.get(desk.database, [1]))[0].status is Status.QUEUED
    faults.clear()
    desk.recorder.task_finished(ended(2))
    await desk.recorder.flush()
    assert [one.status for one in await jobs.get(desk.database, [1, 2])] == [Status.SUCCESS] * 2


async def test_what_is_flushed_is_in_the_file_and_published(desk: Desk) -> None:
    await add_jobs(desk.database, spec_of())
    await desk.recorder.claim(await desk.enter(), [(1, 0, None)], [], {})
    heard = desk.bus.subscribe()
    desk.recorder.task_finished(ended())
    assert (await jobs.get(desk.database, [1]))[0].status is Status.QUEUED
    await desk.recorder.flush()
    assert (await jobs.get(desk.database, [1]))[0].status is Status.SUCCESS
    assert desk.closed == {1: Status.SUCCESS}
    desk.bus.close()
    assert [type(event) async for event in heard] == [TaskFinished, JobFinished]


async def test_a_problem_that_passes_loses_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    await add_jobs(desk.database, spec_of())
    await desk.recorder.claim(await desk.enter(), [(1, 0, None)], [], {})
    monkeypatch.setattr("asyncjman.scheduler.recorder.RETRY_SECONDS", 0)
    store, faults = claims.end, [DatabaseProblem("disk full"), DatabaseProblem("disk full")]

    async def sometimes(tx: Transaction, runner: int | None, rows: list[Task]) -> None:
        await store(tx, runner, rows)
        if faults:
            raise faults.pop()

    monkeypatch.setattr(claims, "end", sometimes)
    heard = desk.bus.subscribe()
    desk.recorder.task_finished(ended())
    await desk.recorder.flush()
    assert faults == []
    assert (await jobs.get(desk.database, [1]))[0].status is Status.SUCCESS
    desk.bus.close()
    assert [type(event) async for event in heard] == [TaskFinished, JobFinished], "each once"


async def test_a_problem_that_stays_is_raised_and_nothing_published(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_jobs(desk.database, spec_of())
    monkeypatch.setattr("asyncjman.scheduler.recorder.RETRY_SECONDS", 0)
    tries = 0

    async def never(tx: Transaction, runner: int | None, rows: list[Task]) -> None:
        nonlocal tries
        tries += 1
        raise DatabaseProblem("disk full")

    monkeypatch.setattr(claims, "end", never)
    heard = desk.bus.subscribe()
    desk.recorder.task_finished(ended())
    with pytest.raises(DatabaseProblem, match="disk full"):
        await desk.recorder.flush()
    assert tries == 11
    desk.bus.close()
    assert [event async for event in heard] == []


async def test_jobs_share_the_slots_in_turn(desk: Desk) -> None:
    await add_jobs(desk.database, spec_of("9"), spec_of("9"), spec_of())
    await desk.load()
    runner = await desk.enter()
    assert await desk.claimed(runner, 5) == [(1, 1), (2, 1), (3, 0), (1, 2), (2, 2)]
    assert desk.feed.held == 5


async def test_nothing_is_claimed_ahead_before_the_pace_is_known(desk: Desk) -> None:
    await add_jobs(desk.database, spec_of("9"))
    await desk.load()
    runner = await desk.enter()
    assert len(await desk.claimed(runner, 1)) == 1
    assert await desk.claimed(runner, 1) == [], "what is held is enough for the free slot"
    desk.feed.dropped()
    assert await desk.claimed(runner, 0) == []


async def test_more_claimed_than_is_left_tells_that_others_submitted_some_again(desk: Desk) -> None:
    (job_id,) = await add_jobs(desk.database, spec_of("3"))
    await desk.load()
    runner = await desk.enter()
    for _, task_id in await desk.claimed(runner, 2):
        desk.recorder.task_finished(ended(job_id, task_id))
        desk.feed.dropped()
    await desk.recorder.flush()

    async def submit_again(task_id: int) -> None:
        async with desk.database.transaction() as tx:
            array = ArraySpec.parse("3")
            await transitions.reset(tx, job_id, [Status.SUCCESS], Status.SUBMITTED, array, 12.0, [task_id])

    await submit_again(1)
    desk.workload.job_deleted(job_id)
    await desk.load()
    await submit_again(2)
    assert not desk.feed.stale
    assert sorted(await desk.claimed(runner, 3)) == [(1, 1), (1, 2), (1, 3)]
    assert desk.feed.stale == {job_id}


async def test_short_tasks_are_claimed_ahead(desk: Desk) -> None:
    clock = [100.0]
    desk.database.runtime = Runtime(monotonic=lambda: clock[0])
    again = Feed(desk.database, desk.workload, desk.recorder, desk.names)
    desk.feed = again
    await add_jobs(desk.database, spec_of("100"), spec_of(None, 1), spec_of("5000"))
    await desk.load()
    runner = await desk.enter()
    for _ in range(20):
        again.started()
    clock[0] += 0.5  # 40 a second: 10 in a quarter of a second
    assert len(await desk.claimed(runner, 2)) == 12
    for _ in range(100_000):
        again.started()
    clock[0] += 0.5
    assert len(await desk.claimed(runner, 2)) <= feed_module.MAX_LOOK_AHEAD + 2


async def test_what_waits_is_claimed_only_when_its_turn_is_near(desk: Desk) -> None:
    clock = [100.0]
    desk.database.runtime = Runtime(monotonic=lambda: clock[0])
    desk.feed = Feed(desk.database, desk.workload, desk.recorder, desk.names)
    await add_jobs(desk.database, spec_of(), spec_of(None, 1), spec_of(None, 2))
    await desk.load()
    runner = await desk.enter()
    assert await desk.claimed(runner, 4) == [(1, 0)]
    for _ in range(20):
        desk.feed.started()
    clock[0] += 0.5
    # 40 a second: as deep as ten go in a quarter of one
    assert await desk.claimed(runner, 4) == [(2, 0), (3, 0)]


async def test_a_throttle_holds_for_all_runners_together(desk: Desk) -> None:
    await add_jobs(desk.database, spec_of("9%3"))
    second = Desk(desk.database)
    await desk.load()
    await second.load()
    mine, theirs = await desk.enter(), await second.enter()
    assert await desk.claimed(mine, 2) == [(1, 1), (1, 2)]
    taken: list[tuple[int, int]] = []
    for _ in range(3):
        taken += await second.claimed(theirs, 5)
        second.feed.room_for_all()
    assert len(taken) == 1, taken
    assert await desk.claimed(mine, 5) == []
    desk.recorder.task_finished(ended(1, 1))
    await desk.recorder.flush()
    second.feed.room_for_all()
    for _ in range(3):
        taken += await second.claimed(theirs, 5)
        second.feed.room_for_all()
    assert len(taken) == 2


async def test_two_feeds_take_each_task_once(desk: Desk) -> None:
    await add_jobs(desk.database, spec_of("40"), *[spec_of() for _ in range(10)])
    second = Desk(desk.database)
    await desk.load()
    await second.load()
    mine, theirs = await add_runner(desk.database), await add_runner(desk.database)
    taken: list[tuple[int, int]] = []
    for _ in range(60):
        for one, runner in ((desk, mine), (second, theirs)):
            new = await one.claimed(runner, 3)
            for _ in new:
                one.feed.dropped()
            taken += new
    assert sorted(taken) == [(1, n) for n in range(1, 41)] + [(n, 0) for n in range(2, 12)]
