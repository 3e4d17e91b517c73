"""jman stop: every option."""

from __future__ import annotations

import signal
from typing import Any

import pytest

from asyncjman.scheduler import stopping
from tests.cli.tools import Jman, pid_in, wait_dead, wait_until
from tests.faults.tools import query

SLEEPER = ("sh", "-c", "echo $$ > pid.$SGE_TASK_ID; exec sleep 1000")


@pytest.mark.parametrize("words", [["-j", "1,3"], ["--job-ids", "1", "3"], ["1", "3"]])
def test_job_ids(jman: Jman, words: list[str]) -> None:
    for _ in range(3):
        jman.submit("true")
    assert [line[:9] for line in jman("--local", "stop", *words).lines] == ["Stopped 1", "Stopped 3"]
    jman("execute", code=1)
    assert jman.status() == {1: "stopped", 2: "success", 3: "stopped"}


def test_all(jman: Jman) -> None:
    jman("--local", "submit", "-r", "2", "true")
    jman("stop")
    assert jman.status() == {1: "stopped", 2: "stopped"}
    assert "ended" in jman("stop").err


@pytest.mark.parametrize("option", ["-a", "--array-ids"])
def test_array_ids(jman: Jman, option: str) -> None:
    jman.submit("-t", "4", "true")
    jman("stop", "-j", "1", option, "2", "4")
    jman("execute", code=None)
    assert {i: task["status"] for i, task in jman.tasks().items()} == {
        1: "success",
        2: "stopped",
        3: "success",
        4: "stopped",
    }


def test_a_running_job(jman: Jman) -> None:
    jman.submit("-l", "logs", *SLEEPER)
    jman.submit("echo", "the next one")
    process = jman.start("execute")
    pid = pid_in(jman.folder / "pid.undefined")
    jman("stop", "1")
    wait_dead(pid)
    assert process.wait(20) == 1
    assert jman.status() == {1: "stopped", 2: "success"}
    assert (jman.folder / "logs/sh.o1").exists()


def test_a_running_task(jman: Jman) -> None:
    jman.submit("-t", "2", *SLEEPER)
    process = jman.start("execute", "-p", "2")
    first, second = (pid_in(jman.folder / f"pid.{i}") for i in (1, 2))
    jman("stop", "1", "-a", "1")
    wait_dead(first)
    assert {i: task["status"] for i, task in jman.tasks().items()} == {1: "stopped", 2: "executing"}
    jman("stop")
    wait_dead(second)
    process.wait(20)
    wait_until(lambda: jman.status() == {1: "stopped"})


def test_a_job_that_is_submitted_again_in_this_moment_is_stopped_all_the_same(
    jman: Jman, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is open again by the time that stop tells of it: that it still runs would be untrue."""
    jman.submit("true")
    stop = stopping.stop

    async def stop_and_resubmit(*args: Any, **options: Any) -> None:
        await stop(*args, **options)
        jman.fresh("resubmit", "1")

    monkeypatch.setattr(stopping, "stop", stop_and_resubmit)
    done = jman("stop", "1")
    assert done.out.startswith("Stopped 1 @local (")
    assert "not confirmed" not in done.err
    assert jman.status() == {1: "submitted"}


def test_what_an_interrupted_execute_lets_go_of_is_stopped_if_somebody_asked_for_that(jman: Jman) -> None:
    """It was left to whoever runs it next: the stop had said that it is stopped."""
    jman.submit("--retry", "1", "--retry-delay", "1h", "false")
    jman.submit("--after-any", "1", "true")
    execute = jman.start("execute", "--keep-running")
    wait_until(lambda: jman.job()["attempt"] == 2)
    execute.send_signal(signal.SIGSTOP)
    stop = jman.start("stop", "1")
    sql = "SELECT count(*) FROM task WHERE stop = 1"
    wait_until(lambda: query(jman.database, sql) == [(1,)])
    execute.send_signal(signal.SIGINT)
    execute.send_signal(signal.SIGCONT)
    assert execute.wait(20) == 130
    assert stop.wait(30) == 0
    assert jman.status() == {1: "stopped", 2: "submitted"}


def test_tasks_that_had_ended_are_not_named(jman: Jman) -> None:
    jman.submit("-t", "3", "true")
    jman("stop", "1.3")
    jman("execute", code=1)
    jman("resubmit", "1.3")
    assert jman("stop", "1.1-2").err == "nothing to stop: the tasks have ended\n"
    assert jman("stop", "1.2-3").out.startswith("Stopped task 3 of 1 @local (")
