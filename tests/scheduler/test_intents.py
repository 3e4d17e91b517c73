"""Who is at work on an intent: what can't be seen may be."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from asyncjman.api.manager import JobManager
from asyncjman.engines.base import Capabilities, Launched, LaunchRequest, Poll, Preview, Target, Watched
from asyncjman.engines.defaults import Defaults
from asyncjman.model.job import JobSpec
from asyncjman.model.status import Status
from asyncjman.runtime import SYSTEM
from asyncjman.scheduler.intents import ORPHAN_SECONDS, is_abandoned, lock_of
from asyncjman.scheduler.launches import launch
from asyncjman.scheduler.resolving import resolve_dependents
from asyncjman.scheduler.watching import situation
from asyncjman.store import jobs, submissions, transitions
from asyncjman.store.database import Database
from asyncjman.store.runnerlock import held
from asyncjman.store.submissions import Submission
from tests.making import add_jobs, spec_of, stored


class Slow(Defaults):
    """An engine that asks, in the midst of a launch, what another process thinks of it."""

    name = "sge"
    capabilities = Capabilities(survives_us=True, max_array=10)

    def __init__(self, database: Database) -> None:
        self._database = database
        self.seen: list[bool] = []
        self.cancelled: list[str] = []

    async def open(self, wake: object = None) -> None:
        pass

    async def launch(self, requests: Sequence[LaunchRequest]) -> Sequence[Launched]:
        (request,) = requests
        another = SYSTEM._replace(
            host=lambda: "another", time=lambda: SYSTEM.time() + ORPHAN_SECONDS + 1, pid=lambda: 1
        )
        lock = await lock_of(self._database, request.token)
        found = (await situation(self._database, self.name)).launches[request.token]
        # as another process has it: it knows nothing of what this one is at
        self.seen.append(is_abandoned(found._replace(token="of no process here"), lock, another))
        return [Launched("7", 0.0)]

    async def poll(self, watched: Sequence[Watched], budget: float) -> Poll:
        return Poll(())

    async def cancel(self, targets: Sequence[Target], *, force: bool, budget: float) -> Sequence[Target]:
        return ()

    async def preview(self, request: LaunchRequest) -> Preview:
        return Preview((), b"")


class Overtaken(Slow):
    """An engine that takes a job while somebody submits again the one that it waits for."""

    async def launch(self, requests: Sequence[LaunchRequest]) -> Sequence[Launched]:
        async with self._database.transaction() as tx:
            await transitions.reset_plain(tx, [1], [Status.STOPPED], Status.SUBMITTED, 13.0)
            await resolve_dependents(tx, [1])
        return [Launched("7", 0.0)]

    async def cancel(self, targets: Sequence[Target], *, force: bool, budget: float) -> Sequence[Target]:
        self.cancelled.extend(one.native_id for one in targets)
        return ()


async def test_what_was_sent_is_taken_back_where_what_it_waits_for_is_open_again(tmp_path: Path) -> None:
    """Who submits that again can't: the launch has no number yet."""
    async with JobManager(tmp_path / "jobs.sql3", run=False) as manager:
        database = manager.session.writer()
        await add_jobs(database, spec_of(), replace(spec_of(None, 1), engine="sge"))
        async with database.transaction() as tx:
            await transitions.end_unstarted(tx, 1, Status.STOPPED, "stopped", 12.0)
            await transitions.close_jobs(tx, [1], 12.0)
            await resolve_dependents(tx, [1])
        (job,) = await jobs.get(database, [2])
        assert job.status is Status.SUBMITTED
        engine = Overtaken(database)
        await launch(database, engine, job)
        (job,) = await jobs.get(database, [2])
        assert (job.status, engine.cancelled) == (Status.WAITING, ["7"])
        assert await submissions.active(database, [2]) == []


async def test_who_launches_holds_a_lock(tmp_path: Path) -> None:
    """Suspended for an hour, on another host, it goes on all the same: nobody else may launch it."""
    async with JobManager(tmp_path / "jobs.sql3", run=False) as manager:
        job = await stored(manager, JobSpec(command=("true",), exec_dir="/", engine="sge"))
        engine = Slow(manager.session.writer())
        assert [one.native_id for one in await launch(manager.session.writer(), engine, job)] == ["7"]
        assert engine.seen == [False]
    assert [name for name in os.listdir(tmp_path) if name.endswith(".lock")] == []  # noqa: PTH208


def test_a_maker_whose_lock_is_free_is_judged_by_the_time(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    one = Submission(1, 1, "sge", "ab" * 7, SYSTEM.time() - ORPHAN_SECONDS - 1, "another", 1, None, (), None)
    with held(lock):
        assert not is_abandoned(one, lock, SYSTEM)
    assert is_abandoned(one, lock, SYSTEM)
    assert not is_abandoned(one._replace(created_at=SYSTEM.time()), lock, SYSTEM)
