"""Each public coroutine, cancelled at each of its awaits: the job is as it was, or as it would be.

It can still be awaited, who else awaits it is not disturbed, the block can be left, nothing is left behind,
and asyncio has nothing to complain of. JMAN_LONG=1 or JMAN_TORTURE=1: several rounds of it, in which other
things happen in the loop at random. JMAN_SEED repeats one.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import sqlite3
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import aclosing, asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from asyncjman import JobHandle, JobManager, Status, TaskStarted
from tests.api.stepping import Moment, Stepped
from tests.api.tools import GATED, SLEEPER, check_clean, until

LIMIT = 30.0
LONG = bool(os.environ.get("JMAN_LONG") or os.environ.get("JMAN_TORTURE"))
SEED = int(os.environ.get("JMAN_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
ROUNDS = 5 if LONG else 1
MOST_STEPS = 1000

QUICK = ("sh", "-c", "echo out")
AGAIN = ("sh", "-c", "[ $JMAN_ATTEMPT -gt 1 ]")
"""Fails the first time."""

MOMENTS = pytest.mark.parametrize("moment", list(Moment), ids=lambda moment: moment.value)


@asynccontextmanager
async def nothing_to_complain_of() -> AsyncIterator[None]:
    """Fail where asyncio logs anything, or a task is left."""
    complaints: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(str(context)))
    before = asyncio.all_tasks()
    try:
        yield
        await until(lambda: asyncio.all_tasks() <= before, LIMIT)
        gc.collect()
        await asyncio.sleep(0)
    finally:
        loop.set_exception_handler(None)
    assert complaints == []


@asynccontextmanager
async def unrest(seed: int) -> AsyncIterator[None]:
    """In the long form, have other things happen in the loop, so that what is awaited is ready or not."""

    async def stir() -> None:
        chance = random.Random(seed)
        while True:  # noqa: ASYNC110 - it is the purpose
            await asyncio.sleep(chance.choice([0, 0, 0.0001, 0.001]))

    tasks = [asyncio.create_task(stir()) for _ in range(3)] if seed and LONG else []
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def steps(stride: int) -> Iterator[int]:
    """Return which awaits to cancel."""
    return iter(range(MOST_STEPS) if LONG else range(SEED % stride, MOST_STEPS, stride))


@contextmanager
def telling(step: int) -> Iterator[None]:
    """Say at which step something failed."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"cancelled at await {step}; JMAN_SEED={SEED}")
        raise


async def quick(jm: JobManager) -> JobHandle:
    return await jm.submit(QUICK, log_dir="logs")


async def failed(jm: JobManager) -> JobHandle:
    """Return a job that ran elsewhere, so that it runs here only if that is known."""
    async with JobManager() as other:
        job = await other.submit(AGAIN)
        await job.wait()
    return await jm.get(job.id)


async def running(jm: JobManager) -> JobHandle:
    job = await jm.submit(["sleep", "1000"], array="1-2")
    async for event in jm.events(job):
        if isinstance(event, TaskStarted) and event.task_id == 2:
            break
    return job


async def succeeds(job: JobHandle) -> None:
    assert (await job).succeeded


async def ran_again_or_not(job: JobHandle) -> None:
    """As it was: failed. As it would be: another attempt, which runs here."""
    result = await job.wait()
    if result.tasks[0].attempt == 1:
        assert result.status == Status.FAILURE
        await job.resubmit()
        result = await job.wait()
    assert (result.status, result.tasks[0].attempt) == (Status.SUCCESS, 2)


async def stopped_or_not(job: JobHandle) -> None:
    await job.stop()
    assert job.status == Status.STOPPED


async def consume(stream: Any) -> None:
    async for _ in stream:
        pass


async def result_of(work: Awaitable[object]) -> object:
    return await work


@dataclass(frozen=True)
class Case:
    """What is made, which coroutine is cancelled, and how the job is looked at afterwards."""

    make: Callable[[JobManager], Awaitable[JobHandle]]
    act: Callable[[JobManager, JobHandle], Coroutine[Any, Any, object]]
    check: Callable[[JobHandle], Awaitable[None]] = succeeds
    stride: int = 1
    """In the short form each so-many-th step is tried, from a random one on."""


