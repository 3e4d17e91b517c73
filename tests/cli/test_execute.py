"""jman execute: every option, how many run at once, what is shown at the end."""

from __future__ import annotations

import json
import os
import signal
import sys

import pytest

from tests.cli.tools import BARRIER, Jman, is_alive, overlaps, pid_in, wait_until

STATUS_7 = ("sh", "-c", "exit 7")


@pytest.mark.parametrize("name", ["execute", "run-scheduler", "sched", "x"])
def test_names_of_the_command(jman: Jman, name: str) -> None:
    jman.submit("echo", "hello")
    local = ["--local"] if name == "x" else []
    assert "hello" in jman(*local, name).lines
    assert jman.status() == {1: "success"}


def test_one_at_a_time_if_not_said(jman: Jman) -> None:
    jman.submit("-t", "4", "sleep", "0.05")
    jman("execute")
    assert overlaps(list(jman.tasks().values())) == 1


@pytest.mark.parametrize("option", ["-p", "--parallel"])
def test_parallel(jman: Jman, option: str) -> None:
    jman.submit("-t", "9", sys.executable, "-c", BARRIER, "here", "3")
    jman("execute", option, "3")
    assert overlaps(list(jman.tasks().values())) == 3


def test_parallel_auto(jman: Jman) -> None:
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    jman.submit("-t", str(processors), sys.executable, "-c", BARRIER, "here", str(processors))
    jman.submit("-t", str(3 * processors), "sleep", "0.05")
    jman("execute", "-p", "auto")
    assert overlaps([*jman.tasks(1).values(), *jman.tasks(2).values()]) == processors


def test_throttle_of_an_array_holds(jman: Jman) -> None:
    jman.submit("-t", "6%2", sys.executable, "-c", BARRIER, "here", "2")
    jman.submit("-t", "4", "sleep", "0.05")
    jman("execute", "-p", "4")
    assert overlaps(list(jman.tasks(1).values())) == 2
    assert overlaps([*jman.tasks(1).values(), *jman.tasks(2).values()]) > 2


def test_slots_are_shared_fairly(jman: Jman) -> None:
    jman.submit("-t", "20", "sleep", "0.05")
    jman.submit("-t", "3", "sleep", "0.05")
    jman("execute", "-p", "2")
    small = max(task["finished_at"] for task in jman.tasks(2).values())
    large = sorted(task["finished_at"] for task in jman.tasks(1).values())
    assert small < large[10], "the small array waited for most of the large one"


@pytest.mark.parametrize("words", [["-j", "1,3"], ["--job-ids", "1", "3"], ["1", "3"], ["--job-ids=1", "3"]])
def test_job_ids(jman: Jman, words: list[str]) -> None:
    for _ in range(3):
        jman.submit("true")
    jman("execute", *words)
    assert jman.status() == {1: "success", 2: "submitted", 3: "success"}


def test_a_job_that_waits_for_one_not_selected(jman: Jman) -> None:
    jman("--local", "submit", "-r", "2", "true")
    done = jman("execute", "2", code=1)
    assert "job 2" in done.err
    assert "job 1" in done.err
    assert jman.status() == {1: "submitted", 2: "waiting"}


@pytest.mark.parametrize("option", ["-l", "--no-log-files"])
def test_no_log_files(jman: Jman, option: str) -> None:
    jman.submit("-l", "logs", "sh", "-c", "echo to output; echo to errors >&2")
    done = jman("execute", option)
    assert "to output" in done.lines
    assert done.err == "to errors\n"
    assert not (jman.folder / "logs").exists()


@pytest.mark.parametrize("option", ["-n", "--nice"])
def test_nice(jman: Jman, option: str) -> None:
    jman.submit("nice")
    # a process of its own: only root could take back what it does to its own priority
    done = jman.fresh("execute", option, "7", "--no-progress")
    assert str(min(os.nice(0) + 7, 19)) in done.lines


@pytest.mark.parametrize("words", [["-x"], ["--die-when-finished"], ["-s", "0.5"], ["--sleep-time", "9"]])
def test_options_of_gridtk_without_effect(jman: Jman, words: list[str]) -> None:
    jman.submit("true")
    jman("execute", *words)
    assert jman.status() == {1: "success"}


