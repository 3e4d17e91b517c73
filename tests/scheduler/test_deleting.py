"""What is left of a cluster's job when tasks of it are deleted, whatever the cluster says meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from asyncjman.api.deletion import Kept, delete
from asyncjman.engines.base import Engine, Observation, Ref, Saw
from asyncjman.engines.local.engine import LocalEngine
from asyncjman.model.array import ArraySpec
from asyncjman.model.status import Status
from asyncjman.scheduler.observed import store
from asyncjman.scheduler.watching import situation
from asyncjman.store import jobs
from asyncjman.store.database import Database
from tests.making import add_jobs, launched, spec_of

TOKEN = "ab" * 7


@pytest.fixture
async def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    """An array of two tasks on a cluster that answers nothing while tasks are deleted."""

    async def stop_elsewhere(*_: object) -> None:
        return

    monkeypatch.setattr("asyncjman.api.deletion.stop_elsewhere", stop_elsewhere)
    database = await Database.open(tmp_path / "jobs.sql3", create=True)
    await add_jobs(database, replace(spec_of(), engine="sge", array=ArraySpec.parse("1-2")))
    await launched(database, 1, TOKEN, Status.QUEUED, "17")
    yield database
    await database.close()


async def saw(database: Database, *seen: Observation) -> None:
    await store(database, await situation(database, "sge"), list(seen))


async def delete_tasks(database: Database, task_ids: Sequence[int]) -> None:
    def engine_of(name: str) -> Engine:
        return LocalEngine()

    async for _ in delete(database, engine_of, [(1, "sge")], task_ids=task_ids, kept=Kept()):
        pass


async def test_a_job_ends_with_the_last_task_that_had_not(database: Database) -> None:
    ended = Observation(TOKEN, Ref(1, 1, 1), Saw.ENDED, 3.0, started_at=2.0, exit_status=0)
    await saw(database, ended, Observation(TOKEN, Ref(1, 2, 1), Saw.RUNNING, 3.0, started_at=2.0))
    (job,) = await jobs.get(database, [1])
    assert job.status is Status.EXECUTING
    await delete_tasks(database, [2])
    (job,) = await jobs.get(database, [1])
    assert (job.status, job.finished_at is not None) == (Status.SUCCESS, True)


async def test_a_job_goes_on_with_what_is_left_of_it(database: Database) -> None:
    await saw(database, Observation(TOKEN, Ref(1, 2, 1), Saw.RUNNING, 3.0, started_at=2.0))
    await delete_tasks(database, [2])
    (job,) = await jobs.get(database, [1])
    assert (job.status, job.finished_at) == (Status.QUEUED, None)
