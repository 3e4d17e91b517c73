"""Transactions: all or nothing, one after the other, whatever comes in between."""

# ruff: noqa: ASYNC240 - a look at a local file takes no time
from __future__ import annotations

import asyncio
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from asyncjman.errors import DatabaseProblem
from asyncjman.store import jobs
from asyncjman.store.completion import to_completion
from asyncjman.store.database import Database
from tests.making import add_jobs, spec_of

NO_JOBS = "SELECT count(*) FROM job"


async def test_an_error_rolls_back(database: Database, other: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as tx:
            await jobs.insert(tx, spec_of(), 1.0)
            raise ZeroDivisionError
    assert await jobs.count(other) == await jobs.count(database) == 0
    assert await add_jobs(database, spec_of()) == [1]


async def test_an_error_of_the_driver_names_the_file_and_rolls_back(database: Database, path: Path) -> None:
    with pytest.raises(DatabaseProblem, match="no such table: nowhere") as caught:
        async with database.transaction() as tx:
            await jobs.insert(tx, spec_of(), 1.0)
            await tx.execute("INSERT INTO nowhere VALUES (1)")
    assert str(path) in str(caught.value)
    assert await jobs.count(database) == 0


async def test_a_dependency_on_no_job_is_refused(database: Database) -> None:
    with pytest.raises(DatabaseProblem, match="FOREIGN KEY"):
        await add_jobs(database, spec_of(None, 99))
    assert await jobs.count(database) == 0


async def test_cancelled_at_any_moment_it_is_all_or_nothing(database: Database, other: Database) -> None:
    """Two jobs per transaction, cancelled after a random number of steps of the loop."""
    chance = random.Random(1)
    cancelled = 0

    async def both() -> None:
        async with database.transaction() as tx:
            await jobs.insert(tx, spec_of(), 1.0)
            await jobs.insert(tx, spec_of(), 1.0)

    for _ in range(60):
        before = await jobs.count(other)
        task = asyncio.create_task(both())
        for _ in range(chance.randrange(12)):
            await asyncio.wait([task], timeout=chance.choice([0, 0.0005]))
        task.cancel()
        cancelled += isinstance(
            (await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError
        )
        assert await jobs.count(other) - before in (0, 2)
        assert await jobs.count(database) == await jobs.count(other)
    assert cancelled > 0
    assert await add_jobs(database, spec_of())


async def test_transactions_of_one_connection_follow_each_other(database: Database) -> None:
    inside = 0

    async def one() -> None:
        nonlocal inside
        async with database.transaction() as tx:
            inside += 1
            assert inside == 1
            await jobs.insert(tx, spec_of(), 1.0)
            await asyncio.sleep(0)
            assert inside == 1
            inside -= 1

    await asyncio.gather(*(one() for _ in range(30)))
    assert await jobs.count(database) == 30


async def test_reads_see_no_half_transaction(database: Database) -> None:
    entered, seen = asyncio.Event(), asyncio.Event()

    async def write() -> None:
        async with database.transaction() as tx:
            await jobs.insert(tx, spec_of(), 1.0)
            entered.set()
            await asyncio.wait([reading], timeout=0)
            assert not seen.is_set()
            await jobs.insert(tx, spec_of(), 1.0)

    async def read() -> int:
        await entered.wait()
        count = await jobs.count(database)
        seen.set()
        return count

    reading = asyncio.create_task(read())
    await write()
    assert await reading == 2


async def test_two_connections_count_without_losing_one(database: Database, other: Database) -> None:
    async def add_one(each: Database) -> None:
        async with each.transaction() as tx:
            count = (await tx.fetch("SELECT revision FROM meta"))[0][0]
            await asyncio.sleep(0)
            await tx.execute("UPDATE meta SET revision = ?", (count + 1,))

    start = (await database.fetch("SELECT revision FROM meta"))[0][0]
    await asyncio.gather(*(add_one(each) for each in (database, other) * 20))
    # each transaction adds one by itself, and one here
    assert (await other.fetch("SELECT revision FROM meta"))[0][0] == start + 80


async def test_a_change_by_another_connection_is_heard(database: Database, other: Database) -> None:
    seen = await database.change(None, 0)
    await add_jobs(other, spec_of())
    async with asyncio.timeout(20):
        assert (now := await database.change(seen, 600)) != seen
    assert await database.change(now, 0) == now


async def test_a_lock_held_by_another_program(
    database: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asyncjman.store.opening.BUSY_SECONDS", 0.05)
    await database.fetch("SELECT 1")  # see the fixture
    impatient = await Database.open(path, create=False)
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseProblem, match="another process has held it"):
            await add_jobs(impatient, spec_of())
        holder.execute("ROLLBACK")
    assert await add_jobs(impatient, spec_of()) == [1]
    await impatient.close()


async def test_remove_if_takes_the_file_and_its_side_files(database: Database, path: Path) -> None:
    await add_jobs(database, spec_of())
    assert await database.remove_if(NO_JOBS) is False
    assert path.exists()
    async with database.transaction() as tx:
        await jobs.delete(tx, 1)
    assert await database.remove_if(NO_JOBS) is True
    assert list(path.parent.iterdir()) == []


async def test_remove_if_leaves_what_another_has_open(
    database: Database, other: Database, path: Path
) -> None:
    assert await database.remove_if(NO_JOBS) is False
    assert path.exists()
    assert await add_jobs(other, spec_of()) == [1]
    assert await jobs.count(database) == 1


async def test_a_file_that_was_deleted_meanwhile_is_made_anew(path: Path) -> None:
    first = await Database.open(path, create=True)
    # a connection to a file that somebody unlinked, and perhaps made again, must not write into the old one
    path.unlink()
    assert await add_jobs(first, spec_of()) == [1]
    second = await Database.open(path, create=False)
    assert await jobs.count(second) == 1
    path.unlink()
    third = await Database.open(path, create=True)
    await add_jobs(third, spec_of(), spec_of())
    assert await add_jobs(first, spec_of()) == [3]
    assert await jobs.count(third) == 3
    for each in (first, second, third):
        await each.close()


async def test_remove_if_leaves_a_file_that_is_not_the_one_it_opened(path: Path) -> None:
    first = await Database.open(path, create=True)
    path.unlink()
    second = await Database.open(path, create=True)
    await add_jobs(second, spec_of())
    await second.close()
    assert await first.remove_if("SELECT 0") is False
    assert path.exists()
    await first.close()


async def test_submitting_while_another_removes_the_empty_file(path: Path) -> None:
    """One opens, stores a job; one opens, removes if empty: no job is ever lost."""

    async def submit() -> None:
        database = await Database.open(path, create=True)
        await add_jobs(database, spec_of())
        await database.close()

    async def clean() -> None:
        database = await Database.open(path, create=False)
        await database.remove_if(NO_JOBS)
        await database.close()

    for _ in range(5):
        results = await asyncio.gather(submit(), clean(), submit(), clean(), return_exceptions=True)
        assert [one for one in results if one is not None] == []
        database = await Database.open(path, create=False)
        assert await jobs.count(database) == 2
        await database.close()
        path.unlink()


async def test_to_completion_returns_and_raises() -> None:
    async def work() -> int:
        return 7

    async def fault() -> int:
        raise KeyError("x")

    assert await to_completion(work()) == 7
    with pytest.raises(KeyError):
        await to_completion(fault())


@pytest.mark.parametrize("fails", [False, True])
async def test_to_completion_ends_the_work_before_the_cancellation(fails: bool) -> None:
    gate, begun = asyncio.Event(), asyncio.Event()
    done = False

    async def work() -> None:
        nonlocal done
        begun.set()
        await gate.wait()
        done = True
        if fails:
            raise KeyError("lost in favour of the cancellation")

    task = asyncio.create_task(to_completion(work()))
    await begun.wait()
    for _ in range(3):
        task.cancel()
        await asyncio.wait([task], timeout=0)
        assert not task.done()
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert done
