"""Executes that are suspended, or that nobody can prove dead; tasks that are taken from them."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
from contextlib import closing

import pytest

from tests.cli.tools import Jman, is_alive, pid_in, wait_dead, wait_until
from tests.faults.executing import GATED, kill_execute, suspend
from tests.faults.namespaces import hidden_files
from tests.faults.tools import kill_left_in, query

pytestmark = pytest.mark.usefixtures("nothing_started_stays")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asyncjman.scheduler.stopping.GRACE_SECONDS", 1.0)
    monkeypatch.setattr("asyncjman.scheduler.stopping.FORCE_SECONDS", 1.0)


def suspended_execute(jman: Jman) -> subprocess.Popen[bytes]:
    process = jman.start("--local", "execute", "--no-progress")
    wait_until(lambda: jman.job()["status"] == "executing")
    suspend(jman, process)
    return process


def test_a_suspended_execute_is_alive(jman: Jman, impatient: None) -> None:
    jman.submit("sh", "-c", GATED)
    process = suspended_execute(jman)
    assert jman("list").err == ""
    assert "waits for" not in jman("wait", "--timeout", "0.1", code=124).err
    other = jman.start("--local", "execute")
    error = jman("stop", code=3).err
    assert error == (
        f"jman: job 1 still runs: the jman execute (pid {process.pid}) that runs it is suspended\n"
        f"kill -CONT {process.pid} lets it go on, jman stop --force 1 stops the tasks without it\n"
    )
    assert "jman stop --force 1" in jman("delete", code=3).err
    assert "jman stop --force 1" in jman("resubmit", "-a", code=3).err
    assert jman.job()["status"] == "executing"
    process.send_signal(signal.SIGCONT)
    assert process.wait(20) == 1
    assert other.wait(20) == 1
    assert jman.status() == {1: "stopped"}
    assert (jman.folder / "ran").read_text() == "begin 1\n"


def test_stop_force_takes_tasks_from_a_suspended_execute(jman: Jman, impatient: None) -> None:
    """What it sees when it goes on is not recorded any more: they may run elsewhere by then."""
    jman.submit("sh", "-c", GATED)
    jman.submit("sh", "-c", "echo second >> second")
    process = suspended_execute(jman)
    pid = pid_in(jman.folder / "pid.1")
    done = jman("stop", "--force", "1")
    assert f"(pid {process.pid} on " in done.err and "taken from it" in done.err
    assert not is_alive(pid)
    assert jman.status()[1] == "stopped"
    (jman.folder / "go").touch()
    jman("resubmit", "1")
    jman("--local", "execute", "-j", "1")
    assert jman.status()[1] == "success"
    process.send_signal(signal.SIGCONT)
    assert process.wait(20) == 0, "it goes on with the rest, and all ends well"
    assert "was taken from this jman" in jman.output_of(process)
    assert jman.status() == {1: "success", 2: "success"}
    assert (jman.folder / "ran").read_text() == "begin 1\nbegin 2\nend\n"
    assert (jman.folder / "second").read_text() == "second\n"


def test_what_was_claimed_ahead_and_taken_is_not_started_later(jman: Jman, impatient: None) -> None:
    """The first thing that a process does when it goes on must not be to start what is another's by now."""
    count = 120
    jman.submit("-t", str(count), "sh", "-c", "echo x >> ran.$SGE_TASK_ID; sleep 0.03")
    process = jman.start("--local", "execute", "-p", "2", "--no-progress")
    sql = "SELECT count(*) FROM task WHERE status = 'queued'"
    wait_until(lambda: len(query(jman.database, "SELECT 1 FROM task WHERE status = 'success'")) > 30)
    wait_until(lambda: query(jman.database, sql) > [(2,)], what="some that are claimed ahead of time")
    suspend(jman, process)
    assert query(jman.database, sql) > [(0,)]
    jman("stop", "--force")
    jman("resubmit")
    jman("--local", "execute", "-p", "4")
    assert jman.status() == {1: "success"}
    before = {path.name: path.read_text() for path in jman.folder.glob("ran.*")}
    assert len(before) == count
    process.send_signal(signal.SIGCONT)
    process.wait(20)
    assert {path.name: path.read_text() for path in jman.folder.glob("ran.*")} == before
    assert jman.status() == {1: "success"}


