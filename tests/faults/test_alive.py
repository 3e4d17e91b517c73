"""Alive or dead: across pid namespaces, host names, users and a /proc that hides; no task runs twice."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from tests.cli.tools import Jman, pid_in, wait_dead, wait_until
from tests.faults.executing import EXECUTE, GATED, JOURNAL, kill_execute
from tests.faults.namespaces import (
    AS_NOBODY,
    PID,
    descendant,
    hidden_files,
    jman_words,
    need_namespaces,
    run_in,
    start_in,
)
from tests.faults.tools import query

pytestmark = pytest.mark.usefixtures("nothing_started_stays")


def test_three_pid_namespaces_run_no_task_twice(jman: Jman) -> None:
    need_namespaces()
    count = 60
    jman.submit("-t", str(count), "sh", "-c", JOURNAL)
    executes = []
    for number in range(3):
        executes.append(start_in(jman, PID, EXECUTE))
        wait_until(lambda number=number: len(query(jman.database, "SELECT 1 FROM runner")) > number)  # type: ignore[misc]
    seen = run_in(jman, PID, jman_words("list"))
    assert "killed" not in seen.stderr, seen.stderr
    assert [one.wait(60) for one in executes] == [0, 0, 0], [jman.output_of(one) for one in executes]
    assert not (jman.folder / "twice").exists()
    ran = {path.name: path.read_text() for path in jman.folder.glob("ran.*")}
    assert ran == {f"ran.{number}": "begin\nend\n" for number in range(1, count + 1)}
    assert jman.job()["tasks"] == {"success": count}
    assert all("killed" not in jman.output_of(one) for one in executes)
    assert hidden_files(jman.folder) == []


def test_a_runner_in_another_pid_namespace_that_is_killed_is_dead(jman: Jman) -> None:
    """With all that it ran: the namespace ends with it."""
    need_namespaces()
    jman.submit("sh", "-c", GATED)
    process = start_in(jman, PID, f"exec {EXECUTE}")
    wait_until(lambda: jman.job()["status"] == "executing")
    process.kill()
    process.wait()
    (jman.folder / "go").touch()
    done = run_in(jman, PID, EXECUTE)
    assert done.returncode == 0, done
    assert "was killed" in done.stdout
    assert (jman.folder / "ran").read_text().splitlines()[-2:] == ["begin 2", "end"]
    assert jman.status() == {1: "success"}


def test_tasks_of_a_killed_runner_that_live_on_elsewhere_are_not_run_twice(jman: Jman) -> None:
    """The runner is dead, but its container, with the task, isn't: only the lock that it inherited tells."""
    need_namespaces()
    jman.submit("sh", "-c", GATED)
    container = start_in(jman, PID, f"{EXECUTE} & while :; do sleep 1; done")
    wait_until(lambda: jman.job()["status"] == "executing")
    runner = descendant(container, "execute")
    assert runner is not None
    runner.kill()
    # from a container of its own
    other = start_in(jman, PID, EXECUTE)
    wait_until(lambda: "may run on where they can't be seen from here" in jman.output_of(other))
    seen = run_in(jman, PID, jman_words("list"))
    assert "executing" in seen.stdout
    assert "jman stop --force 1" in seen.stderr
    assert (jman.folder / "ran").read_text() == "begin 1\n"
    (jman.folder / "go").touch()
    assert other.wait(30) == 0
    assert (jman.folder / "ran").read_text() == "begin 1\nend\nbegin 2\nend\n"
    assert jman.output_of(other).count("can't be seen") == 1, "it is said once"


def test_a_lock_file_that_somebody_removed_makes_nobody_dead(jman: Jman) -> None:
    need_namespaces()
    jman.submit("sh", "-c", GATED)
    process = start_in(jman, PID, f"exec {EXECUTE}")
    wait_until(lambda: jman.job()["status"] == "executing")
    for name in hidden_files(jman.folder):
        (jman.folder / name).unlink()
    seen = run_in(jman, PID, jman_words("list"))
    assert "executing" in seen.stdout
    assert "if it is dead: jman stop --force 1" in seen.stderr
    other = start_in(jman, PID, EXECUTE)
    wait_until(lambda: "jman stop --force 1" in jman.output_of(other))
    (jman.folder / "go").touch()
    assert process.wait(30) == 0
    assert other.wait(30) == 0
    assert (jman.folder / "ran").read_text() == "begin 1\nend\n"


