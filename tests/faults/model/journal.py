"""The journal: one file to which tasks and the driver append lines, in the order in which things happened.

A line is one write(2) to a file opened with O_APPEND, so the kernel gives all of them one order. Each has a
moment too (seconds since the machine's start, in hundredths), which only the bound on stale knowledge uses.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

NAME = "journal"


@dataclass(frozen=True, slots=True)
class TaskLine:
    """What a task wrote: begin, end, twice (its lock was held), crowd (no place under the throttle)."""

    at: int
    """Its place in the journal."""
    what: str
    job: int
    task: int
    attempt: int
    execute: int
    """The number of the command that started it."""
    pid: int
    moment: float
    code: int = 0


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What the driver wrote of a command: call, return, signal."""

    at: int
    what: str
    command: int
    moment: float
    value: int = 0
    """The exit code, or the signal's number."""


Line = TaskLine | CommandLine


class Journal:
    """Appends the driver's lines."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def append(self, what: str, command: int, value: int = 0) -> None:
        os.write(self._file, f"{what} {command} {now():.2f} {value}\n".encode())

    def close(self) -> None:
        os.close(self._file)

    def read(self) -> list[Line]:
        return [parse(at, line) for at, line in enumerate(self.path.read_text().splitlines())]


def now() -> float:
    """Return the seconds since the machine's start, as tasks read them from /proc/uptime."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def parse(at: int, line: str) -> Line:
    what, *words = line.split()
    if what in ("call", "return", "signal"):
        command, moment, value = words
        return CommandLine(at, what, int(command), float(moment), int(value))
    job, task, attempt, execute, pid = map(int, words[:5])
    code = int(words[6]) if len(words) > 6 else 0
    return TaskLine(at, what, job, task, attempt, execute, pid, float(words[5]), code)
