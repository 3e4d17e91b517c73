"""Events of jobs: in order, each once, from the beginning, whoever subscribes when."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from pathlib import Path

from asyncjman import (
    Event,
    JobFinished,
    JobHandle,
    JobManager,
    JobSubmitted,
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
    """The job's submission, each task's start, then its end, and then the job's end; each once."""
    labels = [label(event) for event in events if event.job_id == job_id]
    assert max(Counter(labels).values()) == 1, labels
    assert labels[0] == ("JobSubmitted", job_id, None)
    assert labels[-1] == ("JobFinished", job_id, None)
    for task in range(1, tasks + 1):
        assert labels.index(("TaskStarted", job_id, task)) < labels.index(("TaskFinished", job_id, task))
    assert len(labels) == 2 * tasks + 2


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
        assert len(labels) == 14
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
        ("JobSubmitted", None),
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
        assert [type(event) for event in events if not isinstance(event, TaskFinished)] == [
            JobSubmitted,
            JobFinished,
        ]
        assert isinstance(events[-1], JobFinished)
        assert events[-1].status == Status.SKIPPED


async def test_leaving_a_stream_early_disturbs_nobody(folder: Path) -> None:
    async with JobManager() as jm:
        job = await jm.submit(GATED)
        other = asyncio.create_task(collect(jm, job))
        async for event in jm.events(job):
            if isinstance(event, TaskStarted):
                break
        cancelled = asyncio.create_task(collect(jm, job))
        await asyncio.wait([cancelled], timeout=0)
        cancelled.cancel()
        (folder / "go").touch()
        assert [type(event) for event in await other] == [
            JobSubmitted,
            TaskStarted,
            TaskFinished,
            JobFinished,
        ]


async def test_what_another_process_does_is_told_while_it_does_it(folder: Path) -> None:
    """Within half a second, not only at the job's end."""
    wait = 'until [ -e "go.$SGE_TASK_ID" ]; do sleep 0.02; done'
    assert (await jman("submit", "-t", "2", "sh", "-c", wait))[0] == 0
    runner = asyncio.create_task(jman("execute"))
    async with JobManager(run=False) as jm:
        stream = jm.events(await jm.get(1))
        late: list[float] = []
        labels = []
        async with asyncio.timeout(30):
            async for event in stream:
                labels.append(label(event))
                if not isinstance(event, JobSubmitted):
                    late.append(time.time() - event.time)
                if isinstance(event, TaskStarted):
                    (folder / f"go.{event.task_id}").touch()
    assert (await runner)[0] == 0
    assert [name for name, *_ in labels] == [
        "JobSubmitted",
        "TaskStarted",
        "TaskFinished",
        "TaskStarted",
        "TaskFinished",
        "JobFinished",
    ]
    assert max(late) < 0.5


def ends_of(events: list[Event]) -> list[tuple[str, int]]:
    return [
        (type(one).__name__, one.task.attempt)
        for one in events
        if isinstance(one, TaskFinished | TaskRetried) and one.job_id == 1
    ]


async def test_a_replay_has_earlier_attempts_in_order_of_time() -> None:
    async with JobManager() as jm:
        first = await jm.submit(["sh", "-c", "[ $JMAN_ATTEMPT -gt 2 ]"], retry=1)
        second = await jm.submit(["true"], after_any=first)
        live = await collect(jm, first, second)
        await first.resubmit()
        assert (await first).succeeded
        events = await collect(jm, first, second)
        await first.resubmit(also_success=True)
        await first
        again = await collect(jm, first)
    assert [one.time for one in events] == sorted(one.time for one in events)
    assert ends_of(events) == [("TaskRetried", 1), ("TaskFinished", 2), ("TaskFinished", 3)]
    assert ("TaskRetried", 1, 0) in map(label, live)
    # only of the latest resubmission it is kept which attempt it followed
    assert ends_of(again) == [
        ("TaskRetried", 1),
        ("TaskRetried", 2),
        ("TaskFinished", 3),
        ("TaskFinished", 4),
    ]


async def test_events_of_everything_has_jobs_that_are_new() -> None:
    async with JobManager() as jm:
        seen: list[tuple[str, int, int | None]] = []

        async def read() -> None:
            async for event in jm.events():
                seen.append(label(event))

        reader = asyncio.create_task(read())
        await (await jm.submit(["true"]))
        assert (await jman("submit", "true"))[0] == 0
        again = await jm.get(1)
        await again.resubmit(also_success=True)
        await again
        await until(lambda: ("JobSubmitted", 2, None) in seen and seen.count(("JobFinished", 1, None)) == 2)
    await reader  # it ends with the block
    assert [one for one in seen if one[1] == 1] == [
        ("JobSubmitted", 1, None),
        ("TaskStarted", 1, 0),
        ("TaskFinished", 1, 0),
        ("JobFinished", 1, None),
    ] * 2