@pytest.mark.parametrize(
    "words", [["stop"], ["delete"], ["resubmit", "-a"], ["--local", "execute"]], ids=lambda words: words[-1]
)
def test_a_killed_execute_whose_host_name_changed_holds_nobody_up(jman: Jman, words: list[str]) -> None:
    need_namespaces()
    jman.submit("sh", "-c", "[ $JMAN_ATTEMPT != 1 ] || sleep 1000")
    kill_execute(jman, start_in(jman, ("--uts",), f"hostname another && exec {EXECUTE}"))
    begun = time.monotonic()
    jman(*words)
    assert time.monotonic() - begun < 15
    if words == ["delete"]:
        assert list(jman.folder.iterdir()) == []
    else:
        assert jman.status() == {1: {"stop": "stopped", "resubmit": "submitted"}.get(words[0], "success")}


def test_a_live_execute_whose_host_name_changed_is_alive(jman: Jman) -> None:
    need_namespaces()
    jman.submit("sh", "-c", GATED)
    process = start_in(jman, ("--uts",), f"hostname another && exec {EXECUTE}")
    wait_until(lambda: jman.job()["status"] == "executing")
    assert jman("list").err == ""
    jman("stop")
    assert process.wait(20) == 1
    assert jman.status() == {1: "stopped"}


HIDING = f"mount -t proc -o hidepid=2 proc /proc && exec {AS_NOBODY} "


@pytest.mark.usefixtures("open_to_all")
def test_what_proc_hides_from_another_user_is_not_dead(jman: Jman) -> None:
    need_namespaces()
    if run_in(jman, ("-m",), HIDING + f"{sys.executable} -c 'import asyncjman'").returncode:
        pytest.skip("another user can't read asyncjman here")
    jman.folder.chmod(0o755)
    jman.submit("sh", "-c", GATED)
    process = jman.start("--local", "execute", "--no-progress")
    wait_until(lambda: jman.job()["status"] == "executing")
    seen = run_in(jman, ("-m",), HIDING + jman_words("list", "--json"))
    assert '"status": "executing"' in seen.stdout, seen
    assert "killed" not in seen.stderr
    assert len(query(jman.database, "SELECT 1 FROM runner")) == 1
    (jman.folder / "go").touch()
    assert process.wait(20) == 0
    assert (jman.folder / "ran").read_text() == "begin 1\nend\n"
    assert jman.status() == {1: "success"}


@pytest.mark.usefixtures("open_to_all")
def test_an_ordinary_user_under_hidepid_has_all_that_others_have(jman: Jman) -> None:
    need_namespaces()
    if run_in(jman, ("-m",), HIDING + f"{sys.executable} -c 'import asyncjman'").returncode:
        pytest.skip("another user can't read asyncjman here")

    def as_user(*words: str) -> subprocess.CompletedProcess[str]:
        return run_in(jman, ("-m",), HIDING + jman_words(*words))

    assert as_user("--local", "submit", "sh", "-c", GATED).returncode == 0
    process = start_in(jman, ("-m",), HIDING + EXECUTE)
    pid = pid_in(jman.folder / "pid.1")
    wait_until(lambda: "executing" in as_user("list").stdout)
    process.kill()
    process.wait()
    assert "was killed" in as_user("list").stderr
    assert as_user("stop").returncode == 0
    wait_dead(pid)
    assert as_user("delete").returncode == 0
    assert hidden_files(jman.folder) == []


def test_without_proc_everything_works_but_what_needs_it(jman: Jman) -> None:
    need_namespaces()
    without = "mount -t tmpfs none /proc && "
    jman.submit("sh", "-c", "echo ran >> ran")
    done = run_in(jman, ("-m",), without + EXECUTE)
    assert done.returncode == 0, done
    jman.submit("sh", "-c", GATED)
    process = jman.start("--local", "execute")
    wait_until(lambda: jman.job(2)["status"] == "executing")
    seen = run_in(jman, ("-m",), without + jman_words("list"))
    assert "executing" in seen.stdout and "killed" not in seen.stderr, seen
    (jman.folder / "go").touch()
    assert process.wait(20) == 0
    assert (jman.folder / "ran").read_text() == "ran\nbegin 1\nend\n"