CASES = {
    "await": Case(quick, lambda jm, job: result_of(job)),
    "wait": Case(quick, lambda jm, job: job.wait()),
    "wait with a timeout": Case(quick, lambda jm, job: job.wait(timeout=LIMIT)),
    "manager's wait": Case(quick, lambda jm, job: jm.wait(job, job, timeout=LIMIT)),
    "until_ended": Case(quick, lambda jm, job: jm.until_ended(job)),
    "events": Case(quick, lambda jm, job: consume(jm.events(job))),
    "as_completed": Case(quick, lambda jm, job: consume(jm.as_completed(job, job))),
    "refresh": Case(quick, lambda jm, job: job.refresh()),
    "tasks": Case(quick, lambda jm, job: job.tasks()),
    "output": Case(quick, lambda jm, job: job.output()),
    "get": Case(quick, lambda jm, job: jm.get(job.id)),
    "jobs": Case(quick, lambda jm, job: jm.jobs()),
    "run": Case(quick, lambda jm, job: job.run()),
    "resubmit": Case(failed, lambda jm, job: job.resubmit(), ran_again_or_not, 4),
    "resubmit and clean": Case(failed, lambda jm, job: job.resubmit(clean=True), ran_again_or_not, 6),
    "stop": Case(running, lambda jm, job: job.stop(), stopped_or_not, 6),
    "stop of a task": Case(running, lambda jm, job: job.stop([2]), stopped_or_not, 8),
}


@MOMENTS
@pytest.mark.parametrize("name", CASES)
async def test_of_one_job(folder: Path, name: str, moment: Moment) -> None:
    case = CASES[name]
    async with nothing_to_complain_of(), asyncio.timeout(None) as limit:
        for round_ in range(ROUNDS):
            async with JobManager(parallel=5) as jm, unrest(SEED + round_):
                control = await jm.submit(GATED)
                others = [asyncio.create_task(control.wait())]
                for step in steps(case.stride):
                    limit.reschedule(asyncio.get_running_loop().time() + LIMIT)
                    job = await case.make(jm)
                    if case.check is succeeds:
                        others.append(asyncio.create_task(job.wait()))
                    act = Stepped(case.act(jm, job), step, moment)
                    with telling(step):
                        with suppress(asyncio.CancelledError):
                            await act.start()
                        await case.check(job)
                    if not act.reached:
                        break
                (folder / "go").touch()
                assert {result.status for result in await asyncio.gather(*others)} == {Status.SUCCESS}
                (folder / "go").unlink()
            check_clean(folder)


async def submit(jm: JobManager) -> None:
    await jm.submit(QUICK)


async def start(jm: JobManager) -> None:
    await jm.start(len, "abc")


@MOMENTS
@pytest.mark.parametrize("store", [submit, start])
async def test_what_stores_a_job(
    folder: Path, moment: Moment, store: Callable[[JobManager], Coroutine[Any, Any, None]]
) -> None:
    """It stored nothing, or the handle is given, and the job runs."""
    stored = 0
    async with nothing_to_complain_of(), asyncio.timeout(None) as limit:
        for round_ in range(ROUNDS):
            async with JobManager(parallel=4) as jm, unrest(SEED + round_):
                for step in steps(1):
                    limit.reschedule(asyncio.get_running_loop().time() + LIMIT)
                    before = len(await jm.jobs())
                    work = Stepped(store(jm), step, moment)
                    with telling(step):
                        given = None
                        try:
                            await work.start()
                        except asyncio.CancelledError as error:
                            given = getattr(error, "job", None)
                        new = [job.id for job in (await jm.jobs())[before:]]
                        assert new == ([given.id] if given else []) or not work.cancelled
                        for job_id in new:
                            stored += 1
                            result = await (given or await jm.get(job_id))
                            assert result == 3 if store is start else result.succeeded
                    if not work.reached:
                        break
    assert stored > 1
    files = await asyncio.to_thread(lambda: list(folder.glob("submitted.sql3.spool/*")))
    assert len(files) == (0 if store is submit else stored)


