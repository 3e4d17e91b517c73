"""Submissions to a cluster, from the intent on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from asyncjman.model.array import ArraySpec
from asyncjman.model.job import Task
from asyncjman.model.status import Status
from asyncjman.store import intents, jobs, submissions, transitions
from asyncjman.store.database import Database
from tests.making import add_jobs, spec_of

INTENT: dict[str, Any] = {"job_id": 1, "engine": "sge", "now": 1.0, "host": "here", "pid": 1}


async def test_what_was_sent_meanwhile_is_not_forgotten(database: Database) -> None:
    """Another process may see the intent, and then no process of it, for that was done with it and ended."""
    await add_jobs(database, replace(spec_of(), engine="sge"))
    async with database.transaction() as tx:
        intent = await intents.insert(
            tx, job_id=1, engine="sge", token="ab" * 7, now=1.0, host="here", pid=1, task_map=[]
        )
        assert intent is not None
        await intents.sent(tx, intent, "17", Status.QUEUED)
        await intents.drop(tx, intent)
    assert [one.native_id for one in await submissions.active(database)] == ["17"]


async def test_a_part_that_was_sent_is_not_sent_again(database: Database) -> None:
    """Two who look at once mean the same tasks; who comes later must find that out, whatever is left."""
    await add_jobs(database, replace(spec_of(), engine="sge", array=ArraySpec.parse("1-5")))
    async with database.transaction() as tx:
        first = await intents.insert(tx, **INTENT, token="ab" * 7, task_map=[1, 2])
        assert first is not None
        await intents.sent(tx, first, "17", Status.QUEUED)
        assert await intents.insert(tx, **INTENT, token="cd" * 7, task_map=[1, 2]) is None
        assert await intents.insert(tx, **INTENT, token="cd" * 7, task_map=[2, 3]) is None
        second = await intents.insert(tx, **INTENT, token="cd" * 7, task_map=[3, 4])
        assert second is not None
    states = (await submissions.task_states(database, [1]))[1]
    assert states.default_status is Status.SUBMITTED
    assert {task_id: task.status for task_id, (task, _) in states.unfinished.items()} == {
        1: Status.QUEUED,
        2: Status.QUEUED,
    }


async def test_what_became_free_meanwhile_is_not_said_to_be_sent(database: Database) -> None:
    """A task that somebody submits again while another one is sent is still to be sent."""
    await add_jobs(database, replace(spec_of(), engine="sge", array=ArraySpec.parse("1-2")))
    async with database.transaction() as tx:
        for task_id in (1, 2):
            await tx.execute(
                "INSERT INTO task (job_id, task_id, status, attempt) VALUES (1, ?, 'submitted', 2)",
                (task_id,),
            )
        intent = await intents.insert(tx, **INTENT, token="ab" * 7, task_map=[1])
        assert intent is not None
        await intents.sent(tx, intent, "17", Status.QUEUED)
        assert await submissions.unsent_jobs(tx, "sge") == [1]
    states = (await submissions.task_states(database, [1]))[1]
    assert [task.status for task, _ in states.unfinished.values()] == [Status.QUEUED, Status.SUBMITTED]


async def test_the_last_part_needs_no_rows(database: Database) -> None:
    """Also where a task was deleted since it was sent."""
    await add_jobs(database, replace(spec_of(), engine="sge", array=ArraySpec.parse("1-5")))
    async with database.transaction() as tx:
        intent = await intents.insert(tx, **INTENT, token="ab" * 7, task_map=[1, 2, 3])
        assert intent is not None
        await tx.execute("UPDATE job SET array = '2-5', task_count = 4 WHERE id = 1")
        await intents.sent(tx, intent, "17", Status.QUEUED)
        intent = await intents.insert(tx, **INTENT, token="cd" * 7, task_map=[4, 5])
        assert intent is not None
        await intents.sent(tx, intent, "18", Status.QUEUED)
    states = (await submissions.task_states(database, [1]))[1]
    assert states.default_status is Status.QUEUED
    assert sorted(states.unfinished) == [2, 3]


async def test_a_launch_that_was_taken_is_about_its_own_tasks(database: Database) -> None:
    """Others of its array may have been submitted again since it was made."""
    array = ArraySpec.parse("1-3")
    await add_jobs(database, replace(spec_of(), engine="sge", array=array))
    async with database.transaction() as tx:
        await transitions.end_unstarted(tx, 1, Status.STOPPED, "stopped", 1.0, [1, 2, 3])
        await transitions.reset(tx, 1, [Status.STOPPED], Status.SUBMITTED, array, 1.0, [2])
        intent = await intents.insert(
            tx, job_id=1, engine="sge", token="ab" * 7, now=1.0, host="here", pid=1, task_map=[2]
        )
        assert intent is not None
        await transitions.reset(tx, 1, [Status.STOPPED], Status.SUBMITTED, array, 1.0, [1, 3])
        await intents.sent(tx, intent, "17", Status.QUEUED)
    states = (await submissions.task_states(database, [1]))[1]
    statuses = {task_id: task.status for task_id, (task, _) in states.unfinished.items()}
    assert statuses == {1: Status.SUBMITTED, 2: Status.QUEUED, 3: Status.SUBMITTED}


async def test_what_is_held_on_a_cluster_is_not_sent_again(database: Database) -> None:
    await add_jobs(database, replace(spec_of(), engine="sge"))
    async with database.transaction() as tx:
        values: dict[str, Any] = {
            "job_id": 1,
            "engine": "sge",
            "now": 1.0,
            "host": "here",
            "pid": 1,
            "task_map": (),
        }
        intent = await intents.insert(tx, token="ab" * 7, **values)
        assert intent is not None
        await intents.sent(tx, intent, "17", Status.WAITING)
        assert await intents.insert(tx, token="cd" * 7, **values) is None
        await submissions.deactivate(tx, [1])
        assert await intents.insert(tx, token="cd" * 7, **values) is not None
        await jobs.replace_spec(tx, 1, spec_of())
        await submissions.deactivate(tx, [1])
        assert await intents.insert(tx, token="ef" * 7, **values) is None, "it was moved"


async def test_what_runs_anew_is_not_missing(database: Database) -> None:
    await add_jobs(database, replace(spec_of(), engine="sge"))
    lost = Task(job_id=1, task_id=0, status=Status.FAILURE, attempt=1, started_at=1.0, finished_at=2.0)
    async with database.transaction() as tx:
        await submissions.put_tasks(tx, [(lost, 1.5)])
        await transitions.reset(tx, 1, [Status.FAILURE], Status.SUBMITTED, None, 3.0)
    ((task, since),) = (await submissions.task_states(database, [1]))[1].unfinished.values()
    assert (task.attempt, since) == (2, None)
