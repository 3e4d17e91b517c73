"""Output of tasks that is read slowly, or not at all: only who writes it waits."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator

import psutil
import pytest

from tests.cli.terminal import on_terminal
from tests.cli.tools import COMMAND, Jman, wait_until

# a task that leaves processes on its pipe that write for ever
LEAVES_WRITERS = ("sh", "-c", "echo $$ > started; yes & yes & sleep 0.5")


@pytest.fixture
def unread(jman: Jman) -> Iterator[list[subprocess.Popen[bytes]]]:
    """End what was started; nobody reads its output before."""
    some: list[subprocess.Popen[bytes]] = []
    yield some
    for process in some:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def execute(jman: Jman, *more: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*COMMAND, "--local", "execute", *more],
        cwd=jman.folder,
        env=jman.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def test_others_tasks_go_on_and_an_interrupt_works(jman: Jman, unread: list[subprocess.Popen[bytes]]) -> None:
    jman.submit(*LEAVES_WRITERS)
    jman.submit("yes")
    jman.submit("-x", "1", "-t", "1-5", "-l", "logs", "true")
    unread.append(execute(jman, "-p", "3"))
    wait_until(lambda: jman.status() == {1: "success", 2: "executing", 3: "success"})
    unread[0].send_signal(signal.SIGINT)
    assert unread[0].wait(15) == 130
    assert jman.status()[2] == "stopped"
    assert not [one for one in psutil.process_iter(["cmdline", "cwd"]) if _is_yes_of(one, jman)]


def _is_yes_of(process: psutil.Process, jman: Jman) -> bool:
    found: tuple[object, object] = (process.info["cmdline"], process.info["cwd"])
    return found == (["yes"], str(jman.folder))


def test_a_reader_that_reads_slowly(jman: Jman, unread: list[subprocess.Popen[bytes]]) -> None:
    """It holds up nobody for long: what the task itself wrote is passed on, and what it left is not."""
    jman.submit(*LEAVES_WRITERS)
    unread.append(execute(jman))
    assert unread[0].stdout is not None
    deadline = time.monotonic() + 40
    while piece := os.read(unread[0].stdout.fileno(), 4096):
        last = piece
        assert time.monotonic() < deadline, "it reads what processes write that the task left"
        time.sleep(0.002)  # how slowly it reads: 2 MB a second, while yes writes a thousand times as much
    assert unread[0].wait(30) == 0
    assert b"success" in last
    assert jman.status() == {1: "success"}


def test_all_output_comes_at_last_and_little_waits_in_memory(
    jman: Jman, unread: list[subprocess.Popen[bytes]]
) -> None:
    count, size = 300, 60_000
    jman.submit("-t", str(count), "sh", "-c", f"yes {'x' * 99} | head -c {size}; echo >> ended")
    unread.append(execute(jman, "-p", "4", "--json-lines"))
    # far less than all of them: the rest is not started before there is room
    wait_until(lambda: (jman.folder / "ended").exists() and len(_lines(jman, "ended")) >= 15)
    process = psutil.Process(unread[0].pid)
    wait_until(lambda: not process.children(), what="no task that runs, as nobody reads")
    assert len(_lines(jman, "ended")) < 60
    out, _ = unread[0].communicate(timeout=60)
    assert unread[0].returncode == 0
    assert out.count(b"x" * 99 + b"\n") == count * size // 100
    assert jman.job()["tasks"] == {"success": count}


def _lines(jman: Jman, name: str) -> list[str]:
    return (jman.folder / name).read_text().splitlines()


@pytest.mark.parametrize("more", [[], ["--no-progress"]], ids=["live", "plain"])
def test_a_terminal_that_was_stopped(jman: Jman, more: list[str]) -> None:
    """As Ctrl-S does it: nothing more is taken from the program."""
    jman.submit("yes")
    jman.submit("-l", "logs", "-t", "20", "true")
    terminal = on_terminal(jman, "--local", "execute", "-p", "2", *more)
    wait_until(lambda: jman.status()[2] == "success")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.process.wait(15) == 130
    terminal.finish()
    assert jman.status() == {1: "stopped", 2: "success"}


def test_the_second_interrupt_ends_the_wait_for_a_reader(
    jman: Jman, unread: list[subprocess.Popen[bytes]]
) -> None:
    """All has ended, and only output is left: a signal gives it up."""
    jman.submit("sh", "-c", "yes | head -c 300000")
    unread.append(execute(jman))
    wait_until(lambda: jman.status() == {1: "success"})
    time.sleep(0.3)  # it waits by now; it does anyway
    assert unread[0].poll() is None
    unread[0].send_signal(signal.SIGINT)
    assert unread[0].wait(10) == 130
