"""Several managers in one loop, and other processes, on the same jobs."""

from __future__ import annotations

import asyncio
from pathlib import Path

from asyncjman import JobManager, Status
from tests.api.tools import GATED, check_clean, jman, rows, until


async def test_two_managers_with_databases_of_their_own(folder: Path) -> None:
    async with JobManager("a.sql3") as one, JobManager("b.sql3") as two:
        first, second = await one.submit(GATED), await two.submit(["false"])
        assert (first.id, second.id) == (1, 1)
        assert (await second.wait()).exit_status == 1
        (folder / "go").touch()
        assert (await first).succeeded
        assert [len(await manager.jobs()) for manager in (one, two)] == [1, 1]


async def test_two_managers_with_the_same_database(folder: Path) -> None:
    async with JobManager(parallel=2) as one, JobManager(parallel=2) as two:
        job = await one.submit(["sh", "-c", "echo $$ >> ran.$SGE_TASK_ID"], array="1-40")
        same = await two.get(job.id)
        results = await asyncio.gather(job, same)
        assert [result.succeeded for result in results] == [True, True]
        chained = await two.submit(["true"], after_ok=[job])
        assert (await (await one.get(chained.id))).succeeded
    ran = [(folder / f"ran.{i}").read_text() for i in range(1, 41)]
    assert [text.count("\n") for text in ran] == [1] * 40
    check_clean(folder)


async def test_a_manager_in_another_one(folder: Path) -> None:
    async with JobManager() as outer:
        waiting = await outer.submit(GATED)
        async with JobManager() as inner:
            assert (await inner.submit(["true"])) is not None
            assert (await (await inner.get(2))).succeeded
        (folder / "go").touch()
        assert (await waiting).succeeded
    check_clean(folder)


async def test_a_job_that_the_command_line_submitted() -> None:
    assert (await jman("submit", "-n", "theirs", "-t", "3", "true"))[0] == 0
    assert (await jman("submit", "--after-ok", "1", "sh", "-c", "exit 4"))[0] == 0
    async with JobManager(parallel=2) as jm:
        second = await jm.get(2)
        await second.run()
        assert (await second.wait()).exit_status == 4
        first = await jm.get(1)
        assert (first.job.spec.name, first.status) == ("theirs", Status.SUCCESS)
        async with asyncio.timeout(20):
            assert (await jman("submit", "true"))[0] == 0
            third = await jm.get(3)
            await third.run()
            assert (await third).succeeded


async def test_a_job_that_another_process_runs(folder: Path) -> None:
    assert (await jman("submit", *GATED))[0] == 0
    runner = asyncio.create_task(jman("execute"))
    await until(lambda: rows(folder / "submitted.sql3", "SELECT 1 FROM task WHERE status = 'executing'"))
    async with JobManager() as jm:
        job = await jm.get(1)
        assert job.status == Status.EXECUTING
        waiters = [asyncio.create_task(job.wait()) for _ in range(3)]
        (folder / "go").touch()
        assert [result.succeeded for result in await asyncio.gather(*waiters)] == [True] * 3
    assert (await runner)[0] == 0
    check_clean(folder)


async def test_a_job_that_another_process_waits_for_and_lists() -> None:
    async with JobManager(parallel=2) as jm:
        good, bad = await jm.submit(GATED), await jm.submit(["sh", "-c", "exit 3"])
        waiter = asyncio.create_task(jman("wait", "1"))
        await bad.wait()
        code, text = await jman("list", "-s", "failure", "-o")
        assert (code, text) == (0, "2\n")
        assert not waiter.done()
        Path("go").touch()  # noqa: ASYNC240
        assert await waiter == (0, "")
        assert (await good).succeeded
        assert (await jman("wait"))[0] == 1


async def test_stopped_and_resubmitted_by_the_command_line() -> None:
    async with JobManager() as jm:
        job = await jm.submit(GATED)
        await until(lambda: rows(Path("submitted.sql3"), "SELECT 1 FROM task WHERE status = 'executing'"))
        assert (await jman("stop", "1"))[0] == 0
        assert (await job.wait()).status == Status.STOPPED
        Path("go").touch()  # noqa: ASYNC240
        assert (await jman("resubmit", "1"))[0] == 0
        assert (await (await jm.get(1))).succeeded


async def test_an_end_that_was_seen_before_somebody_resubmitted_is_not_trusted(folder: Path) -> None:
    async with JobManager() as jm:
        assert (await (await jm.submit(["sh", "-c", "[ -e go ]"])).wait()).exit_status == 1
    async with JobManager() as jm:
        job = await jm.get(1)
        assert job.status == Status.FAILURE
        assert (await jman("resubmit", "1"))[0] == 0
        waiter = asyncio.create_task(job.wait())
        completed = asyncio.create_task(anext(jm.as_completed(job)))
        assert await asyncio.wait([waiter, completed], timeout=0.5) == (set(), {waiter, completed})
        (folder / "go").touch()
        assert (await jman("execute"))[0] == 0
        assert (await asyncio.wait_for(waiter, 20)).tasks[0].attempt == 2
        assert await completed is job
        assert (await job.refresh()).status == Status.SUCCESS
