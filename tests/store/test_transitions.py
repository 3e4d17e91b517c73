"""Tasks: claimed by one runner only, recorded, counted, reset."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import replace

import pytest

from asyncjman.model.array import ArraySpec
from asyncjman.model.job import Task
from asyncjman.model.status import FINISHED, Status
from asyncjman.store import claims, jobs, runners, schedule, tasks, transitions
from asyncjman.store.claims import Claim
from asyncjman.store.database import Database
from tests.making import add_jobs, add_runner, spec_of


def ended(job_id: int, task_id: int, status: Status, *, attempt: int = 1, cpu: float = 0.5) -> Task:
    return Task(
        job_id=job_id,
        task_id=task_id,
        status=status,
        attempt=attempt,
        exit_status=0 if status is Status.SUCCESS else 3,
        reason=None if status is Status.SUCCESS else "exit status 3",
        host="here",
        started_at=10.0,
        finished_at=11.0,
        cpu_seconds=cpu,
        peak_memory_bytes=4096,
    )


async def _claim(
    database: Database, runner: int, job_id: int, ids: list[int], array: str | None = None
) -> list[Claim]:
    async with database.transaction() as tx:
        return await claims.claim(tx, runner, [(job_id, one, array) for one in ids], [])


async def test_two_runners_that_want_the_same_tasks_share_them(database: Database, other: Database) -> None:
    spec = ArraySpec.parse("200")
    await add_jobs(database, spec_of("200"))
    mine, theirs = await add_runner(database, "a"), await add_runner(other, "b")
    chance = random.Random(2)

    async def take(each: Database, runner: int) -> list[int]:
        taken: list[int] = []
        for start in range(0, 200, 10):
            wanted = spec.slice(start, 10)
            chance.shuffle(wanted)
            taken += [one.task_id for one in await _claim(each, runner, 1, wanted[:7], "1-200")]
            taken += [one.task_id for one in await _claim(each, runner, 1, wanted, "1-200")]
        return taken

    first, second = await asyncio.gather(take(database, mine), take(other, theirs))
    assert Counter(first + second) == Counter(spec)
    held = {
        runner: {one.task_id for one in await runners.held(database, runner)} for runner in (mine, theirs)
    }
    assert held == {mine: set(first), theirs: set(second)}


@pytest.mark.parametrize("status", [Status.SUCCESS, Status.FAILURE, Status.STOPPED, Status.SKIPPED])
async def test_what_ended_is_not_claimed(database: Database, status: Status) -> None:
    await add_jobs(database, spec_of("3"), spec_of())
    runner = await add_runner(database)
    await _claim(database, runner, 1, [1], "1-3")
    async with database.transaction() as tx:
        await claims.end(tx, runner, [ended(1, 1, status)])
        await transitions.end_unstarted(tx, 2, Status.STOPPED, "stopped", 5.0)
    assert [one.task_id for one in await _claim(database, runner, 1, [1, 2], "1-3")] == [2]
    assert await _claim(database, runner, 2, [0]) == []


async def test_an_array_that_was_changed_or_deleted_gives_nothing(database: Database) -> None:
    await add_jobs(database, spec_of("3"))
    runner = await add_runner(database)
    assert await _claim(database, runner, 1, [1], "1-4") == []
    assert await _claim(database, runner, 1, [0], None) == []
    assert await _claim(database, runner, 9, [1], "1-3") == []
    assert await database.fetch("SELECT * FROM task") == []


async def test_started_and_finished(database: Database) -> None:
    await add_jobs(database, spec_of())
    runner = await add_runner(database)
    assert await _claim(database, runner, 1, [0]) == [Claim(1, 0, 1)]
    async with database.transaction() as tx:
        await claims.start(tx, runner, [(10.0, 77, "here", 1, 0, 1)])
        await transitions.mark_jobs_started(tx, [(10.0, 1)])
    assert [(one.attempt, one.executing) for one in await runners.held(database, runner)] == [(1, True)]
    async with database.transaction() as tx:
        assert await transitions.close_jobs(tx, [1], 11.0) == []
        await claims.end(tx, runner, [ended(1, 0, Status.FAILURE)])
        assert await transitions.close_jobs(tx, [1], 11.0) == [1]
        assert await transitions.close_jobs(tx, [1], 12.0) == []
    job = (await jobs.get(database, [1]))[0]
    assert (job.status, job.exit_status, job.reason, job.host) == (Status.FAILURE, 3, "exit status 3", "here")
    assert (job.started_at, job.finished_at, job.cpu_seconds, job.peak_memory_bytes) == (
        10.0,
        11.0,
        0.5,
        4096,
    )
    assert await tasks.get(database, 1, 0) == ended(1, 0, Status.FAILURE)
    assert await schedule.open_jobs(database) == []


async def test_only_the_holder_of_a_claim_changes_its_task(database: Database) -> None:
    """Not another runner, not for another attempt, and nobody once the task has ended."""
    await add_jobs(database, spec_of())
    mine, other = await add_runner(database, "mine"), await add_runner(database, "other")
    await _claim(database, mine, 1, [0])

    async def try_all(runner: int, attempt: int) -> object:
        async with database.transaction() as tx:
            await claims.start(tx, runner, [(10.0, 77, "here", 1, 0, attempt)])
            await claims.retry(tx, runner, [ended(1, 0, Status.FAILURE, attempt=attempt)])
            await claims.end(tx, runner, [ended(1, 0, Status.FAILURE, attempt=attempt)])
            await claims.release(tx, other, [(1, 0)], 12.0)
        return await database.fetch("SELECT status, attempt, runner, started_at FROM task")

    assert await try_all(other, 1) == [("queued", 1, mine, None)]
    assert await try_all(mine, 2) == [("queued", 1, mine, None)]
    async with database.transaction() as tx:
        await claims.end(tx, mine, [ended(1, 0, Status.SUCCESS)])
    assert await try_all(mine, 1) == [("success", 1, None, 10.0)]
    assert await tasks.attempts(database, 1, 0) == []


async def test_the_first_failed_task_speaks_for_an_array(database: Database) -> None:
    await add_jobs(database, spec_of("4"))
    runner = await add_runner(database)
    await _claim(database, runner, 1, [1, 2, 3, 4], "1-4")
    async with database.transaction() as tx:
        await claims.end(
            tx, runner, [ended(1, one, Status.SUCCESS if one < 3 else Status.FAILURE) for one in range(1, 5)]
        )
    job = (await jobs.get(database, [1]))[0]
    assert (job.exit_status, job.reason) == (3, "exit status 3")
    assert job.counts == {Status.SUCCESS: 2, Status.FAILURE: 2}


async def test_attempts_are_kept(database: Database) -> None:
    await add_jobs(database, spec_of())
    runner = await add_runner(database)
    for attempt in (1, 2, 3):
        assert await _claim(database, runner, 1, [0]) == [Claim(1, 0, attempt, attempt)]
        async with database.transaction() as tx:
            await claims.end(tx, runner, [replace(ended(1, 0, Status.FAILURE), attempt=attempt)])
            await transitions.close_jobs(tx, [1], 11.0)
            assert await transitions.reset(tx, 1, FINISHED, Status.SUBMITTED, None, 20.0) == 1
    assert await tasks.attempts(database, 1, 0) == [ended(1, 0, Status.FAILURE, attempt=n) for n in (1, 2, 3)]
    now = await tasks.get(database, 1, 0)
    assert now == Task(job_id=1, task_id=0, status=Status.SUBMITTED, attempt=4)
    job = (await jobs.get(database, [1]))[0]
    assert (job.status, job.finished_at, job.started_at, job.submitted_at) == (
        Status.SUBMITTED,
        None,
        None,
        20.0,
    )


async def test_reset_of_some_tasks_and_of_those_that_never_ran(database: Database) -> None:
    array = ArraySpec.parse("6")
    await add_jobs(database, spec_of("6"))
    runner = await add_runner(database)
    await _claim(database, runner, 1, [1, 2], "1-6")
    async with database.transaction() as tx:
        await claims.end(tx, runner, [ended(1, 1, Status.SUCCESS), ended(1, 2, Status.FAILURE)])
        await transitions.end_unstarted(tx, 1, Status.STOPPED, "stopped", 5.0)
        assert await transitions.close_jobs(tx, [1], 6.0) == [1]
        not_success = FINISHED - {Status.SUCCESS}
        assert await transitions.reset(tx, 1, not_success, Status.SUBMITTED, array, 9.0, [1, 5]) == 1
        assert await transitions.reset(tx, 1, not_success, Status.SUBMITTED, array, 9.0) == 4
    assert await tasks.resubmitted(database, 1, 0, 10) == [2, 5]
    counts = (await jobs.get(database, [1]))[0].counts
    assert counts == {Status.SUCCESS: 1, Status.SUBMITTED: 5}
    assert [one.task_id for one in await _claim(database, runner, 1, [1, 2, 3, 4, 5, 6], "1-6")] == [
        2,
        3,
        4,
        5,
        6,
    ]


async def test_stop_of_what_runs_and_of_what_does_not(database: Database) -> None:
    await add_jobs(database, spec_of("5"))
    mine, theirs = await add_runner(database, "a"), await add_runner(database, "b")
    await _claim(database, mine, 1, [1, 2], "1-5")
    await _claim(database, theirs, 1, [3], "1-5")
    async with database.transaction() as tx:
        assert await transitions.ask_to_stop(tx, [1], [2, 4]) == 1
        assert await transitions.ask_to_stop(tx, [1]) == 3
        await transitions.end_unstarted(tx, 1, Status.STOPPED, "stopped", 5.0, [4])
    assert sorted(await tasks.to_stop(database, mine)) == [(1, 1), (1, 2)]
    assert await tasks.to_stop(database, theirs) == [(1, 3)]
    assert await tasks.held_jobs(database, [1, 9]) == [1]
    assert await tasks.held_jobs(database, [1], [2, 5]) == [1]
    assert [one.task_id for one in await _claim(database, mine, 1, [4, 5], "1-5")] == [5]


async def test_release(database: Database) -> None:
    await add_jobs(database, spec_of("4"))
    dead, alive = await add_runner(database, "dead"), await add_runner(database, "alive")
    await _claim(database, dead, 1, [1, 2, 3], "1-4")
    await _claim(database, alive, 1, [4], "1-4")
    async with database.transaction() as tx:
        await claims.start(
            tx, dead, [(10.0, 71, "here", 1, 1, 1), (10.0, 73, "here", 1, 3, 1), (10.0, 74, "here", 1, 4, 1)]
        )
        await claims.start(tx, alive, [(10.0, 74, "here", 1, 4, 1)])
        await transitions.ask_to_stop(tx, [1], [3])
        await runners.release(tx, dead, "killed", 20.0)
        await runners.delete(tx, dead)
    found = {task.task_id: task async for task in tasks.select(database, 1)}
    assert found[1] == Task(job_id=1, task_id=1, status=Status.SUBMITTED, attempt=2)
    assert found[2] == Task(job_id=1, task_id=2, status=Status.SUBMITTED, attempt=1)
    assert (found[3].status, found[3].finished_at) == (Status.STOPPED, 20.0)
    assert found[4].status is Status.EXECUTING
    [lost] = await tasks.attempts(database, 1, 1)
    assert (lost.status, lost.reason, lost.attempt, lost.finished_at) == (Status.FAILURE, "killed", 1, 20.0)
    assert await tasks.attempts(database, 1, 2) == []
    assert [one.id for one in await runners.select(database)] == [alive]
    assert await tasks.others_hold(database, dead) is True
    assert await tasks.others_hold(database, alive) is False


# -- counts ------------------------------------------------------------------------------------------