def test_a_success_that_comes_after_the_claim_was_taken_is_not_recorded(jman: Jman, impatient: None) -> None:
    jman.submit("sh", "-c", "while [ ! -e go ]; do sleep 0.02; done")
    process = suspended_execute(jman)
    (jman.folder / "go").touch()
    wait_until(lambda: not [one for one in left_running(jman) if one != process.pid])
    jman("stop", "--force")
    process.send_signal(signal.SIGCONT)
    assert process.wait(20) == 1
    assert "success" not in jman.output_of(process)
    assert jman.status() == {1: "stopped"}


def left_running(jman: Jman) -> list[int]:
    return [one for one in (row[0] for row in query(jman.database, "SELECT pid FROM task")) if is_alive(one)]


def test_a_running_task_that_was_taken_away_is_ended(jman: Jman) -> None:
    """By whatever way: its runner looks whether its claims are still its own, long before the task ends."""
    jman.submit("sh", "-c", GATED)
    process = jman.start("--local", "execute", "--no-progress")
    wait_until(lambda: jman.job()["status"] == "executing")
    pid = pid_in(jman.folder / "pid.1")
    with closing(sqlite3.connect(jman.database)) as connection, connection:
        connection.execute("UPDATE task SET runner = NULL, status = 'stopped', finished_at = 1")
        connection.execute("UPDATE meta SET revision = revision + 1")
    wait_dead(pid)
    assert process.wait(20) == 1
    assert jman.status() == {1: "stopped"}
    assert "was taken from this jman" in jman.output_of(process)


def test_a_runner_that_lives_after_all_goes_on_under_its_own_name(jman: Jman) -> None:
    """Else nobody could release what it claims from then on, once it is killed."""
    jman.submit(
        "-t", "2", "sh", "-c", "touch began.$SGE_TASK_ID; while [ ! -e go.$SGE_TASK_ID ]; do sleep 0.02; done"
    )
    process = jman.start("--local", "execute")
    wait_until((jman.folder / "began.1").exists)
    with closing(sqlite3.connect(jman.database)) as connection, connection:
        connection.execute("DELETE FROM runner")
    (jman.folder / "go.1").touch()
    wait_until(lambda: jman.tasks()[2]["status"] == "executing")
    process.kill()
    process.wait()
    (jman.folder / "go.2").touch()
    assert "was killed" in jman("execute").out
    assert jman.status() == {1: "success"}


def test_stop_force_frees_what_can_not_be_proven(jman: Jman, impatient: None) -> None:
    """A database that was copied from a machine that is no more, with its runner's row."""
    jman.submit("sleep", "1000")
    process = jman.start("--local", "execute")
    kill_execute(jman, process)
    kill_left_in(jman.folder)
    for name in hidden_files(jman.folder):
        (jman.folder / name).unlink()
    with closing(sqlite3.connect(jman.database)) as connection, connection:
        connection.execute("UPDATE runner SET boot = 'another', host = 'another'")
    assert "if it is dead: jman stop --force 1" in jman("list").err
    assert "waits for" not in jman("wait", "--timeout", "0.1", code=124).err
    error = jman("stop", code=3).err
    assert f"the jman execute (pid {process.pid} on another) that runs it does not answer" in error
    assert "jman stop --force 1" in error
    done = jman("stop", "--force")
    assert "can't be seen from here was not ended" in done.err
    assert jman.status() == {1: "stopped"}
    assert jman("list").err == ""
    assert query(jman.database, "SELECT * FROM runner") == []
    jman("delete")
    assert list(jman.folder.iterdir()) == []


def test_a_database_of_an_earlier_version_waits_for_a_word(jman: Jman, impatient: None) -> None:
    """Its runners have no lock, and nobody knows in which pid namespace they were."""
    jman.submit("sleep", "1000")
    process = jman.start("--local", "execute")
    kill_execute(jman, process)
    kill_left_in(jman.folder)
    with closing(sqlite3.connect(jman.database)) as connection, connection:
        connection.execute("UPDATE runner SET namespace = NULL, lock = NULL, tasks_lock = NULL")
    assert "jman stop --force 1" in jman("stop", code=3).err
    jman("stop", "--force")
    assert jman.status() == {1: "stopped"}
