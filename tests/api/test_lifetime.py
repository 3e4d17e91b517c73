"""When a JobManager can be used, what leaving it does, and how a program with one ends."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from asyncjman import JobManager, NotOpen, Status
from tests.api.tools import GATED, SLEEPER, check_clean, rows, until

VERBS: list[Callable[[JobManager], Coroutine[Any, Any, Any]]] = [
    lambda jm: jm.submit(["true"]),
    lambda jm: jm.start(len, "a"),
    lambda jm: jm.map(len, ["a"]),
    lambda jm: jm.jobs(),
    lambda jm: jm.get(1),
    lambda jm: anext(jm.events()),
]


async def refused(jm: JobManager, words: str) -> None:
    for verb in VERBS:
        with pytest.raises(NotOpen, match=words):
            await verb(jm)


async def test_used_before_after_and_from_another_loop(folder: Path) -> None:
    jm = JobManager()
    await refused(jm, "not open: use it in its async with")
    await jm.open()
    with pytest.raises(NotOpen, match="is open already"):
        await jm.open()
    job = await jm.submit(["true"])
    assert (await job).succeeded
    await asyncio.to_thread(lambda: asyncio.run(refused(jm, "belongs to another event loop")))
    await jm.close()
    await jm.close()
    await refused(jm, "closed: its block was left")
    with pytest.raises(NotOpen):
        await job.wait()
    async with jm:  # and it can be opened again
        assert len(await jm.jobs()) == 1


def test_no_asyncio_no_manager(folder: Path) -> None:
    """As under trio: the coroutine is driven by something that is not asyncio."""
    opening = JobManager().open()
    with pytest.raises(NotOpen, match="needs a running event loop of asyncio: with trio"):
        opening.send(None)


@pytest.mark.parametrize("failed", [False, True])
async def test_leave_releases_what_runs(folder: Path, failed: bool) -> None:
    jm = await JobManager(on_exit="leave").open()
    await jm.submit(SLEEPER)
    await until(lambda: (folder / "pid.1.undefined").exists())
    await jm.close(failed=failed)
    check_clean(folder)
    async with JobManager(run=False) as jm:
        assert [job.status for job in await jm.jobs()] == [Status.SUBMITTED]


UNCLOSED = """
import asyncio
from asyncjman import JobManager

async def main():
    jm = await JobManager(on_exit="wait").open()
    await (await jm.submit(["true"]))

asyncio.run(main())
"""


def test_a_program_that_closes_nothing_ends(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", UNCLOSED], cwd=folder, timeout=60, capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "Traceback" not in done.stderr


TERMINATED = """
import asyncio
from asyncjman import JobManager

async def main():
    async with JobManager() as jm:
        await (await jm.submit(["sh", "-c", "echo $$ > pid.1.undefined; exec sleep 1000"]))

asyncio.run(main())
"""


def test_sigterm_stops_the_tasks(folder: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", TERMINATED], cwd=folder, stderr=subprocess.PIPE) as program:
        asyncio.run(until(lambda: "\n" in _text(folder / "pid.1.undefined"), 60))
        program.send_signal(signal.SIGTERM)
        assert program.wait(60) == -signal.SIGTERM
    check_clean(folder)
    assert rows(folder / "submitted.sql3", "SELECT status FROM task") == [("stopped",)]


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


async def test_a_handler_of_the_programs_stays(folder: Path) -> None:
    def own(number: int, frame: object) -> None: ...

    before = signal.signal(signal.SIGTERM, own)
    try:
        async with JobManager():
            assert signal.getsignal(signal.SIGTERM) is own
    finally:
        signal.signal(signal.SIGTERM, before)
    async with JobManager() as jm:
        assert signal.getsignal(signal.SIGTERM) != before
        job = await jm.submit(GATED)
        (folder / "go").touch()
        await job
    assert signal.getsignal(signal.SIGTERM) == before
