"""Functions as jobs: handles and values that stay, maps that fail fast, windows over generators."""

from __future__ import annotations

import asyncio
import itertools
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from asyncjman import CallFailed, JobManager, MapFailed, Resources, Status, UsageError
from tests.api.tools import check_clean, jman, until


def double(number: int) -> int:
    return 2 * number


def train(rate: float, seed: int = 0) -> str:
    return f"{rate}/{seed}"


def fails_at_two(number: int) -> int:
    if number == 2:
        raise ValueError("two")
    return number


def slow(number: int) -> int:
    """Fail at 0 at once; take long else."""
    if number == 0:
        raise ValueError("zero")
    time.sleep(1000)
    return number


async def later(number: int) -> int:
    await asyncio.sleep(0)
    return number + 1


def spooled(folder: Path) -> list[str]:
    """Return what is left of functions and values."""
    return [path.name for path in folder.glob("submitted.sql3.spool/*/*") if path.is_file()]


async def test_a_handle_has_the_value_until_it_is_released(folder: Path) -> None:
    async with JobManager(parallel=2) as jm:
        handle = await jm.start(double, 21)
        assert await handle == await handle.value(timeout="20s") == 42
        assert (await handle.wait()).succeeded
        other = await jm.get(handle.id)
        assert await other.value() == 42
        assert repr(other) == f"<CallHandle {handle.id} success>"
        await handle.release()
        await handle.release()
        with pytest.raises(UsageError, match=f"value of job {handle.id} is no more: it was released"):
            await other.value()
        assert spooled(folder) == []
        assert await jm.call(double, 4) == 8
        assert spooled(folder) == []  # whoever waited has it
        plain = await jm.submit(["true"])
        with pytest.raises(UsageError, match="runs a command, and has no value"):
            await plain.value()


async def test_another_process_reads_it_on_another_day(folder: Path) -> None:
    async with JobManager() as jm:
        first, second = await jm.start(double, 5), await jm.start(fails_at_two, 2)
        await first.wait()
        await second.wait()
    async with JobManager(run=False) as jm:
        again = await jm.get(first.id)
        assert await again.value() == 10
        with pytest.raises(ValueError, match="two"):
            await (await jm.get(second.id)).value()
        await jm.delete(first.id)
        await jm.delete(second)
        assert spooled(folder) == []


async def test_a_value_after_a_resubmit(folder: Path) -> None:
    def flaky() -> str:
        if not Path("ready").exists():
            raise OSError("not ready")
        return "ready"

    async with JobManager() as jm:
        with pytest.raises(OSError, match="not ready"):
            await jm.call(flaky)
        (folder / "ready").touch()
        (job,) = await jm.jobs(status=Status.FAILURE)
        await job.resubmit()
        assert await job.value() == "ready"
        assert [one.exit_status for one in await jm.attempts(job)] == [1, 0]


async def test_a_handle_as_an_argument_is_its_value(folder: Path) -> None:
    async with JobManager(parallel=2) as jm:
        first = await jm.start(double, 3)
        second = await jm.start(double, first.as_argument())
        total = await jm.call(sum, [first.as_argument(), second.as_argument(), 1])
        assert (await second, total) == (12, 19)
        assert await jm.call(dict, {"a": (first.as_argument(), 1)}) == {"a": (6, 1)}
        assert [one.job_id for one in second.job.spec.dependencies] == [first.id]
        bad = await jm.start(fails_at_two, 2)
        with pytest.raises(CallFailed, match=f"because of job {bad.id}"):
            await jm.call(double, bad.as_argument())
        plain = await jm.submit(["true"])
        with pytest.raises(UsageError, match="has no value to be an argument"):
            await jm.start(print, [plain])


async def test_async_functions_and_rows() -> None:
    async with JobManager(parallel=2) as jm:
        assert await jm.map(later, [1, 2, 3], chunk=2) == [2, 3, 4]
        rows = itertools.product([0.1, 0.2], [1, 2])
        assert await jm.starmap(train, rows, chunk=3) == ["0.1/1", "0.1/2", "0.2/1", "0.2/2"]


@pytest.mark.parametrize("chunk", [1, 3])
async def test_map_keeps_exceptions_where_it_is_asked_to(chunk: int) -> None:
    async with JobManager(parallel=2) as jm:
        found = await jm.map(fails_at_two, range(5), chunk=chunk, return_exceptions=True)
        assert [one for one in found if isinstance(one, int)] == [0, 1, 3, 4]
        assert isinstance(found[2], ValueError)
        assert "in fails_at_two" in str(found[2].__cause__)
        (job,) = await jm.jobs()
        assert (job.job.task_count, (await job.progress()).failed) == (5 if chunk == 1 else 2, 1)


