"""Cancelled at any await: the job is as it was, or as it would be, and can still be awaited."""

from __future__ import annotations

import asyncio
from contextlib import suppress
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
