"""Texts for people: safe for any terminal, times and sizes in words."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Iterable

from asyncjman.model.job import Job
from asyncjman.model.status import Status

TYPE_CHECKING = False  # the typing module is not loaded for it
if TYPE_CHECKING:
    from typing import TextIO

_COLORS = {
    Status.SUBMITTED: "",
    Status.WAITING: "33",
    Status.QUEUED: "36",
    Status.EXECUTING: "34",
    Status.SUCCESS: "32",
    Status.FAILURE: "31",
    Status.STOPPED: "35",
    Status.SKIPPED: "33",
}
_UNITS = ((86400 * 365, "year", "y"), (86400, "day", "d"), (3600, "hour", "h"), (60, "minute", "m"))


def printable(text: str) -> str:
    """Return ``text`` with control characters, and bytes that are not UTF-8, as escapes.

    >>> printable("a\\x1b[31mb\\n")
    'a\\\\x1b[31mb\\\\n'
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    if 0xDC80 <= ord(char) <= 0xDCFF:  # a byte that is not UTF-8, PEP 383
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode("ascii")


def as_shown(lines: bytes) -> bytes:
    """Return of each line what it ends as on a terminal, where a carriage return begins it anew.

    >>> as_shown(b"\\r10 %\\r20 %\\r\\nthe end\\r\\n")
    b'20 %\\nthe end\\n'
    """
    return b"\n".join(line.rstrip(b"\r").rpartition(b"\r")[2] for line in lines.split(b"\n"))


def command_line(words: Iterable[str]) -> str:
    """Return a command as a shell would take it, in one line."""
    return printable(" ".join(shlex.quote(word) for word in words))


def arguments(job: Job) -> str:
    """Return a job's command; what runs it stands before, after ``-S``."""
    prefix = f"-S {command_line(job.spec.interpreter)} " if job.spec.interpreter else ""
    return prefix + command_line(job.spec.command)


def ago(seconds: float) -> str:
    """Say how long ago in words: ``5 minutes ago``."""
    seconds = max(seconds, 0)
    for size, word, _ in _UNITS:
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {word}{'s' if count != 1 else ''} ago"
    count = int(seconds)
    return f"{count} second{'s' if count != 1 else ''} ago"


def age(seconds: float) -> str:
    """Say how long in two or three characters: ``5m``."""
    seconds = max(seconds, 0)
    for size, _, letter in _UNITS:
        if seconds >= size:
            return f"{int(seconds // size)}{letter}"
    return f"{int(seconds)}s"


def duration(seconds: float) -> str:
    """Write a time span: ``0.03s``, ``12s``, ``3m05s``, ``2h07m``."""
    if seconds < 10:
        return f"{seconds:.2f}s"
    if seconds < 60:
        return f"{seconds:.0f}s"
    if seconds < 3600:
        return f"{int(seconds // 60)}m{int(seconds % 60):02d}s"
    return f"{int(seconds // 3600)}h{int(seconds % 3600 // 60):02d}m"


def size(count: int) -> str:
    """Write a number of bytes: ``3.1 GiB``."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"


def clock(moment: float | None) -> str:
    """Write a time as the local clock shows it."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment)) if moment is not None else ""


def short_clock(moment: float | None, now: float) -> str:
    """Write a time of today without its date, others without their seconds."""
    written, today = clock(moment), clock(now)
    return written[11:] if written[:10] == today[:10] else written[:16]


def short_path(path: str) -> str:
    """Write a path relative to the current folder where it is in it."""
    from pathlib import Path

    try:
        return printable(str(Path(path).relative_to(Path.cwd())))
    except (ValueError, OSError):
        return printable(path)


def task_arguments(job: Job, task_id: int) -> str:
    """Write what tells a task from the others of its job: its parameters, or its line of a command file."""
    parameters = job.spec.parameters(task_id) if task_id else {}
    if not parameters:
        return arguments(job)
    if parameters.keys() == {"command"}:
        return printable(parameters["command"])
    return command_line(f"{name}={value}" for name, value in parameters.items())


def job_line(job: Job, now: float) -> str:
    """Write a job in one line: ``1 @local (0 seconds ago) -S /usr/bin/python3 myscript.py``.

    A job on a cluster is known by its number there.
    """
    number, when = job.native_id or job.id, ago(now - job.submitted_at)
    return f"{number} @{printable(job.spec.queue)} ({when}) {arguments(job)}"


def is_screen() -> bool:
    """Tell whether standard output is a terminal on which lines can be redrawn."""
    return sys.stdout.isatty() and os.environ.get("TERM") not in ("dumb", "", None)


def use_color(stream: TextIO | None = None) -> bool:
    """Tell whether a stream, standard output by default, is to have colours: all output goes by this.

    NO_COLOR (https://no-color.org) says no, else FORCE_COLOR (https://force-color.org) yes, where they are
    not empty; else a terminal has some.
    """
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return (stream or sys.stdout).isatty() and os.environ.get("TERM") != "dumb"


def colored(text: str, status: Status) -> str:
    """Return ``text`` in the colour of a status."""
    return f"\x1b[{_COLORS[status]}m{text}\x1b[0m" if _COLORS[status] else text