async def test_the_first_failure_stops_the_rest(folder: Path) -> None:
    async with JobManager(parallel=2) as jm:
        with pytest.raises(MapFailed, match=r"input 0 of slow: ValueError: zero \(job 1: 0 of 9") as caught:
            await jm.map(slow, range(9))
        assert isinstance(caught.value.__cause__, ValueError)
        assert (caught.value.index, len(caught.value.errors)) == (0, 9)
        (job,) = await jm.jobs()
        assert {task.status for task in await job.tasks()} == {Status.FAILURE, Status.STOPPED}
    check_clean(folder)


@pytest.mark.parametrize("chunk", [1, 2])
async def test_what_failed_has_the_values_that_there_are(chunk: int) -> None:
    async with JobManager() as jm:  # one at a time
        with pytest.raises(MapFailed) as caught:
            await jm.map(fails_at_two, [0, 1, 2, 3], chunk=chunk)
        assert caught.value.results == {0: 0, 1: 1}
        assert caught.value.index == 2
        assert caught.value.errors.keys() == {2, 3}


async def test_a_view_has_defaults(folder: Path) -> None:
    async with JobManager(parallel=2) as jm:
        prep = await jm.submit(["true"], name="prep")
        view = jm.options(
            name="eval",
            timeout=timedelta(minutes=10),
            retry=1,
            log_dir="logs",
            after_ok=[prep],
            resources=Resources(cpus=2),
        )
        handle = await view.options(name="other").start(double, 2)
        assert await view.map(double, [1, 2]) == [2, 4]
        job = await view.submit(["true"], timeout=5)
        spec = handle.job.spec
        assert (spec.name, spec.timeout, spec.log_dir, spec.resources) == ("other", 600, "logs", {"slots": 2})
        assert spec.retry is not None
        assert [one.job_id for one in spec.dependencies] == [prep.id]
        assert (job.job.spec.name, job.job.spec.timeout) == ("eval", 5)
        assert [one.id for one in await jm.jobs(name="eval")] == [3, 4]
        assert [one.id for one in await jm.jobs(name="o*", status=["success", "submitted"])] == [2]


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda jm: jm.start("len"), "a function is needed"),
        (lambda jm: jm.map(len, 5), "a list, or as a generator"),
        (lambda jm: jm.map(len, ["a"], chunk=0), "chunk is a whole number"),
        (lambda jm: jm.map(len, ["a"], return_exceptions="no"), "return_exceptions is True or False"),
        (lambda jm: jm.starmap(len, [5]), "a list, or as a generator"),
        (lambda jm: jm.options(timeout="soon").start(len, "a"), "bad time 'soon'"),
        (lambda jm: jm.options(retry=-1).start(len, "a"), "retries"),
        (lambda jm: jm.options(wrokers="warm").start(len, "a"), "no option 'wrokers'"),
        (lambda jm: jm.options(workers="hot").start(len, "a"), "no workers 'hot'"),
        (lambda jm: jm.options(after_ok=99).start(len, "a"), "no such job"),
        (lambda jm: jm.options(resources=Resources(cpus=0)).call(len, "a"), "1 slot"),
        (lambda jm: anext(jm.imap(len, ["a"], window=0)), "window is a whole number"),
        (lambda jm: jm.submit(["true"], array=0), "bad array 0"),
        (lambda jm: jm.submit(["true"], array=range(0, 3)), "bad array range"),
        (lambda jm: jm.jobs(status="done"), "no status 'done': there are submitted"),
    ],
)
async def test_what_makes_no_sense_stores_nothing(folder: Path, act: Any, said: str) -> None:
    async with JobManager() as jm:
        with pytest.raises(UsageError, match=said):
            await act(jm)
        assert await jm.jobs() == []
    assert spooled(folder) == []


async def test_arrays_as_numbers_and_ranges() -> None:
    async with JobManager(run=False) as jm:
        arrays: list[Any] = [3, range(2, 9, 3), "1-8%2"]
        jobs = [await jm.submit(["true"], array=one) for one in arrays]
        assert [str(one.job.spec.array) for one in jobs] == ["1-3", "2-8:3", "1-8%2"]


