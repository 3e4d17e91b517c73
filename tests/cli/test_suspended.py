"""Ctrl-Z and SIGSTOP: a suspended process must not keep others from the database, or it is named."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.cli.tools import COMMAND, Jman, wait_until
from tests.faults.tools import driver, kill_left_in

# in the middle of its first transaction a command says so, and waits to be let go on
SLOW_COMMIT = """
import pathlib, sqlite3, time
class Slow(sqlite3.Connection):
    def execute(self, sql, *more):
        if sql == "COMMIT" and not pathlib.Path("inside").exists():
            pathlib.Path("inside").touch()
            while not pathlib.Path("go").exists():
                time.sleep(0.01)
        return super().execute(sql, *more)
true = sqlite3.connect
sqlite3.connect = lambda *words, **more: true(*words, **{**more, "factory": Slow})
"""


@contextmanager
def in_the_foreground(jman: Jman, words: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command as a shell with job control does; another session would not be suspended."""
    with (jman.folder.parent / "slow.out").open("wb") as out:
        process = subprocess.Popen(
            words,
            cwd=jman.folder,
            env=jman.environment(),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        kill_left_in(jman.folder)


def is_suspended(process: subprocess.Popen[bytes]) -> bool:
    return psutil.Process(process.pid).status() == psutil.STATUS_STOPPED


def slow_execute(jman: Jman) -> list[str]:
    return [*driver(jman.folder, SLOW_COMMIT), "--local", "execute", "--no-progress"]


def test_ctrl_z_in_a_transaction_finishes_it_first(jman: Jman) -> None:
    """Else all others fail after 30 seconds."""
    jman.submit("touch", "ran")
    with in_the_foreground(jman, slow_execute(jman)) as process:
        wait_until((jman.folder / "inside").exists)
        process.send_signal(signal.SIGTSTP)
        (jman.folder / "go").touch()
        wait_until(lambda: is_suspended(process), what="its suspension")
        begun = os.times().elapsed
        jman.submit("true")
        assert os.times().elapsed - begun < 10
        assert is_suspended(process)
        process.send_signal(signal.SIGCONT)
        assert process.wait(20) == 0
    assert jman.status() == {1: "success", 2: "success"}
    assert (jman.folder / "ran").exists()


def test_ctrl_z_between_transactions_suspends_at_once_and_again(jman: Jman) -> None:
    jman.submit("sh", "-c", "while [ ! -e end ]; do sleep 0.01; done")
    with in_the_foreground(jman, [*COMMAND, "--local", "execute", "--no-progress"]) as process:
        wait_until(lambda: jman.status() == {1: "executing"})
        for _ in range(3):
            process.send_signal(signal.SIGTSTP)
            wait_until(lambda: is_suspended(process), what="its suspension")
            assert jman.status() == {1: "executing"}
            process.send_signal(signal.SIGCONT)
            wait_until(lambda: not is_suspended(process), what="its going on")
        (jman.folder / "end").touch()
        assert process.wait(20) == 0


def test_the_error_names_the_suspended_process_that_holds_the_lock(jman: Jman, tmp_path: Path) -> None:
    """SIGSTOP can't be put off; without its pid nobody knows whom to wake."""
    jman.submit("true")
    with in_the_foreground(jman, slow_execute(jman)) as process:
        wait_until((jman.folder / "inside").exists)
        process.send_signal(signal.SIGSTOP)
        impatient = "import asyncjman.store.opening\nasyncjman.store.opening.BUSY_SECONDS = 0.5"
        words = [*driver(jman.folder, impatient), "--local", "submit", "true"]
        done = subprocess.run(words, cwd=jman.folder, env=jman.environment(), capture_output=True, text=True)
        assert done.returncode == 3
        assert done.stderr == (
            f"jman: database submitted.sql3: process {process.pid} holds it, and is suspended "
            f"(Ctrl-Z or SIGSTOP): kill -CONT {process.pid} lets it go on; then try again\n"
        )
        (jman.folder / "go").touch()
        process.send_signal(signal.SIGCONT)
        assert process.wait(20) == 0
    assert jman.status() == {1: "success"}


def test_the_error_names_a_process_that_is_only_slow(jman: Jman) -> None:
    jman.submit("true")
    with in_the_foreground(jman, slow_execute(jman)) as process:
        wait_until((jman.folder / "inside").exists)
        impatient = "import asyncjman.store.opening\nasyncjman.store.opening.BUSY_SECONDS = 0.5"
        words = [*driver(jman.folder, impatient), "--local", "submit", "true"]
        done = subprocess.run(words, cwd=jman.folder, env=jman.environment(), capture_output=True, text=True)
        assert done.returncode == 3
        assert f"process {process.pid} has held it for 0 seconds; try again" in done.stderr
