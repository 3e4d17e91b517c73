"""Kills a command at a chosen system call: at each one that writes, before it is carried out.

strace(1) counts, and sends SIGKILL; what the command starts (its tasks) is not traced.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.cli.tools import COMMAND, TIMEOUT, Jman
from tests.faults.tools import LONG, SEED

_NAMES = [
    *("write", "writev", "pwrite64", "pwritev", "ftruncate", "truncate", "fallocate"),
    *("fsync", "fdatasync", "sync_file_range", "msync"),
    *("unlink", "unlinkat", "rmdir", "rename", "renameat", "renameat2"),
    *("mkdir", "mkdirat", "mknod", "mknodat", "link", "linkat", "symlink", "symlinkat"),
]
"""What changes something outside of the process; those that a machine has not are left out by strace."""
_ENTRY = re.compile(rb"^(\d+) +(\w+)\(", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Point:
    """The ``number``-th call of a name by one thread, from 1 on."""

    name: str
    number: int

    def __str__(self) -> str:
        return f"{self.name} {self.number}"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended that was to be killed, and what it had printed."""

    killed: bool
    output: str
    code: int


def skip_without_strace() -> None:
    """Skip the test, with a line that says why, where calls can't be injected."""
    if why := _missing():
        pytest.skip(f"kills by system call need strace: {why}")


@cache
def _missing() -> str | None:
    if shutil.which("strace") is None:
        return "it is not installed (apt-get install strace)"
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [*_strace("write", "inject=write:signal=SIGKILL:when=1"), "-o", f"{folder}/trace", "echo", "x"],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )
    if done.returncode in (-9, 137) and not done.stdout:
        return None
    return f"it may not trace, or is too old: {(done.stderr.strip().splitlines() or ['no word'])[-1]}"


def points(jman: Jman, *words: str) -> list[Point]:
    """Run a command to its end; return all calls at which it could have been killed."""
    trace = jman.folder.parent / "trace"
    done = subprocess.run(
        [*_strace(",".join(f"?{name}" for name in _NAMES)), "-o", str(trace), *COMMAND, *words],
        cwd=jman.folder,
        env=jman.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=2 * TIMEOUT,
    )
    assert done.returncode in (0, 1), done
    counts = Counter(_ENTRY.findall(trace.read_bytes()))
    most: dict[str, int] = {}
    for (_, name), count in counts.items():
        most[name.decode()] = max(most.get(name.decode(), 0), count)
    return [Point(name, number) for name, count in most.items() for number in range(1, count + 1)]


def sample(found: list[Point], short: int) -> Iterator[Point]:
    """Yield all points, or in the short form every n-th, so that there are about ``short``.

    Where it begins is chosen at random, and printed.
    """
    stride = 1 if LONG else max(len(found) // short, 1)
    offset = SEED % stride
    print(f"{len(found)} points, every {stride}. from {offset} on (JMAN_SEED={SEED})")
    for point in found[offset::stride]:
        print(point)
        yield point


def kill_at(jman: Jman, point: Point, *words: str) -> Ended:
    """Run a command, and kill it at this call; by chance it may make fewer of them, and end."""
    return _with(jman, point, f"signal=SIGKILL:when={point.number}", words)


def fill_disk_at(jman: Jman, point: Point, *words: str) -> Ended:
    """Run a command; from this call on there is no space on the disk for any of this name."""
    return _with(jman, point, f"error=ENOSPC:when={point.number}+", words)


def _with(jman: Jman, point: Point, fault: str, words: tuple[str, ...]) -> Ended:
    inject = f"inject={point.name}:{fault}"
    done = subprocess.run(
        [*_strace(point.name, inject), "-o", str(jman.folder.parent / "trace"), *COMMAND, *words],
        cwd=jman.folder,
        env=jman.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=2 * TIMEOUT,
    )
    output = done.stdout.decode("utf-8", "surrogateescape")
    assert "Traceback" not in output, output
    return Ended(done.returncode in (-9, 137), output, done.returncode)


class Prepared:
    """A folder as it was prepared, to begin from again and again."""

    def __init__(self, jman: Jman) -> None:
        self._folder = jman.folder
        self._kept = jman.folder.parent / "prepared"
        shutil.copytree(self._folder, self._kept, symlinks=True)

    def restore(self) -> None:
        shutil.rmtree(self._folder)
        shutil.copytree(self._kept, self._folder, symlinks=True)


def _strace(names: str, inject: str | None = None) -> list[str]:
    words = ["strace", "-f", "-qq", "-b", "execve", "-e", "signal=none", "-e", f"trace={names}"]
    return [*words, "-e", inject] if inject else words


def files_in(folder: Path) -> set[str]:
    """Return all that is in a folder, below it too."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}
