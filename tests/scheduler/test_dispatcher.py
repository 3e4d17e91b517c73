"""The dispatcher beside what other processes do, in moments that no command line can choose."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from asyncjman.api.manager import JobManager
from asyncjman.api.resubmission_request import Resubmission
from asyncjman.engines.base import Launched, LaunchFailed, LaunchRequest, Why
from asyncjman.engines.local import LocalEngine
from asyncjman.model.graph import Dependency, Kind
from asyncjman.model.job import JobSpec
from asyncjman.model.selection import Selection, ranges_of
from asyncjman.model.status import FINISHED, Status
from asyncjman.scheduler.bus import Bus
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
