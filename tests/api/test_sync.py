"""The verbs without async, and the executor: nothing of them is written twice."""

from __future__ import annotations

import inspect
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import asyncjman
from asyncjman import JobFailed, MapFailed, NotOpen, Status, UsageError
from asyncjman.sync import CallHandle, JobManager
from tests.api.tools import check_clean, rows


def add(a: int, b: int = 0) -> int:
    return a + b


def broken(number: int) -> int:
    return 1 // number


def hang() -> None:
    Path("pid.hang").write_text(f"{os.getpid()}\n")
    time.sleep(1000)


def test_the_verbs(folder: Path) -> None:
    with JobManager(parallel=2) as jm:
        job = jm.submit(["sh", "-c", "echo one"], log_dir="logs")
        assert job.result(timeout=60).succeeded
        assert job.output() == "one\n"
        second = jm.submit(["sh", "-c", "exit 3"], after_ok=[job])
        with pytest.raises(JobFailed, match="exit status 3"):
            second.result()
        handle = jm.start(add, 1, b=2)
        assert isinstance(handle, CallHandle)
        assert handle.value() == 3
        total = jm.options(name="total").start(sum, [handle.as_argument(), 4])
        assert [one.id for one in jm.as_completed(total)] == [total.id]
        assert (total.value(), total.job.spec.name, total.progress().fraction) == (7, "total", 1.0)
        assert jm.call(add, 1) == 1
        assert jm.map(add, [1, 2], chunk=2) == [1, 2]
        assert list(jm.imap(add, iter(range(3)))) == [0, 1, 2]
        assert jm.starmap(add, [(1, 2)]) == [3]
        with pytest.raises(MapFailed):
            jm.map(broken, [0])
        assert type(list(jm.events(job))[-1]).__name__ == "JobFinished"
        assert [one.id for one in jm.jobs(status="failure")] == [2, 10]
        jm.delete(second)
        assert [one.attempt for one in jm.attempts(job)] == [1]
        assert jm.get(handle.id).value() == 3
        with pytest.raises(UsageError):
            jm.submit("true")
    with pytest.raises(NotOpen):
        jm.jobs()
    check_clean(folder)


def test_each_verb_takes_what_its_twin_takes() -> None:
    for twin in (JobManager, asyncjman.sync.JobHandle, CallHandle):
        original = getattr(asyncjman, twin.__name__)
        for name, verb in vars(twin).items():
            if name.startswith("_") or not inspect.isfunction(verb) or not hasattr(original, name):
                continue
            given = inspect.signature(verb).parameters
            known = inspect.signature(getattr(original, name)).parameters
            assert set(given) - {"options"} <= set(known), name


def test_an_executor_as_python_has_them(folder: Path) -> None:
    """The behaviours that the tests of concurrent.futures fix for its own executors."""
    with JobManager(parallel=2) as jm:
        with jm.as_executor() as pool:
            future = pool.submit(add, 1, b=2)
            failing = pool.submit(broken, 0)
            assert future.result(60) == 3
            assert isinstance(failing.exception(60), ZeroDivisionError)
            assert list(pool.map(add, [1, 2, 3], [10, 20])) == [11, 22]
            slow = pool.submit(hang)
            with pytest.raises(TimeoutError):
                slow.result(0.01)
            while not Path("pid.hang").exists():
                time.sleep(0.01)
            assert slow.cancel()
            with pytest.raises(CancelledError):
                slow.result()
            with pytest.raises(TimeoutError):
                list(pool.map(hang_for, [1000], timeout=0.5))
        with pytest.raises(RuntimeError, match="after shutdown"):
            pool.submit(add, 1)
        assert jm.jobs(status=["executing", "queued"]) == []
    check_clean(folder)


def hang_for(seconds: float) -> None:
    time.sleep(seconds)


def test_from_several_threads() -> None:
    with JobManager(parallel=2) as jm, ThreadPoolExecutor(3) as threads:
        assert sorted(threads.map(lambda number: jm.call(add, number), range(3))) == [0, 1, 2]


PROGRAM = """
from asyncjman.sync import JobManager

with JobManager() as jm:
    jm.submit(["sh", "-c", "echo $$ > pid.1.undefined; exec sleep 1000"]).wait()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_stops_the_tasks(folder: Path, number: signal.Signals) -> None:
    options: dict[str, Any] = {"cwd": folder, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", PROGRAM], **options) as program:
        path = folder / "pid.1.undefined"
        while not path.exists() or not path.read_text().endswith("\n"):
            time.sleep(0.02)
        program.send_signal(number)
        assert program.wait(60) in (-number, 128 + number)
    check_clean(folder)
    assert rows(folder / "submitted.sql3", "SELECT status FROM task") == [(Status.STOPPED,)]


def test_a_program_that_closes_nothing_ends(folder: Path) -> None:
    code = "from asyncjman.sync import JobManager; JobManager().open().call(len, 'a')"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, timeout=60, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
