"""Signals, stop, two execute at once, one that was killed: no child left alive, nothing runs twice."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from tests.cli.tools import Jman, pid_in, wait_dead, wait_until

SLEEPER = ("sh", "-c", "echo $$ > pid.$SGE_TASK_ID; exec sleep 1000")
# a task whose child ignores SIGTERM
STUBBORN = (
    "sh",
    "-c",
    "(trap '' TERM; echo $$ > parent; sh -c 'echo $$ > child; sleep 1000; sleep 1000') ; true",
)


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_what_runs(jman: Jman, sign: signal.Signals) -> None:
    jman.submit("-t", "2", *SLEEPER)
    jman.submit("-x", "1", "true")
    process = jman.start("execute", "-p", "2")
    pids = [pid_in(jman.folder / f"pid.{i}") for i in (1, 2)]
    process.send_signal(sign)
    assert process.wait(20) == 130
    wait_dead(*pids)
    assert [task["status"] for task in jman.tasks(1).values()] == ["stopped", "stopped"]
    assert jman.status()[2] in ("submitted", "waiting")
    assert "Traceback" not in jman.output_of(process)
    assert "left: 2 stopped: jman execute --resume" in jman("execute", code=1).err
    assert jman.status() == {1: "stopped", 2: "success"}


def test_children_that_ignore_sigterm_die_after_five_seconds(jman: Jman) -> None:
    jman.submit(*STUBBORN)
    process = jman.start("execute")
    pids = [pid_in(jman.folder / name) for name in ("parent", "child")]
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 130
    wait_dead(*pids)
    assert jman.status() == {1: "stopped"}


def test_two_at_once_on_200_tasks(jman: Jman) -> None:
    jman.submit("-t", "200", "sh", "-c", "echo $$ >> ran.$SGE_TASK_ID")
    both = [jman.start("execute", "-p", "4") for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    ran = {path.name: len(path.read_text().splitlines()) for path in Path(jman.folder).glob("ran.*")}
    assert ran == {f"ran.{i}": 1 for i in range(1, 201)}
    assert jman.job()["tasks"] == {"success": 200}


def test_a_task_that_left_its_session_is_found_after_a_kill(jman: Jman) -> None:
    program = "import os, time\nif os.fork(): time.sleep(1000)\nos.setsid()\nprint(os.getpid(), file=open('pid', 'w'), flush=True)\ntime.sleep(1000)"  # noqa: E501
    jman.submit(sys.executable, "-c", program)
    process = jman.start("execute")
    pid = pid_in(jman.folder / "pid")
    process.kill()
    process.wait()
    jman("stop")
    wait_dead(pid)
    assert jman.status() == {1: "stopped"}


def test_the_second_interrupt_kills_at_once(jman: Jman) -> None:
    jman.submit(*STUBBORN)
    process = jman.start("execute")
    pids = [pid_in(jman.folder / name) for name in ("parent", "child")]
    process.send_signal(signal.SIGINT)
    wait_until(lambda: "stopping" in jman.output_of(process), what="the answer to the first")
    process.send_signal(signal.SIGINT)
    assert process.wait(4) == 130
    wait_dead(*pids, timeout=2)
    assert jman.status() == {1: "stopped"}
    said = jman.output_of(process)
    assert "stopping 1 running task; again to kill them at once\n" in said
    assert "killing 1 running task\n" in said


def test_execute_after_a_killed_one(jman: Jman) -> None:
    jman.submit("sh", "-c", "echo $$ >> pid; [ $JMAN_ATTEMPT != 1 ] || exec sleep 1000")
    jman.submit("sh", "-c", "echo x >> second")
    process = jman.start("execute")
    pid = pid_in(jman.folder / "pid")
    wait_until(lambda: jman.status()[1] == "executing")
    process.kill()
    process.wait()
    done = jman("execute")
    assert "was killed" in done.out
    wait_dead(pid)
    assert jman.status() == {1: "success", 2: "success"}
    assert (jman.folder / "second").read_text() == "x\n"
    assert len((jman.folder / "pid").read_text().splitlines()) == 2


def test_a_hangup_that_was_ignored_at_the_start_stays_ignored(jman: Jman) -> None:
    """As nohup has it: the terminal goes, the work goes on. Else it was stopped like by Ctrl-C."""
    jman.submit("sh", "-c", "echo $$ > pid; while [ ! -e go ]; do sleep 0.01; done")
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # what is started inherits it
    try:
        process = jman.start("execute")
    finally:
        signal.signal(signal.SIGHUP, before)
    pid_in(jman.folder / "pid")
    process.send_signal(signal.SIGHUP)
    (jman.folder / "go").touch()
    assert process.wait(20) == 0
    assert jman.status() == {1: "success"}
