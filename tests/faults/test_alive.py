"""Alive or dead: across pid namespaces, host names, users and a /proc that hides; no task runs twice."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.cli.tools import Jman, is_alive, pid_in, wait_dead, wait_until
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
from tests.faults.tools import driver, kill_left_in, query

EXECUTE = jman_words("--local", "execute", "-p", "4", "--no-progress")
# holds a lock of its own while it runs, and writes down that it began and ended
JOURNAL = """
exec 9> lock.$SGE_TASK_ID
flock -n 9 || { echo "$SGE_TASK_ID runs twice at once" >> twice; exit 9; }
echo begin >> ran.$SGE_TASK_ID
sleep 0.3
echo end >> ran.$SGE_TASK_ID
"""
# runs until there is a file `go`
GATED = 'echo "begin $JMAN_ATTEMPT" >> ran; echo $$ > pid.part; mv pid.part pid.$JMAN_ATTEMPT; '
GATED += "while [ ! -e go ]; do sleep 0.02; done; echo end >> ran"


@pytest.fixture(autouse=True)
def nothing_stays(jman: Jman) -> Iterator[None]:
    yield
    for process in jman.started:
        if process.poll() is None:
            process.kill()
    kill_left_in(jman.folder)


def kill_execute(jman: Jman, process: subprocess.Popen[bytes]) -> None:
    """Kill an execute that has recorded the start of a task."""
    wait_until(lambda: jman.job()["status"] == "executing")
    process.kill()
    process.wait()


# -- where it can't be seen ------------------------------------------------------------------------


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


def open_to_all(jman: Jman, mode: int = 0o777) -> None:
    jman.folder.chmod(mode)
    for folder in jman.folder.parents:
        if folder != Path("/tmp") and folder.is_relative_to("/tmp"):
            folder.chmod(0o755)


HIDING = f"mount -t proc -o hidepid=2 proc /proc && exec {AS_NOBODY} "


def test_what_proc_hides_from_another_user_is_not_dead(jman: Jman) -> None:
    need_namespaces()
    if run_in(jman, ("-m",), HIDING + f"{sys.executable} -c 'import asyncjman'").returncode:
        pytest.skip("another user can't read asyncjman here")
    jman.submit("sh", "-c", GATED)
    open_to_all(jman, 0o755)
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


def test_an_ordinary_user_under_hidepid_has_all_that_others_have(jman: Jman) -> None:
    need_namespaces()
    if run_in(jman, ("-m",), HIDING + f"{sys.executable} -c 'import asyncjman'").returncode:
        pytest.skip("another user can't read asyncjman here")
    open_to_all(jman)

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


# -- locks -----------------------------------------------------------------------------------------


def test_tasks_keep_the_runners_lock_no_longer_than_the_runner(jman: Jman, tmp_path: Path) -> None:
    """Started in the folder of execute or in another: else a killed runner would look alive."""
    program = "import os; n = sorted(os.readlink(f'/proc/self/fd/{f}') for f in os.listdir('/proc/self/fd') if os.path.exists(f'/proc/self/fd/{f}')); print(*n, sep='\\n', file=open(os.environ['TO'], 'w'))"  # noqa: E501
    outs = [tmp_path / name for name in ("here", "elsewhere")]
    for out, folder in zip(outs, (jman.folder, tmp_path), strict=True):
        jman.submit("-s", f"TO={out}", "--exec-dir", str(folder), "-l", "logs", sys.executable, "-c", program)
    jman("execute")
    for out in outs:
        names = out.read_text().splitlines()
        assert [name for name in names if name.endswith(".lock")] == []
        assert len([name for name in names if ".jman-" in name]) == 1, names


def test_nothing_stays_in_the_folder(jman: Jman) -> None:
    jman.submit("true")
    jman("execute")
    assert hidden_files(jman.folder) == []
    jman.submit("sleep", "1000")
    process = jman.start("execute")
    wait_until(lambda: jman.job(2)["status"] == "executing")
    assert len(hidden_files(jman.folder)) == 2
    assert {(jman.folder / name).stat().st_mode & 0o777 for name in hidden_files(jman.folder)} == {0o600}
    process.kill()
    process.wait()
    assert len(hidden_files(jman.folder)) == 2
    jman("delete")
    assert list(jman.folder.iterdir()) == []


def test_what_a_runner_left_that_was_killed_before_it_had_a_row_goes(jman: Jman) -> None:
    jman.submit("true")
    name = query(jman.database, "SELECT token FROM clock")[0][0]
    stray = jman.folder / f".jman-{name}-{'0' * 32}.lock"
    others = jman.folder / f".jman-{'f' * 8}-{'0' * 32}.lock"
    for path in (stray, others):
        path.touch()
    jman("execute")
    assert not stray.exists() and others.exists()
    stray.touch()
    jman("delete")
    assert [path.name for path in jman.folder.iterdir()] == [others.name]


def test_databases_in_one_folder_and_by_a_link(jman: Jman, tmp_path: Path) -> None:
    """Each runner is found by all names that lead to its database, and by no others'."""
    jman("-d", "one.sql3", "--local", "submit", "--", "sleep", "1000")
    link = tmp_path / "link.sql3"
    link.symlink_to(jman.folder / "one.sql3")
    processes = []
    jman("-d", "two.sql3", "--local", "submit", "--", "sleep", "1000")
    for database in (str(link), "two.sql3"):
        processes.append(jman.start("-d", database, "--local", "execute"))
        wait_until(lambda: '"executing"' in jman("-d", database, "list", "--json").out)  # noqa: B023
    assert len(hidden_files(jman.folder)) == 4
    assert hidden_files(tmp_path) == []
    assert jman("-d", "one.sql3", "list").err == ""
    processes[0].kill()
    processes[0].wait()
    assert "was killed" in jman("-d", "one.sql3", "list").err
    assert jman("-d", "two.sql3", "list").err == ""
    jman("-d", "one.sql3", "delete")
    assert len(hidden_files(jman.folder)) == 2
    jman("-d", "two.sql3", "stop")
    assert processes[1].wait(20) == 1