async def test_a_window_over_a_generator_without_an_end(folder: Path) -> None:
    pulled = itertools.count()

    def endless() -> Iterator[int]:
        yield from pulled

    async with JobManager(parallel=2) as jm:
        found: list[int] = []
        async with aclosing(jm.imap(double, endless(), window=6)) as values:
            async for value in values:
                found.append(value)
                if len(found) == 11:
                    break
        assert found == [2 * number for number in range(11)]
        assert next(pulled) <= 11 + 6
        assert all(job.status in ("success", "stopped") for job in await jm.jobs())
    check_clean(folder)


async def test_items_that_are_awaited(folder: Path) -> None:
    """Values are yielded while the next item is waited for; what goes wrong in it is raised."""
    seen: asyncio.Queue[int] = asyncio.Queue()
    pulled = []

    async def feedback() -> AsyncIterator[int]:
        """What comes next is known by what came of the ones before."""
        number = 1
        while True:
            pulled.append(number)
            yield number
            number = await seen.get()
            if number > 30:
                raise ValueError("enough")

    async def many() -> AsyncIterator[int]:
        for number in range(11):
            pulled.append(number)
            yield number

    async with JobManager(parallel=2) as jm, asyncio.timeout(30):
        found = []
        with pytest.raises(ValueError, match="enough"):
            async for value in jm.imap(double, feedback()):
                found.append(value)
                seen.put_nowait(value)
        assert found == [2, 4, 8, 16, 32]
        pulled.clear()
        values = jm.imap(double, many(), window=4, chunk=2)
        assert await anext(values) == 0
        assert len(pulled) <= 5
        assert [one async for one in values] == list(range(2, 22, 2))
    check_clean(folder)


async def test_unordered_values_come_as_they_end(folder: Path) -> None:
    def gated(number: int) -> int:
        while number == 0 and not Path("go").exists():
            time.sleep(0.01)
        return number

    async with JobManager(parallel=2) as jm:
        first = []
        async with asyncio.timeout(30):
            async for number in jm.imap(gated, range(5), ordered=False):
                first.append(number)
                if len(first) == 4:
                    (folder / "go").touch()
        assert (sorted(first[:4]), first[4]) == ([1, 2, 3, 4], 0)
        assert [one async for one in jm.imap(double, range(7), chunk=3)] == [0, 2, 4, 6, 8, 10, 12]
        assert [one async for one in jm.imap(double, [])] == []
    assert spooled(folder) == []


async def test_an_exception_ends_imap_at_its_turn(folder: Path) -> None:
    async with JobManager(parallel=2) as jm:
        found = []
        with pytest.raises(ValueError, match="two"):
            async for one in jm.imap(fails_at_two, itertools.count(), window=10):
                found.append(one)
        assert found == [0, 1]
        both = [one async for one in jm.imap(fails_at_two, range(4), return_exceptions=True)]
        assert [type(one) for one in both] == [int, int, ValueError, int]
    check_clean(folder)


@pytest.mark.parametrize("on_cancel", ["stop", "leave"])
@pytest.mark.parametrize("verb", ["call", "map", "imap"])
async def test_cancelling_stops_the_work_or_leaves_it(folder: Path, verb: str, on_cancel: Any) -> None:
    def hang(number: int) -> int:
        Path(f"pid.{number}").write_text(f"{os.getpid()}\n")
        while not Path("go").exists():
            time.sleep(0.01)
        return number

    async with JobManager() as jm:
        view = jm.options(on_cancel=on_cancel)

        async def work() -> None:
            if verb == "call":
                await view.call(hang, 1)
            elif verb == "map":
                await view.map(hang, [1])
            else:
                async for _ in view.imap(hang, [1]):
                    pass

        task = asyncio.create_task(work())
        await until((folder / "pid.1").exists)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        (job,) = await jm.jobs()
        if on_cancel == "stop":
            assert job.status == Status.STOPPED
        else:
            (folder / "go").touch()
            assert await job.value() in (1, [1])
    check_clean(folder)


async def test_another_process_runs_it(folder: Path) -> None:
    """What observes only has its functions run by whoever runs the jobs of the folder."""
    async with JobManager(run=False) as jm:
        values = asyncio.create_task(jm.map(double, [1, 2, 3]))
        await until(lambda: (folder / "submitted.sql3.spool").exists())
        while not await jm.jobs():  # noqa: ASYNC110 - it is stored a moment later
            await asyncio.sleep(0.01)
        assert (await jman("execute"))[0] == 0
        assert await asyncio.wait_for(values, 20) == [2, 4, 6]
