"""The dispatcher beside what other processes do, in moments that no command line can choose."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from asyncjman.api.manager import JobManager
from asyncjman.engines.local import LocalEngine
from asyncjman.model.graph import Dependency, Kind
from asyncjman.model.job import JobSpec
from asyncjman.model.status import Status
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
