"""What is stored of what an engine saw, and what is not."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pytest

from asyncjman.engines.base import Observation, Ref, Saw
from asyncjman.errors import UnreadableJob
from asyncjman.model.array import ArraySpec
from asyncjman.model.failure import Cause
from asyncjman.model.retry import Retry
from asyncjman.model.status import Status
from asyncjman.scheduler.observed import store
from asyncjman.scheduler.watching import situation
from asyncjman.store import array_index, submissions, tasks
from asyncjman.store.database import Database, View
from asyncjman.store.submissions import TaskStates
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


async def test_what_a_job_was_asked_for_is_read_when_it_fails(tmp_path: Path) -> None:
    """Of thousands of jobs that wait it is not needed: one that can't be read keeps none from ending."""
    database = await Database.open(tmp_path / "jobs.sql3", create=True)
    spec = replace(spec_of(), engine="sge")
    await add_jobs(database, spec, replace(spec, retry=Retry(1)), spec)
    tokens = ["aa" * 7, "bb" * 7, "cc" * 7]
    for job_id, token in enumerate(tokens, 1):
        await launched(database, job_id, token, Status.QUEUED, str(job_id))
    async with database.transaction() as tx:
        await tx.execute('UPDATE job SET origin = \'{"a": "b": "c"}\' WHERE id = 3')
    ends = [
        Observation(token, Ref(job_id, 0, 1), Saw.ENDED, 3.0, started_at=2.0, exit_status=1, cause=Cause.EXIT)
        for job_id, token in enumerate(tokens, 1)
    ]
    waits = Observation(tokens[2], None, Saw.PENDING, 3.0)
    stored = await store(database, await situation(database, "sge"), [*ends[:2], waits])
    assert stored.ended == [1]
    again = await tasks.get(database, 2, 0)
    assert again is not None and (again.status, again.attempt) == (Status.SUBMITTED, 2)
    with pytest.raises(UnreadableJob, match="origin"):
        await store(database, await situation(database, "sge"), ends[2:])
    await database.close()


async def test_of_jobs_that_wait_on_nothing_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = await Database.open(tmp_path / "jobs.sql3", create=True)
    await add_jobs(database, *[replace(spec_of(), engine="sge")] * 3)
    tokens = ["aa" * 7, "bb" * 7, "cc" * 7]
    for job_id, token in enumerate(tokens, 1):
        await launched(database, job_id, token, Status.QUEUED, str(job_id))
    asked: list[set[int]] = []

    async def task_states(source: View, job_ids: Collection[int]) -> dict[int, TaskStates]:
        asked.append(set(job_ids))
        return await read(source, job_ids)

    found, read = await situation(database, "sge"), submissions.task_states
    monkeypatch.setattr(submissions, "task_states", task_states)
    waits = [Observation(token, None, Saw.PENDING, 3.0) for token in tokens[1:]]
    await store(database, found, waits)
    assert asked == []
    await store(
        database, found, [Observation(tokens[0], Ref(1, 0, 1), Saw.RUNNING, 3.0, started_at=2.0), *waits]
    )
    assert asked == [{1}]
    await database.close()
