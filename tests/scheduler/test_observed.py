"""What is stored of what an engine saw, and what is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from asyncjman.engines.base import Observation, Ref, Saw
from asyncjman.model.array import ArraySpec
from asyncjman.model.status import Status
from asyncjman.scheduler.observed import store
from asyncjman.scheduler.watching import situation
from asyncjman.store import array_index, tasks
from asyncjman.store.database import Database
from tests.making import add_jobs, launched, spec_of

TOKEN = "ab" * 7


async def test_a_task_that_was_deleted_meanwhile_does_not_come_back(tmp_path: Path) -> None:
    """A poll saw it running; it had no row, so that only the job's array tells that it is gone."""
    database = await Database.open(tmp_path / "jobs.sql3", create=True)
    await add_jobs(database, replace(spec_of(), engine="sge", array=ArraySpec.parse("1-3")))
    await launched(database, 1, TOKEN, Status.QUEUED, "17")
    found = await situation(database, "sge")
    seen = [Observation(TOKEN, Ref(1, 2, 1), Saw.RUNNING, 2.0, started_at=2.0)]
    async with database.transaction() as tx:
        await array_index.forget(tx, 1, [2], ArraySpec.parse("1,3"))
    await store(database, found, seen)
    assert await tasks.get(database, 1, 2) is None
    await store(database, await situation(database, "sge"), [replace(seen[0], ref=Ref(1, 3, 1))])
    assert await tasks.get(database, 1, 3) is not None
    await database.close()
