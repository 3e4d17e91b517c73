"""Events of jobs: in order, each once, from the beginning, whoever subscribes when."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

from asyncjman import (
    Event,
    JobFinished,
    JobHandle,
    JobManager,
    Retry,
    Status,
    TaskFinished,
    TaskRetried,
    TaskStarted,
)
from tests.api.tools import GATED, jman, until


async def collect(jm: JobManager, *jobs: JobHandle) -> list[Event]:
    async with asyncio.timeout(30):
        return [event async for event in jm.events(*jobs)]


def label(event: Event) -> tuple[str, int, int | None]:
    task = event.task_id if isinstance(event, TaskStarted) else None
    if isinstance(event, TaskFinished | TaskRetried):
        task = event.task.task_id
    return type(event).__name__, event.job_id, task


def check_array(events: list[Event], job_id: int, tasks: int) -> None:
    """Each task's start, then its end, and after all of them the job's end; each once."""
    labels = [label(event) for event in events if event.job_id == job_id]
    assert max(Counter(labels).values()) == 1, labels
    assert labels[-1] == ("JobFinished", job_id, None)
    for task in range(1, tasks + 1):
        assert labels.index(("TaskStarted", job_id, task)) < labels.index(("TaskFinished", job_id, task))
    assert len(labels) == 2 * tasks + 1


async def test_order_and_each_once() -> None:
    async with JobManager(parallel=4) as jm:
        first = await jm.submit(["sh", "-c", "[ $SGE_TASK_ID != 3 ]"], array="1-20%3")
        second = await jm.submit(["true"], array="1-5", after_any=[first])
        events = await collect(jm, first, second)
    check_array(events, 1, 20)
    check_array(events, 2, 5)
    ends = [event.status for event in events if isinstance(event, JobFinished)]
    assert ends == [Status.FAILURE, Status.SUCCESS]
    failed = [event.task for event in events if isinstance(event, TaskFinished) and event.task.exit_status]
    assert [task.task_id for task in failed] == [3]


async def test_subscribed_in_the_middle_and_after_the_end(folder: Path) -> None:
    async with JobManager(parallel=2) as jm:
        job = await jm.submit(
            ["sh", "-c", "[ $SGE_TASK_ID != 2 ] || until [ -e go ]; do sleep 0.02; done"], array="1-6"
        )
        early = asyncio.create_task(collect(jm, job))
        await until(lambda: (folder / "submitted.sql3").exists())
        while [task.status for task in await job.tasks()].count(Status.SUCCESS) < 2:
            await asyncio.wait([early], timeout=0.01)
        middle = asyncio.create_task(collect(jm, job))
        (folder / "go").touch()
        for events in (await early, await collect(jm, job), await collect(jm, job)):
            check_array(events, 1, 6)
        labels = [label(event) for event in await middle]
        assert set(labels) == {label(event) for event in await early}
        assert len(labels) == 13
        assert labels[-1] == ("JobFinished", 1, None)


async def test_after_the_end_by_another_manager() -> None:
    async with JobManager() as jm:
        await (await jm.submit(["true"], array="1-3"))
    async with JobManager() as jm:
        check_array(await collect(jm, await jm.get(1)), 1, 3)


async def test_a_job_that_another_process_runs(folder: Path) -> None:
    assert (await jman("submit", *GATED))[0] == 0
    async with JobManager() as jm:
        job = await jm.get(1)
        runner = asyncio.create_task(jman("execute"))
        events = asyncio.create_task(collect(jm, job))
        (folder / "go").touch()
        last = (await events)[-1]
        assert isinstance(last, JobFinished)
        assert last.status == Status.SUCCESS
        assert (await runner)[0] in (0, 1)


async def test_each_attempt_is_told() -> None:
    async with JobManager() as jm:
        job = await jm.submit(["sh", "-c", "[ $JMAN_ATTEMPT = 3 ]"], retry=Retry(2))
        events = await collect(jm, job)
    assert [
        (type(one).__name__, getattr(one, "attempt", None))
        for one in events
        if not isinstance(one, TaskRetried)
    ] == [
        ("TaskStarted", 1),
        ("TaskStarted", 2),
        ("TaskStarted", 3),
        ("TaskFinished", None),
        ("JobFinished", None),
    ]
    retried = [one.task for one in events if isinstance(one, TaskRetried)]
    assert [(task.attempt, task.exit_status) for task in retried] == [(1, 1), (2, 1)]


async def test_a_skipped_job_ends_without_having_begun() -> None:
    async with JobManager() as jm:
        bad = await jm.submit(["false"])
        job = await jm.submit(["true"], after_ok=[bad])
        events = await collect(jm, job)
        assert [type(event) for event in events if not isinstance(event, TaskFinished)] == [JobFinished]
        assert isinstance(events[-1], JobFinished)
        assert events[-1].status == Status.SKIPPED


async def test_leaving_a_stream_early_disturbs_nobody(folder: Path) -> None:
    async with JobManager() as jm:
        job = await jm.submit(GATED)
        other = asyncio.create_task(collect(jm, job))
        async for event in jm.events(job):
            assert isinstance(event, TaskStarted)
            break
        cancelled = asyncio.create_task(collect(jm, job))
        await asyncio.wait([cancelled], timeout=0)
        cancelled.cancel()
        (folder / "go").touch()
        assert [type(event) for event in await other] == [TaskStarted, TaskFinished, JobFinished]
