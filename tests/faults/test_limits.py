"""Full disks, no permission, limits: one clear line, and what can go on goes on."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.tools import Jman, wait_until
from tests.faults.tools import assert_one_line, assert_sound, driver, left_in, query

QUICK = "import asyncjman.scheduler.recorder as r; r.RETRY_SECONDS = 0.02"
NOBODY = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]


@pytest.fixture
def nobody(jman: Jman, open_to_all: None) -> list[str]:
    """Return the words that another user runs ``jman`` with, in a folder where it may write."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root and setpriv, to become another user")
    words = [*NOBODY, *driver(jman.folder, "")]
    probe = [*words, "--version"]
    if subprocess.run(probe, capture_output=True, cwd=jman.folder, env=jman.environment()).returncode:
        pytest.skip("another user can't read this Python")
    return words


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB: a write-ahead log alone may have 4."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "none", str(folder)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"can't mount a tmpfs here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Write a file until the disk is full."""
    path = folder / "filling"
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass
    return path


def execute(jman: Jman, words: list[str], *more: str, timeout: float = 30) -> tuple[int, str]:
    done = subprocess.run(
        [*words, "--local", "execute", "--no-progress", *more],
        cwd=jman.folder,
        env=jman.environment(),
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout + done.stderr


def limited(limit: str, words: list[str]) -> list[str]:
    return ["sh", "-c", f'ulimit {limit}; exec "$@"', "sh", *words]


def test_database_on_a_full_disk(small: Path, jman: Jman) -> None:
    """What was recorded is kept; once there is room again, the rest runs."""
    there = Jman(small)
    there(
        "--local", "submit", "-t", "1-12", "--", "sh", "-c", '[ $SGE_TASK_ID -lt 3 ] || cat "$0"', str(small)
    )
    there("--local", "submit", "-t", "1-2000", "--", "sleep", "0.02")
    words = driver(jman.folder, QUICK)
    process = subprocess.Popen(
        [*words, "--local", "execute", "-p", "4", "--no-progress"],
        cwd=small,
        env=there.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    sql = "SELECT count(*) FROM task WHERE status = 'success'"
    wait_until(lambda: query(there.database, sql)[0][0] > 10)
    filling = fill(small)
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 3
    assert_one_line(output)
    assert "disk" in output.splitlines()[-1]
    assert not left_in(small)
    filling.unlink()
    assert_sound(there.database)
    kept = query(there.database, sql)[0][0]
    assert 10 < kept < 2002
    there("--local", "stop")
    assert set(there.status().values()) <= {"stopped", "failure"}


def test_database_on_a_disk_that_is_full_for_a_moment(small: Path) -> None:
    there = Jman(small)
    there("--local", "submit", "-t", "1-200", "--", "sleep", "0.02")
    process = there.start("--local", "execute", "-p", "4", "--no-progress")
    sql = "SELECT count(*) FROM task WHERE status = 'success'"
    wait_until(lambda: query(there.database, sql)[0][0] > 10)
    filling = fill(small)
    time.sleep(0.5)  # how long it is full, not how long to wait for something
    filling.unlink()
    assert process.wait(30) == 0, there.output_of(process)
    assert there.status() == {1: "success"}
    assert_sound(there.database)


def test_logs_on_a_full_disk(small: Path, jman: Jman) -> None:
    jman("--local", "submit", "--log-dir", str(small), "--", "head", "-c", "10000000", "/dev/zero")
    jman("--local", "submit", "--", "true")
    assert execute(jman, ["jman"] if shutil.which("jman") else driver(jman.folder, ""))[0] == 1
    assert jman.status() == {1: "failure", 2: "success"}


@pytest.mark.parametrize("more", [[], ["--no-log-files"]])
def test_few_file_descriptors(jman: Jman, more: list[str]) -> None:
    jman("--local", "submit", "--log-dir", "logs", "-t", "1-120", "--", "sleep", "0.1")
    code, output = execute(jman, limited("-n 64", driver(jman.folder, "")), "-p", "50", *more)
    assert code == 0, output
    assert jman.status() == {1: "success"}
    assert len(query(jman.database, "SELECT 1 FROM attempt")) == 0


def test_few_processes(jman: Jman, nobody: list[str]) -> None:
    """The limit holds for a user who isn't root: tasks wait for others' ends instead of failing."""
    submit = [*nobody, "--local", "submit", "-t", "1-60", "--", "sleep", "0.1"]
    subprocess.run(submit, cwd=jman.folder, env=jman.environment(), check=True, capture_output=True)
    code, output = execute(jman, limited("-u 24", nobody), "-p", "50")
    assert code == 0, output
    assert jman.status() == {1: "success"}


@pytest.mark.parametrize("what", ["database", "logs"])
def test_read_only_folder(jman: Jman, nobody: list[str], what: str) -> None:
    submit = [*nobody, "--local", "submit", "--log-dir", "logs", "--", "true"]
    if what == "database":
        jman.folder.chmod(0o555)
        done = subprocess.run(submit, cwd=jman.folder, env=jman.environment(), capture_output=True, text=True)
        assert done.returncode == 3
        assert_one_line(done.stderr)
        assert "Permission denied" in done.stderr
        return
    (jman.folder / "logs").mkdir(0o555)
    subprocess.run(submit, cwd=jman.folder, env=jman.environment(), check=True, capture_output=True)
    code, output = execute(jman, nobody)
    assert code == 1
    assert "can't write the log" in output
    assert jman.status() == {1: "failure"}


def test_removed_working_folder(jman: Jman) -> None:
    gone = jman.folder / "gone"
    gone.mkdir()
    jman("--local", "submit", "-t", "1-3", "--exec-dir", str(gone), "--", "true")
    jman("--local", "submit", "--", "true")
    gone.rmdir()
    assert execute(jman, driver(jman.folder, ""))[0] == 1
    assert jman.status() == {1: "failure", 2: "success"}
    assert "folder missing" in jman.tasks()[1]["reason"]


def test_removed_database(jman: Jman) -> None:
    jman("--local", "submit", "-t", "1-200", "--", "sh", "-c", "touch ran.$SGE_TASK_ID; sleep 0.1")
    process = jman.start("--local", "execute", "-p", "2", "--no-progress")
    wait_until(lambda: list(jman.folder.glob("ran.*")))
    for path in jman.folder.glob("submitted.sql3*"):
        path.unlink()
    assert process.wait(20) == 3, jman.output_of(process)
    assert_one_line(jman.output_of(process))
    assert "deleted while its jobs ran" in jman.output_of(process)
    assert not jman.database.exists()
    assert not left_in(jman.folder)


def test_a_pipe_in_place_of_a_log_does_not_hang(jman: Jman) -> None:
    (jman.folder / "logs").mkdir()
    os.mkfifo(jman.folder / "logs" / "true.o1", stat.S_IRUSR | stat.S_IWUSR)
    jman("--local", "submit", "--log-dir", "logs", "--", "true")
    jman.start("--local", "execute", "--no-progress")
    wait_until(lambda: jman.status() == {1: "failure"})
    assert "not a regular file" in query(jman.database, "SELECT reason FROM task")[0][0]


def test_a_database_that_is_a_link_to_nothing(jman: Jman) -> None:
    jman.database.symlink_to("nowhere")
    result = jman.fresh("--local", "submit", "--", "true", code=3)
    assert "symbolic link to nothing" in result.err
    assert not (jman.folder / "nowhere").exists()


def test_a_killed_execute_that_nobody_waited_for(jman: Jman) -> None:
    """A zombie isn't alive: in a container its parent may never look at it."""
    jman("--local", "submit", "--", "sleep", "60")
    process = jman.start("--local", "execute", "--no-progress")
    wait_until(lambda: left_in(jman.folder))
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, and still a zombie
    jman("--local", "stop")
    assert jman.status() == {1: "stopped"}
    assert not left_in(jman.folder)
