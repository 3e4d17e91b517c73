"""A submission to a cluster that is cancelled at any await: the handle is given, and the job is sent.

Every third await is tried, from one on that is chosen at random (JMAN_SEED).
"""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from asyncjman import JmanError, JobManager, Status
from tests.api.stepping import Moment, Stepped
from tests.api.tools import until
from tests.faults.cell import Cell
from tests.faults.tools import SEED

LIMIT = 30.0


@pytest.fixture
def folder(tmp_path: Path, cell: Cell, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the commands of the cluster on this process's own PATH."""
    monkeypatch.setenv("PATH", f"{cell.folder}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name, value in (("VANISH_GRACE", "0"), ("POLL_INTERVAL", "0.05"), ("POLL_INTERVAL_MAX", "0.1")):
        monkeypatch.setenv(f"JMAN_{name}", value)
    work = tmp_path / "work"
    monkeypatch.chdir(work)
    return work


@pytest.mark.parametrize("moment", list(Moment))
async def test_cancelled_at_any_await(folder: Path, cell: Cell, moment: Moment) -> None:
    async with JobManager(executor="sge") as jm:
        for step in range(SEED % 3, 1000, 3):
            before = len(await jm.jobs())
            submit = Stepped(jm.submit(["true"], queue="all.q"), step, moment)
            try:
                job = await asyncio.wait_for(submit.start(), LIMIT)
            except asyncio.CancelledError as error:
                job = getattr(error, "job", None)
            assert [one.id for one in (await jm.jobs())[before:]] == ([job.id] if job else [])
            if job is not None:
                await until(cell.listed)
                (native_id,) = cell.listed()
                await asyncio.to_thread(cell.run, native_id)
                assert (await asyncio.wait_for(job, LIMIT)).succeeded
            if not submit.reached:
                break
    assert len(cell.calls("qsub")) == len({json.dumps(words) for words in cell.calls("qsub")})


async def test_what_the_cluster_says_later_is_told_to_who_waits(folder: Path, cell: Cell) -> None:
    qsub = cell.folder / "qsub"
    qsub.write_text("#!/bin/sh\ntouch called\nsleep 0.3\necho 'denied: not today' >&2\nexit 1\n")
    async with JobManager(executor="sge") as jm:
        submit = asyncio.create_task(jm.submit(["true"], queue="all.q"))
        await until((folder / "called").exists)
        submit.cancel()
        with pytest.raises(asyncio.CancelledError) as caught:
            await submit
        job = caught.value.job  # type: ignore[attr-defined]
        assert job.status == Status.SUBMITTED
        with pytest.raises(JmanError, match="not today"):
            await asyncio.wait_for(job, LIMIT)
        assert await jm.jobs() == []