def test_a_process_whose_environment_was_wiped_is_ended_too(jman: Jman) -> None:
    """After a kill -9 nothing else tells that it is a task's: it has the inherited lock file open."""
    jman.submit("sh", "-c", "echo $$ > pid; exec env -i sleep 1000")
    process = jman.start("execute")
    pid = pid_in(jman.folder / "pid")
    kill_execute(jman, process)
    jman("stop")
    assert not is_alive(pid)
    assert jman.status() == {1: "stopped"}


NO_LOCKS = """
import errno, fcntl
def flock(descriptor, kind):
    raise OSError(errno.EOPNOTSUPP, "no locks here")
fcntl.flock = flock
"""


def test_a_file_system_without_locks(jman: Jman) -> None:
    """The number tells, in the same pid namespace; from elsewhere nothing is known, so it may be alive."""
    words = driver(jman.folder, NO_LOCKS)
    jman.submit("sh", "-c", GATED)

    def start() -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [*words, "--local", "execute"], cwd=jman.folder, env=jman.environment(), stdout=subprocess.DEVNULL
        )
        jman.started.append(process)
        return process

    process = start()
    wait_until(lambda: jman.job()["status"] == "executing")
    assert jman("list").err == ""
    if os.geteuid() == 0:
        seen = run_in(jman, PID, " ".join([*words, "list"]))
        assert "executing" in seen.stdout and "if it is dead: jman stop --force 1" in seen.stderr, seen
    process.kill()
    process.wait()
    assert "was killed" in jman("list").err
    jman("stop")
    assert jman.status() == {1: "stopped"}
    jman("delete")
    assert hidden_files(jman.folder) == []


FORKING = """
import asyncio, os, sys, time
from asyncjman import JobManager
async def main():
    async with JobManager(parallel=1) as jm:
        await jm.submit(["sleep", "1000"])
        while not [job for job in await jm.jobs() if job.status == "executing"]:
            await asyncio.sleep(0.05)
        if os.fork() == 0:
            time.sleep(1000)
            os._exit(0)
        print("ready", flush=True)
        await asyncio.sleep(1000)
asyncio.run(main())
"""


def test_a_child_that_the_program_forked_keeps_no_lock(jman: Jman) -> None:
    """multiprocessing does that: the child would make a killed program look alive for its whole life."""
    process = subprocess.Popen(
        [sys.executable, "-c", FORKING],
        cwd=jman.folder,
        env=jman.environment(),
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        process.kill()
        process.wait()
        assert "was killed" in jman("list").err
        jman("stop")
        assert jman.status() == {1: "stopped"}
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


# -- suspended, taken away -------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asyncjman.api.stopping.GRACE_SECONDS", 1.0)
    monkeypatch.setattr("asyncjman.api.stopping.FORCE_SECONDS", 1.0)


def suspend(jman: Jman, process: subprocess.Popen[bytes]) -> None:
    """Suspend a process, but not while it holds the write lock: then nobody can do anything."""

    def is_free() -> bool:
        process.send_signal(signal.SIGSTOP)
        wait_until(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED)
        with closing(sqlite3.connect(jman.database, timeout=0, isolation_level=None)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                process.send_signal(signal.SIGCONT)
                return False
        return True

    wait_until(is_free)


def suspended_execute(jman: Jman) -> subprocess.Popen[bytes]:
    process = jman.start("--local", "execute", "--no-progress")
    wait_until(lambda: jman.job()["status"] == "executing")
    suspend(jman, process)
    return process


def test_a_suspended_execute_is_alive(jman: Jman, impatient: None) -> None:
    jman.submit("sh", "-c", GATED)
    process = suspended_execute(jman)
    assert jman("list").err == ""
    assert "waits for" not in jman("wait", "--timeout", "0.1", code=3).err
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
        connection.execute("UPDATE clock SET revision = revision + 1")
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
    assert "waits for" not in jman("wait", "--timeout", "0.1", code=3).err
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
