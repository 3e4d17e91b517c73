"""Processes of tasks that left their session: they end with their task, and no others do."""

# ruff: noqa: ASYNC240 - a look at a local file takes no time
from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from asyncjman import JobManager
from tests.cli.tools import Jman, is_alive, pid_in, wait_dead, wait_until
from tests.faults.tools import kill_left_in

# leaves a child in a session of its own, which notes its number; "deaf": it ignores SIGTERM
LEAVE = """
import os, signal, sys, time
if not os.fork():
    os.setsid()
    if "deaf" in sys.argv:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    name = f"child.{os.environ['JOB_ID']}.{os.environ['SGE_TASK_ID']}.{os.environ['JMAN_ATTEMPT']}"
    with open(name + ".part", "w") as file:
        print(os.getpid(), file=file)
    os.rename(name + ".part", name)
    time.sleep(1000)
    os._exit(0)
if "stay" in sys.argv:
    time.sleep(1000)
"""


@pytest.fixture(autouse=True)
def nothing_stays(jman: Jman, tmp_path: Path) -> Iterator[None]:
    yield
    for folder in (jman.folder, tmp_path):
        kill_left_in(folder)


def leaving(*how: str) -> tuple[str, ...]:
    return (sys.executable, "-c", LEAVE, *how)


def child(folder: Path, job_id: int, task: str = "undefined", attempt: int = 1) -> int:
    return pid_in(folder / f"child.{job_id}.{task}.{attempt}")


@pytest.mark.parametrize("words", [["stop", "1"], ["delete", "1"]])
def test_stop_and_delete_end_what_left_its_session_and_nothing_of_others(
    jman: Jman, words: list[str]
) -> None:
    for _ in range(2):
        jman.submit(*leaving("stay"))
    process = jman.start("execute", "-p", "2")
    first, second = child(jman.folder, 1), child(jman.folder, 2)
    jman(*words)
    assert not is_alive(first), "when the command returns, nothing runs any more"
    assert is_alive(second)
    jman("stop", "2")
    wait_dead(second)
    assert process.wait(20) == 1


def test_stop_of_one_task(jman: Jman) -> None:
    jman.submit("-t", "2", *leaving("stay"))
    process = jman.start("execute", "-p", "2")
    first, second = (child(jman.folder, 1, task) for task in "12")
    jman("stop", "1", "-a", "1")
    assert not is_alive(first)
    assert is_alive(second)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    wait_dead(second, timeout=0.1)


def test_what_ignores_sigterm_is_killed_and_stop_waits_for_it(jman: Jman) -> None:
    jman.submit(*leaving("stay", "deaf"))
    process = jman.start("execute")
    pid = child(jman.folder, 1)
    begun = time.monotonic()
    jman("stop")
    assert not is_alive(pid)
    assert time.monotonic() - begun > 4.5
    assert jman.status() == {1: "stopped"}
    process.wait(20)


def test_an_interrupt_also_ends_what_finished_tasks_left(jman: Jman) -> None:
    jman.submit(*leaving())
    jman.submit("--after-ok", "1", *leaving("stay"))
    process = jman.start("execute")
    first, second = child(jman.folder, 1), child(jman.folder, 2)
    assert is_alive(first), "a task that ends lets its background go on"
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    wait_dead(first, second, timeout=0.1)
    assert jman.status() == {1: "success", 2: "stopped"}


def test_the_second_interrupt_kills_at_once(jman: Jman) -> None:
    jman.submit(*leaving("stay", "deaf"))
    process = jman.start("execute")
    pid = child(jman.folder, 1)
    process.send_signal(signal.SIGINT)
    wait_until(lambda: "stopping" in jman.output_of(process), what="the answer to the first")
    process.send_signal(signal.SIGINT)
    assert process.wait(4) == 130
    wait_dead(pid, timeout=0.1)


def test_what_timed_out_is_gone_before_it_is_tried_again(jman: Jman) -> None:
    jman.submit("--timeout", "1", "--retry", "1", *leaving("stay"))
    process = jman.start("execute")
    first = child(jman.folder, 1)
    second = child(jman.folder, 1, attempt=2)
    assert not is_alive(first)
    assert process.wait(20) == 1
    wait_dead(second, timeout=0.1)


def test_a_mark_that_the_user_sets_hides_nothing(jman: Jman) -> None:
    jman.submit("-s", "JMAN_RUNNER=mine", "-s", "JMAN_TASK=9.9.9", *leaving("stay"))
    process = jman.start("execute")
    pid = child(jman.folder, 1)
    jman("stop")
    assert not is_alive(pid)
    process.wait(20)


async def test_leaving_the_manager_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with JobManager("jobs.sql3") as jm:
        await jm.submit(leaving("stay"))
        while not list(tmp_path.glob("child.1.undefined.1")):
            await jm.session.database.change(None, 0.02)
        pid = child(tmp_path, 1)
    assert not is_alive(pid)