async def call(jm: JobManager) -> object:
    return [await jm.call(len, "abc")]


async def map_(jm: JobManager) -> object:
    return await jm.map(len, ["abc"])


async def imap(jm: JobManager) -> object:
    async with aclosing(jm.imap(len, ["abc"])) as values:
        return [one async for one in values]


@MOMENTS
@pytest.mark.parametrize("wait", [call, map_, imap])
async def test_what_waits_for_functions_leaves_nothing_that_runs(
    folder: Path, moment: Moment, wait: Callable[[JobManager], Coroutine[Any, Any, object]]
) -> None:
    """Nothing was stored, or it was stopped, or it came to its end."""
    given = 0
    async with nothing_to_complain_of(), asyncio.timeout(None) as limit:
        for round_ in range(ROUNDS):
            async with JobManager(parallel=4) as jm, unrest(SEED + round_):
                for step in steps(7):
                    limit.reschedule(asyncio.get_running_loop().time() + LIMIT)
                    work = Stepped(wait(jm), step, moment)
                    with telling(step):
                        with suppress(asyncio.CancelledError):
                            assert await work.start() == [3]
                            given += 1
                        assert await jm.jobs(status=["submitted", "waiting", "queued", "executing"]) == []
                    if not work.reached:
                        break
    assert given
    check_clean(folder)


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


@MOMENTS
async def test_a_job_of_others_that_is_told_to_run(folder: Path, moment: Moment) -> None:
    """What is cancelled is the first that anybody does with it."""

    async def run_and_wait(job: JobHandle) -> None:
        await job.run()
        await job.wait()

    count = 40
    async with JobManager() as jm:
        await jm.submit(SLEEPER)
        for _ in range(count):
            await jm.submit(["true"])
    async with nothing_to_complain_of(), JobManager() as jm:
        for step in range(count):
            job = await jm.get(step + 2)
            first = Stepped(run_and_wait(job), step, moment)
            await asyncio.wait([first.start()], timeout=LIMIT)
            await job.run()
            async with asyncio.timeout(LIMIT):
                await succeeds(job)
            if not first.reached:
                return


@MOMENTS
async def test_opening(folder: Path, moment: Moment) -> None:
    """No connection is left, and it can be opened again."""
    threads = threading.active_count()
    async with nothing_to_complain_of():
        for step in range(MOST_STEPS):
            jm = JobManager()
            opening = Stepped(jm.__aenter__(), step, moment)
            opened = False
            with suppress(asyncio.CancelledError):
                opened = await opening.start() is jm
            if opened:
                await jm.__aexit__(None, None, None)
            if not opening.reached:
                break
        await until(lambda: threading.active_count() <= threads + 1)
    async with JobManager() as jm:
        await succeeds(await jm.submit(QUICK))


@MOMENTS
@pytest.mark.parametrize("on_exit", ["stop", "wait"])
async def test_leaving(folder: Path, moment: Moment, on_exit: Any) -> None:
    """It is left all the same: no process, no claim, nobody who waits for ever."""
    async with nothing_to_complain_of(), asyncio.timeout(None) as limit:
        for step in steps(1):
            limit.reschedule(asyncio.get_running_loop().time() + LIMIT)
            jm = await JobManager(on_exit=on_exit).__aenter__()
            job = await jm.submit(SLEEPER if on_exit == "stop" else QUICK)
            waiter = asyncio.create_task(job.wait())
            if on_exit == "stop":
                await until(lambda job=job: Path(f"pid.{job.id}.undefined").exists())  # type: ignore[misc]
            leaving = Stepped(jm.__aexit__(None, None, None), step, moment)
            with suppress(asyncio.CancelledError):
                await leaving.start()
            (outcome,) = await asyncio.gather(waiter, return_exceptions=True)
            assert getattr(outcome, "job_id", job.id) == job.id
            check_clean(folder)
            if not leaving.reached:
                break
