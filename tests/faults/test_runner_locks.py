"""The lock files of a runner: who holds them, how long, and what becomes of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.tools import Jman, is_alive, pid_in, wait_until
from tests.faults.executing import GATED, kill_execute
from tests.faults.namespaces import PID, hidden_files, run_in
from tests.faults.tools import driver, query

pytestmark = pytest.mark.usefixtures("nothing_started_stays")


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
    name = query(jman.database, "SELECT token FROM meta")[0][0]
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
