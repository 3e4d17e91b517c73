"""Output that nobody reads, or that can't be written: the work goes on, and so does the exit code."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.tools import COMMAND, Jman

MUCH = 3000  # tasks: their list is longer than a pipe and all buffers


@contextlib.contextmanager
def broken_pipe() -> Iterator[int]:
    """Give the writing end of a pipe whose reading end is closed."""
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


def run(jman: Jman, *words: str, stdout: int, stderr: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *words],
        cwd=jman.folder,
        env=jman.environment(),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        text=True,
        timeout=60,
    )


def read_lines(jman: Jman, count: int, *words: str) -> tuple[int, str]:
    """Read some lines and leave, as head(1) does; return the exit code and what was on standard error."""
    process = jman.piped(*words)
    assert process.stdout is not None and process.stderr is not None
    for _ in range(count):
        assert process.stdout.readline()
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    return process.wait(60), errors


def side_files(jman: Jman) -> list[str]:
    return [path.name for path in jman.folder.glob("submitted.sql3-*")]


@pytest.mark.parametrize(
    "words",
    [["list", "-a"], ["list", "-a", "--json"], ["report"], ["report", "--json"], ["report", "-f"]],
    ids=" ".join,
)
def test_readers_end_when_their_reader_left(jman: Jman, words: list[str]) -> None:
    jman.submit("-t", str(MUCH), "-l", "logs", "true")
    jman.submit("-l", "logs", "seq", str(10 * MUCH))
    jman("execute", "-j", "2")
    jman("stop", "1", "-a", f"1-{MUCH}")
    assert read_lines(jman, 1, *words) == (0, "")
    assert side_files(jman) == []


@pytest.mark.parametrize("more", [[], ["--json-lines"], ["--no-log-files"]], ids=["plain", "json", "no logs"])
@pytest.mark.parametrize("failing", [False, True], ids=["all succeed", "one fails"])
def test_execute_goes_on(jman: Jman, more: list[str], failing: bool) -> None:
    command = "echo $SGE_TASK_ID; [ $SGE_TASK_ID != 20 ]" if failing else "echo $SGE_TASK_ID"
    jman.submit("-t", "40", "-l", "logs", "sh", "-c", command)
    code, errors = read_lines(jman, 2, "--local", "execute", *more)
    assert (code, errors.startswith("left: 1 failed")) == (int(failing), failing)
    assert jman.job()["tasks"] == ({"success": 39, "failure": 1} if failing else {"success": 40})


def test_execute_goes_on_though_nobody_reads_errors(jman: Jman) -> None:
    jman.submit("-t", "40", "sh", "-c", "echo $SGE_TASK_ID >&2")
    with broken_pipe() as nobody:
        done = run(jman, "--local", "execute", stdout=subprocess.DEVNULL, stderr=nobody)
    assert done.returncode == 0
    assert jman.job()["tasks"] == {"success": 40}


def test_delete_goes_on(jman: Jman) -> None:
    jman.submit("-t", str(MUCH), "-l", "logs", "true")
    jman("execute", "-p", "8")
    jman.submit("true")
    assert read_lines(jman, 1, "delete") == (0, "")
    assert list(jman.folder.iterdir()) == []


@pytest.mark.parametrize("words, code", [
    (["submit", "true"], 0),
    (["submit", "--json", "true"], 0),
    (["execute"], 1),
    (["list"], 0),
    (["list", "99"], 2),
    (["report", "1"], 0),
    (["why"], 0),
    (["wait", "2"], 1),
    (["stop"], 0),
    (["resubmit"], 0),
    (["delete"], 0),
    (["--help"], 0),
    (["list", "--help"], 0),
    (["list", "--bad"], 2),
    (["--version"], 0),
], ids=str)  # fmt: skip
@pytest.mark.parametrize("which", ["stdout", "stderr", "both"])
def test_the_exit_code_is_that_of_the_work(jman: Jman, words: list[str], code: int, which: str) -> None:
    jman.submit("-l", "logs", "echo", "x")
    jman.submit("-l", "logs", "false")
    if words != ["execute"]:
        jman("execute", "-j", "2", code=1)
    with broken_pipe() as nobody:
        done = run(
            jman,
            "--local",
            *words,
            stdout=nobody if which != "stderr" else subprocess.PIPE,
            stderr=nobody if which != "stdout" else subprocess.PIPE,
        )
    assert done.returncode == code
    assert "Traceback" not in (done.stderr or "")
    if code in (0, 1) and which == "stdout":
        assert "rror" not in done.stderr
    after = {"submit": 3, "delete": 0}.get(words[0], 2)
    assert len(jman.list()) == after
    if words[0] == "resubmit":
        assert jman.status()[2] == "submitted"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    "words", [["submit", "true"], ["list"], ["execute"], ["resubmit", "-s"], ["delete"]], ids=" ".join
)
def test_output_that_can_not_be_written(jman: Jman, words: list[str]) -> None:
    """The work is done, and one line tells that its output is lost."""
    jman.submit("-t", "3", "true")
    with Path("/dev/full").open("w") as full:
        done = run(jman, "--local", *words, stdout=full.fileno(), stderr=subprocess.PIPE)
    assert done.returncode == 3
    assert done.stderr == "jman: can't write standard output: No space left on device\n"
    states = {"submit": 2, "delete": 0}.get(words[0], 1)
    assert len(jman.list()) == states
    if words[0] == "execute":
        assert jman.job()["tasks"] == {"success": 3}


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_were_closed_from_the_start(jman: Jman, closed: str) -> None:
    """No file of ours, nor a task's, gets their numbers."""
    look = 'ls -l /proc/self/fd > fds; echo "out$SGE_TASK_ID"; echo err >&2'
    for words in (
        [*COMMAND, "--local", "submit", "-l", "logs", "sh", "-c", look],
        [*COMMAND, "-l", "execute"],
    ):
        done = subprocess.run(
            ["sh", "-c", f'exec "$@" {closed}', "sh", *words],
            cwd=jman.folder,
            env=jman.environment(),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, "")
    assert jman.status() == {1: "success"}
    assert "sql3" not in (jman.folder / "fds").read_text()
    assert (jman.folder / "logs" / "sh.e1").read_text() == "err\n"


def test_a_pipe_that_does_not_block(jman: Jman) -> None:
    """Another program that has it too may have set it so; a full one is waited for."""
    jman.submit("-l", "logs", "seq", str(10 * MUCH))
    jman("execute")
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with os.fdopen(reading) as stream:
        process = subprocess.Popen(
            [*COMMAND, "report"], cwd=jman.folder, env=jman.environment(), stdout=writing
        )
        os.close(writing)
        lines = stream.read().splitlines()
    assert process.wait(60) == 0
    assert [line for line in lines if line.isdigit()] == [str(one) for one in range(1, 10 * MUCH + 1)]
