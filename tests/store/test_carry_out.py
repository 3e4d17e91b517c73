"""A transaction that is carried out at once: all or nothing, whatever comes in between."""

# ruff: noqa: ASYNC240 - a look at a local file takes no time
from __future__ import annotations

import asyncio
import random
import threading
from pathlib import Path

import pytest

from asyncjman.errors import DatabaseProblem
from asyncjman.store import jobs
from asyncjman.store.database import Database, Transaction
from tests.making import spec_of


async def _two(tx: Transaction) -> list[int]:
    return [await jobs.insert(tx, spec_of(), 1.0) for _ in range(2)]


async def test_it_gives_its_result_and_is_stored(database: Database, other: Database) -> None:
    assert await database.carry_out(_two) == [1, 2]
    assert await jobs.count(other) == 2


async def test_an_error_rolls_back(database: Database, other: Database) -> None:
    async def fails(tx: Transaction) -> None:
        await _two(tx)
        await tx.execute("INSERT INTO nowhere VALUES (1)")

    with pytest.raises(DatabaseProblem, match="no such table: nowhere"):
        await database.carry_out(fails)
    assert await jobs.count(other) == 0
    assert await database.carry_out(_two) == [1, 2]


async def test_it_may_wait_for_nothing_else(database: Database) -> None:
    async def waits(tx: Transaction) -> None:
        await _two(tx)
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="waits, and is to be there at once"):
        await database.carry_out(waits)
    assert await jobs.count(database) == 0


async def test_blocking_work_of_it_is_done_in_its_thread(database: Database) -> None:
    async def removes(tx: Transaction) -> int:
        return await tx.runtime.in_thread(threading.get_ident)

    assert await database.carry_out(removes) != threading.get_ident()


async def test_cancelled_at_any_moment_it_is_all_or_nothing(database: Database, other: Database) -> None:
    chance = random.Random(1)
    for _ in range(30):
        before = await jobs.count(other)
        task = asyncio.create_task(database.carry_out(_two))
        for _ in range(chance.randrange(4)):
            await asyncio.wait([task], timeout=chance.choice([0, 0.0005]))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert await jobs.count(other) - before in (0, 2)
    assert len(await database.carry_out(_two)) == 2


async def test_a_file_that_was_deleted_meanwhile_is_made_anew(path: Path) -> None:
    first = await Database.open(path, create=True)
    path.unlink()
    assert await first.carry_out(_two) == [1, 2]
    second = await Database.open(path, create=False)
    assert await jobs.count(second) == 2
    for each in (first, second):
        await each.close()


async def test_a_quiet_one_that_changed_nothing_is_no_change(database: Database, other: Database) -> None:
    async def reads(tx: Transaction) -> int:
        return len(await tx.fetch("SELECT 1 FROM job"))

    seen, of_other = await database.version(), await other.version()
    assert await database.carry_out(reads, quiet=True) == 0
    assert (await database.version(), await other.version()) == (seen, of_other)
    await database.carry_out(reads)
    assert await database.version() != seen
    assert await other.version() != of_other
