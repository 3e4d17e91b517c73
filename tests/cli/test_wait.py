"""jman wait: every option, and its exit codes."""

from __future__ import annotations

import time

import pytest

from tests.cli.terminal import on_terminal
from tests.cli.tools import Jman, wait_until


def test_exit_codes(jman: Jman) -> None:
    jman.submit("true")
    jman.submit("sh", "-c", "exit 7")
    jman("execute", code=1)
    jman("wait", "1")
    done = jman("wait", code=1)
    assert "job 2 failed: exit status 7" in done.err


@pytest.mark.parametrize("words", [["-j", "1,3"], ["--job-ids", "1", "3"], ["1", "3"]])
def test_job_ids(jman: Jman, words: list[str]) -> None:
    for command in ("true", "false", "true"):
        jman.submit(command)
    jman("execute", code=1)
    jman("wait", *words)


def test_timeout(jman: Jman) -> None:
    jman.submit("true")
    began = time.monotonic()
    done = jman("wait", "--timeout", "0.2", code=124)
    assert time.monotonic() - began < 10
    assert "0.2 s" in done.err
    assert "execute" in done.err, "nobody runs it: that is said"


def test_waits_until_the_end(jman: Jman) -> None:
    jman.submit("sh", "-c", "until [ -e go ]; do sleep 0.02; done")
    runner = jman.start("execute")
    wait_until(lambda: jman.status()[1] == "executing")
    waiter = jman.start("wait")
    with pytest.raises(AssertionError, match="not within"):
        wait_until(lambda: waiter.poll() is not None, 1.0)
    (jman.folder / "go").touch()
    assert waiter.wait(20) == 0
    assert runner.wait(20) == 0


def test_failures_are_shown_with_the_ends_of_their_logs(jman: Jman) -> None:
    jman(
        "--local",
        "submit",
        "-l",
        "logs",
        "-t",
        "12",
        "-n",
        "bad",
        "--",
        "sh",
        "-c",
        "echo no data >&2; exit 3",
    )
    jman("--local", "execute", "-p", "4", code=1)
    err = jman("wait", code=1).err
    assert "job 1 failed, 12 of 12 tasks" in err
    assert ": 12 tasks: no data\n  1.1-12\n  for example 1.1: exit status 3" in err
    assert "logs/bad.e1.1\n  | no data" in err
    assert err.count("| no data") == 1


def test_single_tasks_are_waited_for(jman: Jman) -> None:
    """The rest of their job goes on."""
    jman.submit(
        "-t",
        "3",
        "sh",
        "-c",
        "[ $SGE_TASK_ID = 3 ] && until [ -e go ]; do sleep 0.05; done; [ $SGE_TASK_ID != 2 ]",
    )
    process = jman.start("execute", "-p", "3")
    wait_until(lambda: jman.tasks()[3]["status"] == "executing")
    assert jman("wait", "1.1").err == ""
    failed = jman("wait", "1.1-2", code=1).err
    assert "not all of these tasks of job 1 succeeded" in failed
    assert "left: 1 failed" in failed
    assert "not all jobs ended" in jman("wait", "1.3", "--timeout", "0.2", code=124).err
    (jman.folder / "go").touch()
    jman("wait", "1.3")
    assert process.wait(30) == 1


def test_tasks_that_ended_wait_for_nobody(jman: Jman) -> None:
    jman.submit("-t", "2", "true")
    jman("stop", "1.1")
    assert "waits for" not in jman("wait", "1.1", code=1).err
    assert "job 1 waits for a jman --local execute" in jman("wait", "1", "--timeout", "0.1", code=124).err


def test_what_it_waits_for_is_said_at_once(jman: Jman) -> None:
    jman.submit("true")
    for env in ({}, {"PYTHONUNBUFFERED": "1"}):
        terminal = on_terminal(jman, "wait", env=env)
        terminal.read_until(b"job 1 waits for a jman --local execute")
        terminal.type(b"\x03")
        assert terminal.finish()[0] == 130