def test_keep_running_takes_new_jobs(jman: Jman) -> None:
    process = jman.start("execute", "--keep-running")
    wait_until(jman.database.exists)
    jman.submit("true")
    jman("wait", "--timeout", "20")
    jman.submit("-x", "1", "echo", "second")
    jman("wait", "2", "--timeout", "20")
    assert process.poll() is None
    assert "second" in jman.output_of(process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 130


def test_json_lines(jman: Jman) -> None:
    jman.submit("echo", "hello")
    jman.submit(*STATUS_7)
    done = jman("execute", "--json-lines", code=1)
    events = [json.loads(line) for line in done.lines]
    kinds = [(one["event"], one.get("job")) for one in events]
    for job in (1, 2):
        assert kinds.index(("task_started", job)) < kinds.index(("task_finished", job))
        assert kinds.index(("task_finished", job)) < kinds.index(("job_finished", job))
    failed = next(one["task"] for one in events if one["event"] == "task_finished" and one["job"] == 2)
    assert (failed["status"], failed["exit_status"]) == ("failure", 7)
    assert "hello" in done.err


def test_a_line_per_event_where_there_is_no_terminal(jman: Jman) -> None:
    jman.submit("-n", "first", "true")
    jman.submit("-n", "second", "-t", "2", "true")
    done = jman("execute", "--no-progress")
    words = [line.split()[:3] for line in done.lines]
    for label in (["1", "first"], ["2.1", "second"], ["2.2", "second"]):
        assert words.index(["started", *label]) < words.index(["success", *label])
    assert "\x1b" not in done.out


def test_progress_can_be_asked_for(jman: Jman) -> None:
    jman.submit("sh", "-c", "echo output of the task; sleep 0.3")
    done = jman("execute", "--progress")
    assert "output of the task" in done.out
    assert jman.status() == {1: "success"}


def test_table_at_the_end(jman: Jman) -> None:
    jman.submit("-t", "3", "true")
    jman.submit(*STATUS_7)
    jman("--local", "submit", "--after-ok", "2", "true")
    done = jman("execute", code=1)
    table = [line.split() for line in done.lines]
    assert ["success", "3"] in table
    assert ["failure", "1"] in table
    assert ["skipped", "1"] in table


def test_failures_with_reason_log_and_last_lines(jman: Jman) -> None:
    jman.submit(
        "-l", "logs", "-n", "bad", "sh", "-c", "for i in 1 2 3 4 5 6 7 8 9; do echo line $i >&2; done; exit 7"
    )
    done = jman("execute", code=1)
    assert ": 1 task: line N\n  1: exit status 7" in done.out
    assert "logs/bad.e1" in done.out
    assert "line 9" in done.out
    assert "line 1\n" not in done.out


def test_a_signal_is_named(jman: Jman) -> None:
    jman.submit("sh", "-c", "kill -SEGV $$")
    assert "SIGSEGV" in jman("execute", code=1).out
    job = jman.job()
    assert (job["status"], job["signal"], job["exit_status"]) == ("failure", signal.SIGSEGV, None)


def test_failures_that_are_alike_are_shown_once(jman: Jman) -> None:
    jman.submit("-t", "13", *STATUS_7)
    done = jman("execute", "-p", "4", code=1)
    assert ": 13 tasks: exit status 7\n  1.1-13\n  for example 1.1: exit status 7  sh" in done.out


def test_success_runs_only_once(jman: Jman) -> None:
    jman.submit("sh", "-c", "echo once >> file")
    jman("execute")
    done = jman("execute")
    assert done.out == ""
    assert done.err.strip()
    assert (jman.folder / "file").read_text() == "once\n"


def test_what_is_recorded_of_a_task(jman: Jman) -> None:
    jman.submit(
        sys.executable, "-c", "x = bytearray(60_000_000); s = sum(range(3_000_000)); raise SystemExit(3)"
    )
    jman("execute", code=1)
    job = jman.job()
    assert job["exit_status"] == 3
    assert job["submitted_at"] < job["started_at"] < job["finished_at"]
    assert job["started_at"].endswith("Z")
    assert job["cpu_seconds"] > 0.01
    assert job["peak_memory_bytes"] > 60_000_000
    assert job["host"] == os.uname().nodename


def test_folder_that_went_away(jman: Jman) -> None:
    (jman.folder / "there").mkdir()
    jman.submit("-d", "there", "true")
    jman.submit("true")
    (jman.folder / "there").rmdir()
    done = jman("execute", code=1)
    assert "there" in done.out
    assert jman.status() == {1: "failure", 2: "success"}


def test_a_program_that_lives_on_in_the_background_does_not_hold_execute(jman: Jman) -> None:
    jman.submit("sh", "-c", "sleep 1000 & echo $! > pid; echo done")
    done = jman("execute")
    pid = pid_in(jman.folder / "pid")
    assert is_alive(pid)
    os.kill(pid, signal.SIGKILL)
    assert "done" in done.lines
    assert jman.status() == {1: "success"}


def test_takes_what_is_submitted_meanwhile(jman: Jman) -> None:
    jman.submit("sh", "-c", "until [ -e go ]; do sleep 0.05; done")
    process = jman.start("execute")
    wait_until(lambda: jman.status()[1] == "executing")
    jman.submit("true")
    (jman.folder / "go").touch()
    assert process.wait(30) == 0
    assert jman.status() == {1: "success", 2: "success"}


def test_a_job_of_which_tasks_failed_before_has_failed(jman: Jman) -> None:
    jman("--local", "submit", "--sweep", "a=1,2", "--", "sh", "-c", "[ {a} != 1 ]")
    jman("--local", "execute", code=1)
    jman("resubmit", "1", "--where", "a=2", "-s")
    done = jman("--local", "execute", code=1)
    assert "left: 1 failed: jman resubmit && jman execute" in done.err
