"""Awaiting jobs: results, failures, timeouts, many awaiters, cancelled ones."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from asyncjman import JmanError, JobFailed, JobHandle, JobManager, Status, UsageError
from tests.api.tools import GATED, SLEEPER, check_clean, jman, until


async def test_a_result_has_all_that_is_known(folder: Path) -> None:
    async with JobManager() as jm:
        job = await jm.submit(["sh", "-c", "echo hello; echo oops >&2"], array="1-3", log_dir="logs")
        result = await job
        assert (result.job_id, result.status, result.succeeded) == (1, Status.SUCCESS, True)
        assert [task.exit_status for task in result.tasks] == [0, 0, 0]
        assert [task.task_id for task in await job.tasks()] == [1, 2, 3]
        assert result.peak_memory is not None and result.peak_memory > 100_000
        assert result.cpu_seconds is not None
        assert await job.output(2) == "hello\n"
        assert await job.output(2, errors=True) == "oops\n"
    check_clean(folder)


async def test_a_failure_is_raised_with_reason_and_logs(folder: Path) -> None:
    async with JobManager(parallel=3) as jm:
        job = await jm.submit(["sh", "-c", "[ $SGE_TASK_ID != 2 ] || exit 7"], array="1-3", log_dir="logs")
        with pytest.raises(JobFailed, match="exit status 7") as caught:
            await job
        assert caught.value.reason == "exit status 7"
        assert caught.value.result.exit_status == 7
        assert caught.value.logs == (str(folder / "logs/sh.o1.2"), str(folder / "logs/sh.e1.2"))
        assert caught.value.exit_code == 1
        result = await job.wait()
        assert [task.exit_status for task in result.tasks] == [0, 7, 0]


async def test_skipped_and_stopped_jobs_are_failures() -> None:
    async with JobManager(parallel=2) as jm:
        bad = await jm.submit(["false"])
        after = await jm.submit(["true"], after_ok=[bad])
        anyway = await jm.submit(["true"], after_any=[bad.id], after_notok=[bad])
        with pytest.raises(JobFailed, match="skipped"):
            await after
        assert (await anyway).succeeded
        stopped = await jm.submit(SLEEPER)
        await until(lambda: Path("pid.4.undefined").exists())
        await stopped.stop()
        assert stopped.status == Status.STOPPED
        with pytest.raises(JobFailed, match="stopped"):
            await stopped


async def test_a_timeout_leaves_the_job_running() -> None:
    async with JobManager() as jm:
        job = await jm.submit(GATED)
        with pytest.raises(TimeoutError):
            await job.wait(timeout=0.05)
        with pytest.raises(TimeoutError):
            await jm.wait(job, timeout=0.05)
        Path("go").touch()  # noqa: ASYNC240
        assert (await job).succeeded


async def test_stop_some_tasks() -> None:
    async with JobManager(parallel=2) as jm:
        job = await jm.submit(SLEEPER, array="1-2")
        await until(lambda: len(list(Path().glob("pid.1.*"))) == 2)
        await job.stop([2])
        await until(lambda: Path("pid.1.1").read_text())
        assert [task.status for task in await job.tasks()] == [Status.EXECUTING, Status.STOPPED]
        await job.stop()
        assert [task.status for task in await job.tasks()] == [Status.STOPPED, Status.STOPPED]


async def test_resubmit() -> None:
    async with JobManager() as jm:
        job = await jm.submit(["sh", "-c", "echo x >> file; [ -e there ]"], log_dir="logs")
        assert (await job.wait()).exit_status == 1
        Path("there").touch()  # noqa: ASYNC240
        await job.resubmit()
        result = await job
        assert [task.attempt for task in result.tasks] == [2]
        await job.resubmit(also_success=True, clean=True)
        await job
        assert Path("file").read_text() == "x\nx\nx\n"  # noqa: ASYNC240


async def test_several_jobs(folder: Path) -> None:
    async with JobManager(parallel=3) as jm:
        jobs = [
            await jm.submit(["sh", "-c", f"until [ -e go{i} ]; do sleep 0.01; done; exit {i}"])
            for i in range(3)
        ]
        seen = []
        (folder / "go1").touch()
        async for job in jm.as_completed(*jobs):
            seen.append(job.id)
            for i in {1: (), 2: (2,), 3: (0,)}[job.id]:
                (folder / f"go{i}").touch()
        assert seen == [2, 3, 1]
        assert [result.exit_status for result in await jm.wait(*jobs)] == [0, 1, 2]
        assert [job.id for job in await jm.jobs()] == [1, 2, 3]
        with pytest.raises(UsageError, match="no job 9"):
            await jm.get(9)


async def test_what_makes_no_sense_is_refused_and_nothing_stored() -> None:
    with pytest.raises(UsageError):
        JobManager(parallel=0)
    async with JobManager() as jm:
        for command, options in (
            ([], {}),
            (["no-such-command"], {}),
            (["true"], {"array": "5-2"}),
            (["true"], {"after_ok": [99]}),
            (["true"], {"exec_dir": "no-such-folder"}),
            (["true"], {"sweep": {"a": []}}),
        ):
            with pytest.raises(UsageError):
                await jm.submit(command, **options)
        assert await jm.jobs() == []


async def test_a_job_that_is_deleted_while_it_is_awaited() -> None:
    async with JobManager() as jm:
        keep, job = await jm.submit(GATED), await jm.submit(["true"])
        waiter = asyncio.create_task(job.wait())
        code, *said = await jman("delete", "2")
        assert code == 0, said
        (outcome,) = await asyncio.wait_for(asyncio.gather(waiter, return_exceptions=True), 20)
        if isinstance(outcome, BaseException):
            assert isinstance(outcome, JmanError)
            assert "job 2 was deleted" in str(outcome)
        else:  # it was stopped first, and that was seen
            assert outcome.status == Status.STOPPED
        Path("go").touch()  # noqa: ASYNC240
        await keep


async def test_a_thousand_awaiters_half_of_them_cancelled(folder: Path) -> None:
    chance = random.Random(7)

    async def wait_for(job: JobHandle) -> int:
        if chance.random() < 0.5:
            return (await job).job_id
        return (await job.wait()).job_id

    async with JobManager(parallel=10) as jm:
        jobs = [await jm.submit(GATED) for _ in range(10)]
        waiters = [asyncio.create_task(wait_for(jobs[number % 10])) for number in range(1000)]
        to_cancel = chance.sample(range(1000), 500)
        for number in to_cancel[:100]:
            waiters[number].cancel()  # before they began
        events = jm.events(*jobs)
        for _ in range(10):
            await anext(events)
        await events.aclose()
        for number in to_cancel[100:400]:
            waiters[number].cancel()
        (folder / "go").touch()
        for number in to_cancel[400:]:  # about when the jobs end
            waiters[number].cancel()
            await asyncio.sleep(0)
        async with asyncio.timeout(30):
            results = await asyncio.gather(*waiters, return_exceptions=True)
        for number, result in enumerate(results):
            if number in to_cancel[:400]:
                assert isinstance(result, asyncio.CancelledError)
            elif number not in to_cancel:
                assert result == jobs[number % 10].id
        assert [(await job.refresh()).status for job in jobs] == [Status.SUCCESS] * 10
    check_clean(folder)
