"""The counts that triggers keep are a recount, whatever happens."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asyncjman.model.array import ArraySpec
from asyncjman.model.status import FINISHED, Status
from asyncjman.store import claims, jobs, runners, transitions
from asyncjman.store.database import Database, Transaction
from tests.making import add_jobs, add_runner, spec_of
from tests.store.test_transitions import ended


async def _recount(database: Database) -> dict[tuple[int, str], tuple[int, object]]:
    rows = await database.fetch(
        "SELECT job_id, status, count(*), coalesce(sum(cpu_seconds), 0) FROM task GROUP BY job_id, status"
    )
    return {(row[0], row[1]): (row[2], pytest.approx(row[3], abs=1e-9)) for row in rows}


async def _operate(tx: Transaction, chance: random.Random, runner: int) -> None:
    job_id = chance.choice([1, 2, 3])
    array = {1: "1-6", 2: None, 3: "2-8:2"}[job_id]
    spec = ArraySpec.parse(array) if array else None
    ids = chance.sample(list(spec), 2) if spec else [0]
    some = chance.sample(sorted(Status), chance.randint(1, 8))
    match chance.randrange(8):
        case 0 | 1:
            await claims.claim(tx, runner, [(job_id, one, array) for one in ids], [])
        case 2:
            await claims.start(
                tx,
                runner,
                [
                    (5.0, 9, "h", one.job_id, one.task_id, one.attempt)
                    for one in await runners.held(tx, runner)
                ],
            )
        case 3 | 4:
            held = await runners.held(tx, runner)
            status = chance.choice([Status.SUCCESS, Status.FAILURE, Status.STOPPED])
            await claims.end(
                tx,
                runner,
                [
                    ended(one.job_id, one.task_id, status, cpu=chance.random(), attempt=one.attempt)
                    for one in held[:3]
                ],
            )
        case 5:
            await transitions.reset(
                tx, job_id, some, Status.SUBMITTED, spec, 9.0, ids if chance.random() < 0.5 else ()
            )
        case 6:
            await transitions.end_unstarted(
                tx, job_id, Status.SKIPPED, "x", 9.0, ids if chance.random() < 0.5 and spec else ()
            )
        case 7:
            await runners.release(tx, runner, "killed", 9.0)
    await transitions.close_jobs(tx, [1, 2, 3], 9.0)


@settings(max_examples=12)
@given(seed=st.integers(0, 10**6))
async def test_counts_are_a_recount_whatever_happens(seed: int, database: Database) -> None:
    chance = random.Random(seed)
    async with database.transaction() as tx:
        for job_id in await jobs.existing(tx, [range(1, 100)]):
            await tx.execute("DELETE FROM job WHERE id = ?", (job_id,))
        await tx.execute("DELETE FROM sqlite_sequence WHERE name = 'job'")
    assert await add_jobs(database, spec_of("1-6"), spec_of(), spec_of("2-8:2")) == [1, 2, 3]
    runner = await add_runner(database)
    for _ in range(25):
        with suppress(ZeroDivisionError):
            async with database.transaction() as tx:
                await _operate(tx, chance, runner)
                if chance.random() < 0.1:
                    raise ZeroDivisionError  # rolled back: the status_counts with it
        status_counts = await database.fetch(
            "SELECT job_id, status, count, cpu_seconds FROM status_count WHERE count <> 0"
        )
        assert {(row[0], row[1]): (row[2], row[3]) for row in status_counts} == await _recount(database)
        for job in await jobs.get(database, [1, 2, 3]):
            assert sum(job.counts.values()) == job.task_count
            unfinished = sum(job.counts.get(status, 0) for status in set(Status) - FINISHED)
            assert (job.finished_at is not None) == (unfinished == 0)


# -- query plans -------------------------------------------------------------------------------------
