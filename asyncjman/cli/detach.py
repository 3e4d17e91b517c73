"""Going on without the terminal: a process of its own session, whose output goes to a file."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from asyncjman.model.paths import detached_output

Ready = Callable[[], None]
"""Tells who waits at the terminal that all is well."""


def detach(database: Path) -> tuple[str, Ready] | int:
    """Split this process in two: one that goes on detached, and one that tells of it and returns at once.

    In the detached one the file that its output goes to is returned, and what to call once it is at work. The
    other one waits for that, and its exit code is returned; where it never comes, what was written is shown.
    """
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        os.close(writing)
        return _wait_at_terminal(reading, pid, output_of(database, pid))
    os.close(reading)
    os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    output = output_of(database, os.getpid())
    _redirect(output)
    return str(output), lambda: _tell(writing)


def output_of(database: Path, pid: int) -> Path:
    """Return the file for the output of a detached execute, beside the database."""
    return Path(detached_output(os.path.realpath(database), pid))


def _redirect(output: Path) -> None:
    # nobody's link is followed: others may write to the folder
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    file = os.open(output, flags, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(nothing)
    os.close(file)


def _tell(writing: int) -> None:
    with suppress(OSError):  # who waited was killed
        os.write(writing, b"1")
    os.close(writing)


def _wait_at_terminal(reading: int, pid: int, output: Path) -> int:
    with os.fdopen(reading, "rb") as pipe:
        if pipe.read(1):
            print(f"jman execute runs detached: pid {pid}, output in {output}")
            return 0
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with suppress(OSError):
        sys.stderr.write(output.read_text("utf-8", "backslashreplace"))
        output.unlink()
    return code if code > 0 else 1
