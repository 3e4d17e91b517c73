"""What is skipped here of jobs that a cluster has: all of it, or what is still to be sent."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from asyncjman.model.array import ArraySpec
from asyncjman.model.graph import Dependency, Kind
from asyncjman.model.job import JobSpec
from asyncjman.model.status import Status
from asyncjman.scheduler.resolving import resolve_dependents, unskip
from asyncjman.scheduler.stopping import stop_in
from asyncjman.store import intents, jobs, schedule, submissions, transitions
from asyncjman.store.database import Database
from asyncjman.store.schedule import JobSummary
from asyncjman.store.source import Source
from tests.making import add_jobs, launched, spec_of
from tests.store.test_transitions import ended


def there(*kinds: Kind) -> JobSpec:
    """An array of three tasks on a cluster, after job 1."""
    after = tuple(Dependency(1, kind) for kind in kinds)
    return replace(spec_of(), engine="sge", array=ArraySpec.parse("1-3"), dependencies=after)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open(tmp_path / "jobs.sql3", create=True)
    yield database
    await database.close()


async def send(database: Database, job_id: int, status: Status, native_id: str | None = "17") -> None:
    await launched(database, job_id, "ab" * 7, status, native_id)


async def fail(database: Database, *task_ids: int) -> None:
    async with database.transaction() as tx:
        tasks = [replace(ended(1, one, Status.FAILURE), cause=None) for one in task_ids]
        await submissions.put_tasks(tx, [(one, None) for one in tasks])
        await transitions.close_jobs(tx, [1], 12.0)
        await resolve_dependents(tx, [1])


async def counts(database: Database, job_id: int) -> dict[Status, int]:
    (job,) = await jobs.get(database, [job_id])
    return dict(job.counts)


async def test_a_part_that_is_skipped_is_left_to_its_script(database: Database) -> None:
    """Skipped here, it would stay there, and run as soon as somebody submits job 1 again."""
    await add_jobs(database, there(), there(Kind.CORR, Kind.NOTOK))
    await send(database, 1, Status.QUEUED)
    await send(database, 2, Status.WAITING)
    await fail(database, 1)
    assert await counts(database, 2) == {Status.WAITING: 3}


async def test_a_part_that_was_not_sent_is_skipped(database: Database) -> None:
    await add_jobs(database, there(), there(Kind.CORR, Kind.NOTOK))
    await send(database, 1, Status.QUEUED)
    await fail(database, 1)
    assert await counts(database, 2) == {Status.WAITING: 2, Status.SKIPPED: 1}


async def test_what_waits_beside_what_is_queued_is_left_to_its_script(database: Database) -> None:
    await add_jobs(database, there(), there(Kind.OK))
    await send(database, 1, Status.QUEUED)
    await send(database, 2, Status.WAITING)
    async with database.transaction() as tx:
        queued = replace(ended(2, 1, Status.QUEUED), finished_at=None, started_at=None, exit_status=None)
        await submissions.put_tasks(tx, [(queued, None)])
    await fail(database, 1, 2, 3)
    assert await counts(database, 2) == {Status.WAITING: 2, Status.QUEUED: 1}


async def test_what_is_being_sent_while_it_is_skipped_is_found_out_first(database: Database) -> None:
    """Nothing of it is sent again before it is known to be gone there."""
    await add_jobs(database, there(), there(Kind.OK))
    await send(database, 1, Status.QUEUED)
    await send(database, 2, Status.WAITING, native_id=None)
    await fail(database, 1, 2, 3)
    assert await counts(database, 2) == {Status.SKIPPED: 3}
    (given_up,) = await submissions.given_up(database, "sge")
    assert (given_up.job_id, given_up.native_id) == (2, None)
    async with database.transaction() as tx:
        await intents.sent(tx, given_up.id, "18", Status.WAITING)
    assert await counts(database, 2) == {Status.SKIPPED: 3}
    (given_up,) = await submissions.given_up(database, "sge")
    assert given_up.native_id == "18"


def chain(length: int, kind: Kind) -> list[JobSpec]:
    """Local jobs, each after the one before."""
    return [spec_of(None, *([one] if one else []), kind=kind) for one in range(length)]


async def test_what_waits_for_jobs_that_wait_on_is_not_read(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_jobs(database, *chain(20, Kind.ANY))
    read: set[int] = set()
    summaries = schedule.summaries

    async def noted(source: Source, job_ids: Iterable[int]) -> dict[int, JobSummary]:
        job_ids = list(job_ids)
        read.update(job_ids)
        return await summaries(source, job_ids)

    monkeypatch.setattr(schedule, "summaries", noted)
    async with database.transaction() as tx:
        await stop_in(tx, [1], ())
    assert read == {1, 2}
    found = await jobs.get(database, [1, 2, 3, 20])
    assert [job.status for job in found] == [Status.STOPPED, Status.SUBMITTED, Status.WAITING, Status.WAITING]


async def test_what_is_skipped_leads_on(database: Database) -> None:
    await add_jobs(database, *chain(6, Kind.OK), spec_of(None, 4, kind=Kind.ANY), spec_of(None, 1))
    async with database.transaction() as tx:
        await stop_in(tx, [1], ())
    found = await jobs.get(database, range(2, 9))
    assert [job.status for job in found] == [Status.SKIPPED] * 6 + [Status.SUBMITTED]


async def test_what_was_skipped_comes_along_by_way_of_what_was_skipped(database: Database) -> None:
    await add_jobs(
        database, *chain(4, Kind.OK), spec_of(None, 1, kind=Kind.ANY), spec_of(None, 5, kind=Kind.OK)
    )
    async with database.transaction() as tx:
        await stop_in(tx, [1], ())
    assert await schedule.skipped_behind(database, [1]) == [2, 3, 4]
    assert await schedule.skipped_behind(database, [2]) == [3, 4]


async def test_what_others_decided_is_skipped_again_at_once(database: Database) -> None:
    """Job 4 waits for job 3, which may run after all, and for job 2, which failed."""
    after = tuple(Dependency(one, Kind.OK) for one in (2, 3))
    await add_jobs(
        database,
        spec_of(),
        spec_of(),
        replace(spec_of(), dependencies=(Dependency(1, Kind.OK),)),
        replace(spec_of(), dependencies=after),
    )
    async with database.transaction() as tx:
        tasks = [replace(ended(one, 0, Status.FAILURE), cause=None) for one in (1, 2)]
        await submissions.put_tasks(tx, [(one, None) for one in tasks])
        await transitions.close_jobs(tx, [1, 2], 12.0)
        await resolve_dependents(tx, [1, 2])
        await submissions.put_tasks(tx, [(ended(1, 0, Status.SUCCESS), None)])
        await transitions.close_jobs(tx, [1], 13.0)
        again = await unskip(tx, 1)
    assert await counts(database, 3) == {Status.SUBMITTED: 1}
    assert await counts(database, 4) == {Status.SKIPPED: 1}
    assert again == [4]
