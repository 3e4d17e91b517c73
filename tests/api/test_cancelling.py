"""Cancelled at any await: the job is as it was, or as it would be, and can still be awaited."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest

from asyncjman import JobHandle, JobManager
from tests.api.stepping import Moment, Stepped
from tests.api.tools import SLEEPER

LIMIT = 20.0


async def leave_jobs(count: int) -> None:
    """Leave so many jobs that nobody runs."""
    async with JobManager() as jm:
        await jm.submit(SLEEPER)
        for _ in range(count):
            await jm.submit(["true"])


async def run_and_wait(job: JobHandle) -> None:
    await job.run()
    await job.wait()


@pytest.mark.parametrize("moment", list(Moment))
async def test_a_first_await_that_is_cancelled_leaves_the_job_awaitable(folder: Path, moment: Moment) -> None:
    count = 40
    await leave_jobs(count)
    async with JobManager() as jm:
        for step in range(count):
            job = await jm.get(step + 2)
            first = Stepped(run_and_wait(job), step, moment)
            await asyncio.wait([first.start()], timeout=LIMIT)
            await job.run()
            async with asyncio.timeout(LIMIT):
                assert (await job).succeeded
            if not first.reached:
                return


async def test_a_first_await_that_times_out_leaves_the_job_awaitable(folder: Path) -> None:
    await leave_jobs(7)
    async with JobManager() as jm:
        for number, seconds in enumerate((0.0, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01), 2):
            job = await jm.get(number)
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await run_and_wait(job)
            await job.run()
            async with asyncio.timeout(LIMIT):
                assert (await jm.wait(job))[0].succeeded


@pytest.mark.parametrize("moment", list(Moment))
async def test_a_cancelled_submit_stored_nothing_or_gives_the_handle(folder: Path, moment: Moment) -> None:
    stored = 0
    async with JobManager() as jm:
        for step in range(1000):
            before = len(await jm.jobs())
            submit = Stepped(jm.submit(["true"]), step, moment)
            task = submit.start()
            try:
                job = await task
            except asyncio.CancelledError as error:
                job = getattr(error, "job", None)
            new = [one.id for one in (await jm.jobs())[before:]]
            assert new == ([job.id] if job else [])
            if job is not None:
                stored += 1
                async with asyncio.timeout(LIMIT):
                    assert (await job).succeeded
            if not submit.reached:
                break
    assert stored > 1


async def test_a_submit_that_times_out_gives_the_handle_too(folder: Path) -> None:
    """``asyncio.timeout`` makes another error of it, whose cause is the one with the handle."""
    async with JobManager() as jm:
        with closing(sqlite3.connect("submitted.sql3", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(TimeoutError) as caught:
                async with asyncio.timeout(0.5):
                    asyncio.get_running_loop().call_later(1.0, other.execute, "COMMIT")
                    await jm.submit(["true"])
        async with asyncio.timeout(LIMIT):
            for job in await jm.jobs():
                assert job.id == caught.value.__cause__.job.id  # type: ignore[union-attr]
                assert (await caught.value.__cause__.job).succeeded  # type: ignore[union-attr]
