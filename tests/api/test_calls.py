"""Functions as jobs: what comes back, and what is said when nothing can."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from asyncjman import CallFailed, JobManager, UsageError
from tests.api.tools import check_clean, rows

Output = list[tuple[int, bytes]]


class OddError(Exception):
    """It can be pickled, but not loaded."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} {second}")


def add(a: int, b: int = 0) -> int:
    return a + b


def broken(number: int) -> int:
    return 1 // number


def spool(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name == "function" and path.is_file()]


async def test_values(folder: Path) -> None:
    async with JobManager(parallel=2) as jm:
        assert await jm.call(add, 1, b=2) == 3
        assert await jm.call(lambda: {"a": [1, None]}) == {"a": [1, None]}
        assert await jm.call(os.getpid) != os.getpid()
        assert await jm.map(add, []) == []
        assert len(await jm.jobs()) == 3
    check_clean(folder)


async def test_the_same_python_and_folder_run_it(folder: Path) -> None:
    async with JobManager() as jm:
        assert await jm.call(lambda: (sys.executable, str(Path.cwd()))) == (sys.executable, str(folder))


async def test_map_keeps_the_order_and_is_one_array_job(folder: Path) -> None:
    async with JobManager(parallel=4) as jm:
        values = await jm.map(lambda number: number**2, range(12), log_dir="logs", at_once=3)
        assert values == [number**2 for number in range(12)]
        (job,) = await jm.jobs()
        assert str(job.job.spec.array) == "1-12%3"
        assert len(list((folder / "logs").iterdir())) == 24


async def test_an_exception_has_its_remote_traceback() -> None:
    async with JobManager() as jm:
        with pytest.raises(ZeroDivisionError) as caught:
            await jm.call(broken, 0)
        cause = str(caught.value.__cause__)
        assert "in broken" in cause
        assert "return 1 // number" in cause
        with pytest.raises(ZeroDivisionError):
            await jm.map(broken, [1, 0, 2])


async def test_an_exception_that_can_not_be_loaded() -> None:
    def fail() -> None:
        raise OddError("this", "happened")

    async with JobManager() as jm:
        with pytest.raises(CallFailed, match="OddError: this happened"):
            await jm.call(fail)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda: sys.exit(3), "exit status 3"),
        (lambda: os._exit(4), "exit status 4"),
        (lambda: os.kill(os.getpid(), signal.SIGSEGV), "SIGSEGV"),
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "SIGKILL"),
        (lambda: os._exit(0), "gave nothing back"),
    ],
    ids=["exit", "_exit", "SIGSEGV", "SIGKILL", "without a word"],
)
async def test_a_function_that_ends_its_process(folder: Path, function: object, said: str) -> None:
    async with JobManager() as jm:
        with pytest.raises(CallFailed, match=said) as caught:
            await jm.call(function)  # type: ignore[arg-type]
        assert caught.value.result.tasks[0].attempt == 1
    check_clean(folder)


async def test_one_of_many_dies(folder: Path) -> None:
    def maybe(number: int) -> int:
        if number == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    async with JobManager(parallel=2) as jm:
        with pytest.raises(CallFailed, match="SIGKILL"):
            await jm.map(maybe, range(4))
        (job,) = await jm.jobs()
        assert [task.exit_status for task in await job.tasks()] == [0, 0, None, 0]


async def test_fifty_megabytes() -> None:
    async with JobManager() as jm:
        value = await jm.call(lambda: b"x" * 50_000_000)
        assert len(value) == 50_000_000
        assert value.strip(b"x") == b""


async def test_a_function_that_prints_a_lot(folder: Path) -> None:
    def talk(lines: int) -> int:
        for number in range(lines):
            print("line", number)
        print("an error", file=sys.stderr)
        return lines

    heard: Output = []
    async with JobManager(output=lambda stream, data: heard.append((stream, data))) as jm:
        assert await jm.call(talk, 200_000) == 200_000
        text = b"".join(data for stream, data in heard if stream == 1)
        assert text.splitlines() == [b"line %d" % number for number in range(200_000)]
        assert b"".join(data for stream, data in heard if stream == 2) == b"an error\n"
        assert await jm.map(talk, [200_000], log_dir="logs") == [200_000]
        assert len((folder / "logs/talk.o2.1").read_bytes().splitlines()) == 200_000


async def test_what_can_not_be_pickled_is_refused_and_nothing_stored(folder: Path) -> None:
    lock = threading.Lock()
    async with JobManager() as jm:
        with pytest.raises(UsageError, match=r"can't be made a job.*lock"):
            await jm.call(lambda: lock.acquire())
        with pytest.raises(UsageError, match=r"add can't be made a job.*lock"):
            await jm.call(add, lock)
        with pytest.raises(UsageError, match=r"add can't be made a job.*lock"):
            await jm.map(add, [1, lock])
        assert await jm.jobs() == []
    assert spool(folder) == []


async def test_a_value_that_can_not_be_pickled() -> None:
    async with JobManager() as jm:
        with pytest.raises(CallFailed, match=r"can't be carried back.*lock"):
            await jm.call(threading.Lock)


async def test_a_worker_with_another_python(monkeypatch: pytest.MonkeyPatch) -> None:
    other = SimpleNamespace(executable=sys.executable, version_info=(3, 9, 1))
    monkeypatch.setattr("asyncjman.api.calls.sys", other)
    here = "{}.{}".format(*sys.version_info)
    async with JobManager() as jm:
        with pytest.raises(CallFailed, match=rf"made by Python 3\.9, but its worker is Python {here}"):
            await jm.call(add, 1)


async def test_pickles_are_private_and_not_in_the_database(folder: Path) -> None:
    async with JobManager() as jm:
        assert await jm.call(lambda word: word.upper(), "a-secret-argument") == "A-SECRET-ARGUMENT"
        (function,) = spool(folder)
        inside = list(function.parent.iterdir())
        assert len(inside) == 3
        assert {stat.S_IMODE(path.stat().st_mode) for path in inside} == {0o600}
        assert stat.S_IMODE(function.parent.stat().st_mode) == 0o700
        assert rows(folder / "submitted.sql3", "PRAGMA wal_checkpoint")
        files = [folder / f"submitted.sql3{end}" for end in ("", "-wal", "-shm")]
        assert files[0].is_file()
        for path in files:
            assert not path.exists() or b"a-secret-argument" not in path.read_bytes().lower()


async def test_a_cancelled_call_leaves_nothing(folder: Path) -> None:
    def hang(path: str) -> None:
        Path(path).write_text(f"{os.getpid()}\n")
        signal.pause()

    async with JobManager() as jm:
        call = asyncio.create_task(jm.call(hang, "pid.call"))
        async with asyncio.timeout(20):
            while not (folder / "pid.call").exists():
                await asyncio.wait([call], timeout=0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    check_clean(folder)
