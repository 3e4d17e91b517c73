"""The dispatcher beside what other processes do, in moments that no command line can choose."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from asyncjman.api.manager import JobManager
from asyncjman.api.resubmission_request import Resubmission
from asyncjman.engines.base import Launched, LaunchFailed, LaunchRequest, Why
from asyncjman.engines.local import LocalEngine, spawner
from asyncjman.model.array import ArraySpec
from asyncjman.model.graph import Dependency, Kind
from asyncjman.model.job import JobSpec
from asyncjman.model.selection import Selection, ranges_of
from asyncjman.model.status import FINISHED, Status
from asyncjman.scheduler.bus import Bus
from asyncjman.scheduler.changes import Changes
from asyncjman.scheduler.dispatcher import Dispatcher
from asyncjman.scheduler.held import Held
from asyncjman.scheduler.job_state import JobState
from asyncjman.scheduler.options import Options
from asyncjman.scheduler.recorder import Claimed
from asyncjman.store.claims import Claim
from asyncjman.store.schedule import JobSummary
from tests.making import stored

TOKEN = "0" * 32


@pytest.mark.parametrize("kill", [False, True])
async def test_a_claim_that_is_under_way_while_it_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill: bool
) -> None:
    """What is claimed ahead of time comes back after the stop: it is released, and nothing waits on."""
    async with JobManager(tmp_path / "jobs.sql3", run=False) as manager:
        folder = str(tmp_path)
        await stored(manager, JobSpec(command=("sleep", "100"), exec_dir=folder))
        after = (Dependency(1, Kind.OK),)
        await stored(manager, JobSpec(command=("true",), exec_dir=folder, dependencies=after))
        dispatcher = Dispatcher(
            manager.session.writer(), LocalEngine(token=TOKEN), token=TOKEN, options=Options(), bus=Bus()
        )
        monkeypatch.setattr(dispatcher._feed, "_look_ahead", lambda: 8)
        claim = dispatcher._recorder.claim

        async def claim_and_stop(*args: Any) -> Claimed:
            claimed = await claim(*args)
            await dispatcher.stop(kill=kill)
            return claimed

        monkeypatch.setattr(dispatcher._recorder, "claim", claim_and_stop)
        async with asyncio.timeout(30):
            await dispatcher.run()
        assert [job.status async for job in manager.select()] == ["submitted", "waiting"]


async def test_what_is_over_is_not_waited_for() -> None:
    """A task that was lost may have ended before its new claim is looked at."""
    job = JobState.of(JobSummary(1, "local", "", None, 1, Status.QUEUED, 0, False, False, {}, {}), ())
    attempt = Held().add(job, Claim(1, 0, 1))
    attempt.set_over()
    async with asyncio.timeout(5):
        await attempt.until_over()


class Busy(LocalEngine):
    """It can't take job 2 at first, and somebody submits job 1 again meanwhile."""

    def __init__(self, database: Path) -> None:
        super().__init__(token=TOKEN)
        self._database = database
        self.asked: list[int] = []

    def launch_at_once(self, request: LaunchRequest) -> Launched | LaunchFailed | None:
        return None

    async def launch(self, requests: Sequence[LaunchRequest]) -> Sequence[Launched | LaunchFailed]:
        self.asked += [one.job_id for one in requests]
        if self.asked == [1, 2]:
            async with JobManager(self._database, run=False) as another:
                await another.run_again(Selection(ids=ranges_of([1])), Resubmission(statuses=FINISHED))
            return [LaunchFailed(Why.LATER, "busy")]
        return await super().launch(requests)


async def test_what_can_not_start_at_once_looks_at_its_dependencies_again(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sql3"
    async with JobManager(path, run=False) as manager:
        first = JobSpec(command=("true",), exec_dir=str(tmp_path))
        await stored(manager, first)
        await stored(manager, replace(first, dependencies=(Dependency(1, Kind.OK),)))
        engine = Busy(path)
        dispatcher = Dispatcher(
            manager.session.writer(), engine, token=TOKEN, options=Options(parallel=1), bus=Bus()
        )
        async with asyncio.timeout(30):
            await dispatcher.run()
        assert [job.status async for job in manager.select()] == ["success", "success"]
    assert engine.asked == [1, 2, 1, 2]


class Ahead(LocalEngine):
    """It notes which jobs it starts tasks of; between what is made ready and the start something happens."""

    def __init__(self) -> None:
        super().__init__(token=TOKEN)
        self.started: list[int] = []
        self.meanwhile: Callable[[LaunchRequest], object] = lambda request: None

    def make_ready(self, request: LaunchRequest) -> None:
        super().make_ready(request)
        self.meanwhile(request)

    def launch_at_once(self, request: LaunchRequest) -> Launched | LaunchFailed | None:
        self.started.append(request.job_id)
        return super().launch_at_once(request)

    async def launch(self, requests: Sequence[LaunchRequest]) -> Sequence[Launched | LaunchFailed]:
        self.started += [one.job_id for one in requests]
        return await super().launch(requests)


async def run(manager: JobManager, engine: LocalEngine, parallel: int) -> None:
    options = Options(parallel=parallel)
    dispatcher = Dispatcher(manager.session.writer(), engine, token=TOKEN, options=options, bus=Bus())
    async with asyncio.timeout(30):
        await dispatcher.run()


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have all starts made without a look at the database, and without threads."""
    monkeypatch.setattr(Changes, "are_known", lambda changes, seconds: True)
    monkeypatch.setattr(spawner, "SLOW_SECONDS", 1000.0)


async def test_jobs_share_the_slots(at_once: None, tmp_path: Path) -> None:
    async with JobManager(tmp_path / "jobs.sql3", run=False) as manager:
        array = JobSpec(command=("true",), exec_dir=str(tmp_path), array=ArraySpec.parse("1-6"))
        await stored(manager, array)
        await stored(manager, array)
        engine = Ahead()
        await run(manager, engine, 12)
        assert [job.status async for job in manager.select()] == ["success", "success"]
    assert engine.started == [1, 2] * 6


async def test_a_command_that_moves_before_its_turn_is_found(
    at_once: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was made ready a while before may not be there any more."""
    places = tmp_path / "old", tmp_path / "new"
    for place in places:
        place.mkdir()
    path = os.pathsep.join([*map(str, places), os.environ["PATH"]])
    monkeypatch.setenv("PATH", path)
    monkeypatch.setattr("asyncjman.engines.local.ready.FRESH_SECONDS", 0.0)
    (places[0] / "moves").write_text("#!/bin/sh\n")
    (places[0] / "moves").chmod(0o755)
    async with JobManager(tmp_path / "jobs.sql3", run=False) as manager:
        await stored(manager, JobSpec(command=("moves",), exec_dir=str(tmp_path), log_dir="logs"))
        engine = Ahead()
        engine.meanwhile = lambda request: (places[0] / "moves").rename(places[1] / "moves")
        await run(manager, engine, 1)
        assert [job.status async for job in manager.select()] == ["success"]


async def test_what_can_not_be_made_ready_fails_when_it_starts(at_once: None, tmp_path: Path) -> None:
    async with JobManager(tmp_path / "jobs.sql3", run=False) as manager:
        missing = JobSpec(command=("no-such-command",), exec_dir=str(tmp_path), log_dir="logs")
        await stored(manager, replace(missing, array=ArraySpec.parse("1-3")))
        engine = Ahead()
        await run(manager, engine, 1)
        (job,) = [job async for job in manager.select()]
        assert job.counts == {Status.FAILURE: 3} and engine.started == [1, 1, 1]
