"""Observing executes nothing: what runs here is what was submitted here, or what was asked for by name."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from asyncjman import JobHandle, JobManager, Progress, Status
from asyncjman.runtime import SYSTEM
from tests.api.tools import GATED, SLEEPER, check_clean, jman, rows, until

DATABASE = Path("submitted.sql3")


async def watch(jm: JobManager, job: JobHandle, how: str) -> None:
    """Observe a job until it ends."""
    if how == "await":
        await job
    elif how == "wait":
        await jm.wait(job)
    elif how == "events":
        async for _ in jm.events(job):
            pass
    else:
        async for _ in jm.as_completed(job):
            pass


OBSERVING = pytest.mark.parametrize("how", ["await", "wait", "events", "as_completed"])


async def test_progress_has_rate_and_time_left(folder: Path) -> None:
    later = [0.0]
    gated = "[ $SGE_TASK_ID = 1 ] || until [ -e go.$SGE_TASK_ID ]; do sleep 0.02; done"
    async with JobManager(runtime=SYSTEM._replace(monotonic=lambda: later[0] + time.monotonic())) as jm:
        job = await jm.submit(["sh", "-c", gated], array=3)
        other = await jm.submit(["true"], after_ok=job)

        async def looked(ended: int) -> Progress:
            while True:
                seen = await jm.progress(job, other)
                if seen.ended == ended and seen.running:
                    return seen
                await asyncio.sleep(0.01)

        first = await looked(1)
        assert (first.total, first.succeeded, first.fraction, first.rate) == (4, 1, 0.25, None)
        assert first.seconds_left is not None
        later[0] += 10
        (folder / "go.2").touch()
        assert (await looked(2)).rate == pytest.approx(0.2, rel=0.3)
        (folder / "go.3").touch()
        await other
        assert await job.progress() == Progress(total=3, ended=3, succeeded=3, failed=0, running=0)


@OBSERVING
async def test_watching_somebody_elses_job_runs_nothing(folder: Path, how: str) -> None:
    assert (await jman("submit", "-t", "8", "--", "sh", "-c", "echo ran >> ran"))[0] == 0
    async with JobManager(parallel=4) as jm:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.7):
                await watch(jm, await jm.get(1), how)
        assert rows(DATABASE, "SELECT * FROM runner") == []
    assert not (folder / "ran").exists()
    assert rows(DATABASE, "SELECT * FROM task") == []


@OBSERVING
async def test_leaving_stops_nothing_of_what_another_process_runs(folder: Path, how: str) -> None:
    assert (await jman("submit", "-t", "8", *GATED))[0] == 0
    runner = asyncio.create_task(jman("execute", "-p", "2"))
    await until(lambda: DATABASE.exists() and rows(DATABASE, "SELECT 1 FROM task WHERE status = 'executing'"))
    async with JobManager(parallel=4) as jm:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.7):
                await watch(jm, await jm.get(1), how)
        assert rows(DATABASE, "SELECT count(*) FROM task WHERE status = 'executing'") == [(2,)]
    (folder / "go").touch()
    assert (await runner)[0] == 0
    assert rows(DATABASE, "SELECT status, count(*) FROM task GROUP BY 1") == [("success", 8)]


@pytest.mark.parametrize("by_handle", [True, False])
async def test_run_has_others_jobs_run_here_with_what_they_wait_for(folder: Path, by_handle: bool) -> None:
    assert (await jman("submit", "sh", "-c", "echo first >> ran"))[0] == 0
    assert (await jman("submit", "--after-ok", "1", "sh", "-c", "echo second >> ran"))[0] == 0
    assert (await jman("submit", "sh", "-c", "echo third >> ran"))[0] == 0
    async with JobManager() as jm:
        job = await jm.get(2)
        await (job.run() if by_handle else jm.run(job))
        async with asyncio.timeout(20):
            assert (await job).succeeded
        assert [one.status for one in await jm.jobs()] == [Status.SUCCESS, Status.SUCCESS, Status.SUBMITTED]
    assert (folder / "ran").read_text() == "first\nsecond\n"
    check_clean(folder)


async def test_what_a_job_waits_for_runs_with_it(folder: Path) -> None:
    """Of an earlier session of the same program, say: it would wait for ever."""
    async with JobManager() as jm:
        blocker = await jm.submit(SLEEPER)
        await until(lambda: (folder / "pid.1.undefined").exists())
        await jm.submit(["sh", "-c", "echo first >> ran"])
    assert blocker.id == 1
    async with JobManager() as jm:
        async with asyncio.timeout(20):
            assert (await (await jm.submit(["sh", "-c", "echo second >> ran"], after_ok=[2]))).succeeded
    assert (folder / "ran").read_text() == "first\nsecond\n"


async def test_leaving_stops_nothing_of_what_ran_only_because_it_was_waited_for(folder: Path) -> None:
    """It was not asked for here: it runs again, by whoever is to run it."""
    assert (await jman("submit", "-t", "4", "--", "sh", "-c", "[ -e go ] || sleep 1000"))[0] == 0
    async with JobManager(parallel=2) as jm:
        await jm.submit(["true"], after_ok=[1])
        await until(lambda: rows(DATABASE, "SELECT count(*) FROM task WHERE status = 'executing'") == [(2,)])
    check_clean(folder)
    assert rows(DATABASE, "SELECT DISTINCT status FROM task") == [("submitted",)]
    assert rows(DATABASE, "SELECT task_id, status FROM attempt") == [(1, "failure"), (2, "failure")]
    (folder / "go").touch()
    assert (await jman("execute", "-p", "2"))[0] == 0
    async with JobManager() as jm:
        assert {job.status for job in await jm.jobs()} == {Status.SUCCESS}


async def test_what_is_asked_to_stop_is_stopped_also_where_it_runs_for_others(folder: Path) -> None:
    assert (await jman("submit", *SLEEPER))[0] == 0
    async with JobManager() as jm:
        job = await jm.submit(["true"], after_ok=[1])
        await until(lambda: (folder / "pid.1.undefined").exists())
        assert (await jman("stop", "1"))[0] == 0
        assert (await asyncio.wait_for(job.wait(), 20)).status == Status.SKIPPED
    assert rows(DATABASE, "SELECT status FROM task WHERE job_id = 1") == [("stopped",)]


async def test_resubmitted_here_is_run_here(folder: Path) -> None:
    assert (await jman("submit", "sh", "-c", "echo ran >> ran; [ -e go ]"))[0] == 0
    assert (await jman("execute"))[0] == 1
    (folder / "go").touch()
    async with JobManager() as jm:
        job = await jm.get(1)
        await job.resubmit()
        async with asyncio.timeout(20):
            assert (await job).succeeded
    assert (folder / "ran").read_text() == "ran\nran\n"
