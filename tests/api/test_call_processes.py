"""The processes that run calls: shared, of another program, stopped at their start, left by a killed one."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import psutil
import pytest

from asyncjman import CallFailed, CallHandle, JobManager
from tests.api.tools import check_clean, jman, until
from tests.cli.tools import is_alive


def add(a: int, b: int = 0) -> int:
    return a + b


async def test_warm_processes_take_several_calls(folder: Path) -> None:
    async with JobManager(parallel=2) as jm:
        while not _templates():
            await jm.map(add, range(3))
        warm = jm.options(workers="warm")
        assert 1 <= len(set(await warm.starmap(os.getpid, [()] * 40))) <= 4
        fresh = jm.options(workers="fresh")
        assert len(set(await fresh.starmap(os.getpid, [()] * 10))) == 10


async def test_calls_run_by_another_process_and_once_more(folder: Path) -> None:
    def work(number: int) -> tuple[int, str]:
        attempt = os.environ["JMAN_ATTEMPT"]
        if number == 3 and attempt == "1":
            os._exit(5)
        return number, attempt

    async with JobManager(run=False) as jm:
        bad, good = await jm.start(work, 3), await jm.start(work, 4)
        assert (await jman("execute", "-p", "2"))[0] == 1
        assert await good == (4, "1")
        with pytest.raises(CallFailed, match="exit status 5"):
            await bad
        await jman("resubmit")
        assert (await jman("execute", "-p", "2"))[0] == 0
        assert await bad == (3, "2")


KILLED = """
import asyncio, os, sys, time
from asyncjman import JobManager

def work(number):
    if number >= 6:
        with open(f"pid.{number}", "w") as file:
            file.write(str(os.getpid()))
        while not os.path.exists("go"):
            time.sleep(0.01)
    return number, os.getppid()

async def main():
    async with JobManager(parallel=2) as jm:
        await jm.options(workers=sys.argv[1]).map(work, range(8))

asyncio.run(main())
"""


def _pids(folder: Path) -> list[int]:
    return [int(text) for path in folder.glob("pid.*") if (text := path.read_text())]


async def test_a_call_is_stopped_while_it_starts(folder: Path) -> None:
    async with JobManager(parallel=3) as jm:
        while not _templates():
            await jm.map(add, range(3))
        (template,) = _templates()
        dispatcher = cast(Any, jm)._background._runner._dispatcher
        template.suspend()
        call = asyncio.create_task(jm.call(signal.pause))
        await until(lambda: dispatcher._engine._forks._asked)
        stopping = asyncio.create_task((await jm.jobs())[-1].stop())
        await until(lambda: dispatcher._attempts.to_stop)
        template.resume()
        await stopping
        with pytest.raises(CallFailed, match="stopped"):
            await call
    check_clean(folder)


def _templates() -> list[psutil.Process]:
    found = []
    for one in psutil.Process().children():
        with suppress(psutil.Error):  # it has just ended
            if "template.py" in " ".join(one.cmdline()):
                found.append(one)
    return found


@pytest.mark.parametrize("workers", ["fresh", "warm"])
async def test_a_program_that_is_killed_leaves_no_call_behind(folder: Path, workers: str) -> None:
    (folder / "program.py").write_text(KILLED)
    program = await asyncio.create_subprocess_exec(sys.executable, "program.py", workers)
    await until(lambda: len(_pids(folder)) == 2)
    pids = _pids(folder)
    parents = {psutil.Process(pid).ppid() for pid in pids}
    program.kill()
    await program.wait()
    await until(lambda: not any(map(is_alive, parents)))  # the template ends by itself
    assert all(map(is_alive, pids))
    async with JobManager(parallel=2) as jm:
        (job,) = await jm.jobs()
        await job.run()
        await until(lambda: not any(map(is_alive, pids)))
        (folder / "go").touch()
        assert (await job.wait(20)).succeeded
        assert isinstance(job, CallHandle)
        values = [number for number, _ in await job.value()]
    assert values == list(range(8))
    check_clean(folder)
