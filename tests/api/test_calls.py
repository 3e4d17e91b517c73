"""Functions as jobs: what comes back, and what is said when nothing can."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from asyncjman import CallFailed, JobManager, MapFailed, UsageError
from asyncjman.api.calls import RemoteTraceback
from asyncjman.api.values import results_of
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
        with pytest.raises(MapFailed, match="input 1 of broken: ZeroDivisionError") as failed:
            await jm.map(broken, [1, 0, 2])
        assert "in broken" in str(failed.value.errors[1].__cause__)


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
async def test_a_function_that_ends_its_process(folder: Path, function: Any, said: str) -> None:
    async with JobManager() as jm:
        with pytest.raises(CallFailed, match=said) as caught:
            await jm.call(function)
        assert caught.value.result.tasks[0].attempt == 1
    check_clean(folder)


async def test_one_of_many_dies(folder: Path) -> None:
    def maybe(number: int) -> int:
        if number == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    async with JobManager(parallel=2) as jm:
        found = await jm.map(maybe, range(4), return_exceptions=True)
        assert isinstance(found[2], CallFailed)
        assert "SIGKILL" in str(found[2])
        assert [found[0], found[1], found[3]] == [0, 1, 3]
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
            await jm.call(add, lock)  # type: ignore[call-overload]
        with pytest.raises(UsageError, match=r"add can't be made a job.*lock"):
            await jm.map(add, [1, lock])  # type: ignore[arg-type]
        assert await jm.jobs() == []
    assert spool(folder) == []


async def test_what_can_not_be_carried_back_keeps_its_words_and_traceback() -> None:
    def with_lock() -> None:
        error = ValueError("the lock")
        error.lock = threading.Lock()  # type: ignore[attr-defined]
        raise error

    async with JobManager(parallel=3) as jm:
        functions: tuple[Any, ...] = (threading.Lock, with_lock, lambda: sys.exit("no more data"))
        value, error, left = await asyncio.gather(*map(jm.call, functions), return_exceptions=True)
    assert [type(one) for one in (value, error, left)] == [CallFailed] * 3
    for one, said, where in (
        (value, "can't be carried back: cannot pickle", "_thread.lock"),
        (error, "with_lock: ValueError: the lock", "in with_lock"),
        (left, "SystemExit: no more data", "in <lambda>"),
    ):
        assert said in str(one)
        assert isinstance(one, CallFailed)
        assert isinstance(one.__cause__, RemoteTraceback)
        assert where in str(one.__cause__)


async def test_a_coroutine_runs() -> None:
    async def later(number: int) -> int:
        await asyncio.sleep(0)
        return number + 1

    async with JobManager() as jm:
        value: object = await jm.call(later, 1)
        assert value == 2


PROGRAM = """
import asyncio, sys
import beside
from asyncjman import JobManager

class Mine:
    def __init__(self, value):
        self.value = value

def wrap(value):
    return Mine(beside.double(value))

async def main():
    async with JobManager("elsewhere.sql3", parallel=2) as jm:
        mine, two = await asyncio.gather(jm.call(wrap, 4), jm.call(beside.double, 1))
        print(type(mine) is Mine, mine.value, two)

asyncio.run(main())
"""


async def test_functions_of_a_script_and_of_a_module_beside_it(folder: Path) -> None:
    """Neither is where the program was started, and files there stand for no module of Python."""
    (folder / "scripts").mkdir()
    (folder / "scripts" / "beside.py").write_text("def double(number):\n    return 2 * number\n")
    (folder / "scripts" / "program.py").write_text(PROGRAM)
    (folder / "pickle.py").write_text("raise SystemExit('the wrong one')\n")
    done = await asyncio.create_subprocess_exec(
        sys.executable, "scripts/program.py", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    out, _ = await asyncio.wait_for(done.communicate(), 30)
    assert out == b"True 8 2\n"


async def test_what_calls_print_is_kept_where_nobody_hears_it() -> None:
    def talk(word: str) -> None:
        print("said", word, flush=True)
        print("an error", file=sys.stderr)
        if word == "no":
            os._exit(3)

    async with JobManager() as jm:  # one after the other: the failure of one stops the other
        with pytest.raises(MapFailed, match="exit status 3"):
            await jm.map(talk, ["yes", "no"])
        (job,) = await jm.jobs()
        assert await job.output(1) == "said yes\n"
        assert await job.output(2) == "said no\n"
        assert await job.output(1, errors=True) == "an error\n"


async def test_values_by_id_on_another_day(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def kept(handle: object) -> None:
        """What was returned stays."""

    monkeypatch.setattr("asyncjman.api.calling.release", kept)
    async with JobManager() as jm:
        assert await jm.map(add, [1, 2]) == [1, 2]
    async with JobManager(run=False) as jm:
        (handle,) = await jm.jobs()
        results = results_of(folder / "submitted.sql3", handle.job)
        result = await handle.wait()
        assert [results.value(result, index) for index in (1, 0)] == [2, 1]
        later = replace(result, tasks=[replace(one, attempt=2) for one in result.tasks])
        with pytest.raises(CallFailed, match="gave nothing back"):  # of an attempt before it
            results.value(later, 0)
        (folder / "submitted.sql3.spool").chmod(0o777)
        with pytest.raises(CallFailed, match="may be changed by others"):
            results.value(result, 0)
        (folder / "submitted.sql3.spool").chmod(0o755)
        await results.release()
        assert list((folder / "submitted.sql3.spool").iterdir()) == []
        with pytest.raises(CallFailed, match="is not kept any more"):
            results.value(result, 0)


async def test_a_worker_with_another_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asyncjman.api.pickles.header", lambda: {"python": "3.9", "path": []})
    here = "{}.{}".format(*sys.version_info)
    async with JobManager() as jm:
        with pytest.raises(CallFailed, match=rf"made by Python 3\.9, but its worker is Python {here}"):
            await jm.call(add, 1)


async def test_a_function_that_an_earlier_asyncjman_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asyncjman.api.pickles.header", lambda: add)  # the file began with the function
    async with JobManager() as jm:
        with pytest.raises(CallFailed, match="made by an earlier asyncjman: make the call once more"):
            await jm.call(add, 1)


async def test_pickles_are_private_and_not_in_the_database(folder: Path) -> None:
    async with JobManager() as jm:
        handle = await jm.start(lambda word: word.upper(), "a-secret-argument")
        assert await handle == "A-SECRET-ARGUMENT"
        (function,) = spool(folder)
        inside = [path for path in function.parent.iterdir() if path.is_file()]
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
