"""Leaving the manager's block, by its end, by an error, by cancellation: nothing is left behind."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from asyncjman import JobManager, Status
from tests.api.tools import GATED, SLEEPER, check_clean, rows, until


def started(count: int) -> bool:
    return sum(path.read_text().endswith("\n") for path in Path().glob("pid.*")) == count


async def statuses() -> dict[int, Status]:
    async with JobManager() as jm:
        return {job.id: job.status for job in await jm.jobs()}


async def test_jobs_that_run_are_stopped(folder: Path) -> None:
    async with JobManager(parallel=2) as jm:
        await jm.submit(SLEEPER, array="1-4")
        await jm.submit(["true"], after_any=[1])
        await until(lambda: started(2))
    check_clean(folder)
    assert (await statuses())[2] in (Status.WAITING, Status.SUBMITTED)
    assert rows(folder / "submitted.sql3", "SELECT status, count(*) FROM task WHERE job_id = 1 GROUP BY 1")[
        0
    ] == (
        "stopped",
        2,
    )


async def test_jobs_that_run_are_awaited(folder: Path) -> None:
    async with JobManager(parallel=2, on_exit="wait") as jm:
        await jm.submit(["sh", "-c", "sleep 0.1; echo $SGE_TASK_ID >> done"], array="1-4")
        await jm.submit(["sh", "-c", "echo last >> done; exit 3"], after_any=[1])
    assert sorted((folder / "done").read_text().split()[:4]) == ["1", "2", "3", "4"]
    assert (folder / "done").read_text().endswith("last\n")
    check_clean(folder)
    assert await statuses() == {1: Status.SUCCESS, 2: Status.FAILURE}


@pytest.mark.parametrize("on_exit", ["stop", "wait"])
async def test_an_error_stops_what_runs(folder: Path, on_exit: str) -> None:
    with pytest.raises(ZeroDivisionError):
        async with JobManager(on_exit=on_exit) as jm:  # type: ignore[arg-type]
            await jm.submit(SLEEPER)
            await until(lambda: started(1))
            raise ZeroDivisionError
    check_clean(folder)
    assert await statuses() == {1: Status.STOPPED}


async def test_cancelling_the_surrounding_task_group(folder: Path) -> None:
    async def work() -> None:
        async with JobManager(parallel=4) as jm:
            jobs = [await jm.submit(SLEEPER) for _ in range(4)]
            await asyncio.gather(*jobs)

    async def fail() -> None:
        await until(lambda: started(4))
        raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.TaskGroup() as group:
            group.create_task(work())
            group.create_task(fail())
    assert [type(error) for error in caught.value.exceptions] == [ZeroDivisionError]
    check_clean(folder)
    assert set((await statuses()).values()) == {Status.STOPPED}


@pytest.mark.parametrize("after", [0.0, 0.003, 0.01, 0.02, 0.03, 0.05, 0.08])
async def test_cancelled_at_any_moment(folder: Path, after: float) -> None:
    async def work() -> None:
        async with JobManager(parallel=3) as jm:
            for _ in range(5):
                await jm.submit(SLEEPER, array="1-2")
            await asyncio.gather(*await jm.jobs())

    task = asyncio.create_task(work())
    await asyncio.wait([task], timeout=after)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with JobManager():
        pass  # it can be opened again
    check_clean(folder)


async def test_cancelled_while_it_waits_at_the_end(folder: Path) -> None:
    async def work() -> None:
        async with JobManager(on_exit="wait") as jm:
            await jm.submit(SLEEPER)

    task = asyncio.create_task(work())
    await until(lambda: started(1))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    check_clean(folder)


async def test_jobs_of_an_earlier_time_can_be_run_and_awaited(folder: Path) -> None:
    async with JobManager() as jm:
        await jm.submit(SLEEPER)
        await jm.submit(["sh", "-c", "echo late"], log_dir="logs")
        await until(lambda: started(1))
    async with JobManager() as jm:
        second = await jm.get(2)
        await second.run()
        assert (await second).succeeded
        assert await second.output() == "late\n"
        assert (await (await jm.get(1)).wait()).status == Status.STOPPED
    check_clean(folder)


async def test_no_signal_handler_is_installed_but_that_of_sigterm() -> None:
    known = [signal.SIGINT, signal.SIGHUP, signal.SIGCHLD]
    before = [signal.getsignal(one) for one in known]
    async with JobManager() as jm:
        job = await jm.submit(GATED)
        await until(lambda: jm.session is not None)
        assert [signal.getsignal(one) for one in known] == before
        Path("go").touch()  # noqa: ASYNC240
        await job
    assert [signal.getsignal(one) for one in known] == before
