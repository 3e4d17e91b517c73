"""Submissions to a cluster, from the intent on."""

from __future__ import annotations

from dataclasses import replace

from asyncjman.model.status import Status
from asyncjman.store import submissions
from asyncjman.store.database import Database
from tests.making import add_jobs, spec_of


async def test_what_was_sent_meanwhile_is_not_forgotten(database: Database) -> None:
    """Another process may see the intent, and then no process of it, for that was done with it and ended."""
    await add_jobs(database, replace(spec_of(), engine="sge"))
    async with database.transaction() as tx:
        intent = await submissions.insert(
            tx, job_id=1, engine="sge", token="ab" * 7, now=1.0, host="here", pid=1, task_map=[]
        )
        assert intent is not None
        await submissions.sent(tx, intent, "17", Status.QUEUED)
        await submissions.drop(tx, intent)
    assert [one.native_id for one in await submissions.active(database)] == ["17"]
