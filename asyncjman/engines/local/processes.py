"""The processes of tasks, whatever session they are in: found by the marks that they carry.

A process that called setsid(2) is in no group of its task any more, but it has its environment; where that
was wiped, it may still have the lock file open that it inherited. What is signalled carries a mark in the
moment of the signal: a number alone may be another process's by then.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from asyncjman import procfs
from asyncjman.procfs import ENDED, ON_LINUX, has_own_numbers

RUNNER_VARIABLE = "JMAN_RUNNER"
"""The variable that holds the token of the runner that started a process."""

TASK_VARIABLE = "JMAN_TASK"
"""The variable that says for which attempt: see `task_mark`."""

_TOKEN = re.compile("[0-9a-f]{32}")
# psutil is imported where it is needed: to load it takes an execute 10 ms at its start


def is_token(text: object) -> bool:
    """Tell whether this is a runner's token: an empty one would be carried by everybody."""
    return isinstance(text, str) and _TOKEN.fullmatch(text) is not None


def task_mark(job_id: int, task_id: int, attempt: int) -> str:
    """Return the mark of the processes of one attempt at a task: ``3.7.1``."""
    return f"{job_id}.{task_id}.{attempt}"


class Marked(NamedTuple):
    """A process that a runner started, directly or not."""

    pid: int
    started: float
    """In seconds since the start of the machine; where that can't be known, since 1970."""
    token: str
    task: str
    """The mark of its task; empty where it carries none."""
    lock: str | None = None
    """The lock file by which it would be known, too, as DEVICE:INODE."""

    def is_running(self) -> bool:
        """Tell whether it has not ended; a zombie has."""
        if not ON_LINUX:
            import psutil

            with suppress(psutil.Error):
                process = psutil.Process(self.pid)
                return process.create_time() == self.started and process.status() != psutil.STATUS_ZOMBIE
            return False
        found = procfs.stat_of(f"/proc/{self.pid}")
        return found is not None and found.started == self.started and found.state not in ENDED

    def send(self, number: int) -> None:
        """Send a signal, if this is still the process that was found, with its mark."""
        if not ON_LINUX:
            import psutil

            with suppress(psutil.Error):
                if _found(self.pid, self.token, None) == self:
                    os.kill(self.pid, number)
            return
        with suppress(OSError):
            folder = os.open(f"/proc/{self.pid}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                if _found_in(f"/proc/self/fd/{folder}", self.pid, self.token, self.lock) == self:
                    _send(folder, self.pid, number)
            finally:
                os.close(folder)


def marked(token: str, since: float | None = None, lock: str | None = None) -> list[Marked]:
    """Return what runs of what a runner started, ``since`` then at the earliest (as ``Marked.started``).

    ``lock``: the file, as DEVICE:INODE, that tasks of this runner inherit, and no other process ever writes.
    """
    if not is_token(token):
        return []
    found = (_found(pid, token, lock) for pid in _pids())
    return [one for one in found if one is not None and (since is None or one.started >= since)]


def living(groups: Collection[int]) -> set[int]:
    """Return those of some process groups in which something runs; all of them where that can't be seen.

    A zombie does not run. It stays in its group until its parent fetches its end: process 1 of a container
    may never do that.
    """
    if not groups or not ON_LINUX or not has_own_numbers():
        return set(groups)
    seen = (procfs.stat_of(f"/proc/{pid}") for pid in _pids())
    return {one.group for one in seen if one is not None and one.state not in ENDED} & set(groups)


def _pids() -> Iterator[int]:
    with suppress(OSError):
        if not ON_LINUX:
            import psutil

            yield from psutil.pids()
            return
        yield from map(int, filter(str.isdecimal, os.listdir("/proc")))  # noqa: PTH208 - names are all it takes


def _found(pid: int, token: str, lock: str | None) -> Marked | None:
    if ON_LINUX:
        return _found_in(f"/proc/{pid}", pid, token, lock)
    import psutil

    with suppress(psutil.Error, OSError):
        process = psutil.Process(pid)
        if (environment := process.environ()).get(RUNNER_VARIABLE) == token:
            return Marked(pid, process.create_time(), token, environment.get(TASK_VARIABLE, ""))
    return None


def _found_in(folder: str, pid: int, token: str, lock: str | None) -> Marked | None:
    """Return the process with this folder of /proc, if it carries a mark. Source: proc(5)."""
    try:
        environment = b"\0" + Path(f"{folder}/environ").read_bytes() + b"\0"
    except OSError:  # it ended, or is another user's
        return None
    if f"\0{RUNNER_VARIABLE}={token}\0".encode() in environment:
        task = environment.partition(f"\0{TASK_VARIABLE}=".encode())[2].partition(b"\0")[0]
    elif lock is not None and _writes(folder, lock):
        task = b""
    else:
        return None
    seen = procfs.stat_of(folder)
    if seen is None or seen.state in ENDED:
        return None
    return Marked(pid, seen.started, token, task.decode("utf-8", "replace"), lock)


def _writes(folder: str, lock: str) -> bool:
    """Tell whether a process has a file open to write it; who only checks a lock reads it."""
    with suppress(OSError):
        for number in os.listdir(f"{folder}/fd"):  # noqa: PTH208
            with suppress(OSError):
                found = os.stat(f"{folder}/fd/{number}")  # noqa: PTH116
                if f"{found.st_dev}:{found.st_ino}" == lock:
                    flags = Path(f"{folder}/fdinfo/{number}").read_bytes().partition(b"flags:")[2].split()[0]
                    return int(flags, 8) & os.O_ACCMODE == os.O_RDWR
    return False


def _send(folder: int, pid: int, number: int) -> None:
    """Send a signal to the process of an open folder of /proc (pidfd_send_signal(2))."""
    try:
        signal.pidfd_send_signal(folder, number)
    except ProcessLookupError:
        pass
    except OSError:
        # no such system call; numbers of another namespace's /proc mean other processes here
        if has_own_numbers():
            os.kill(pid, number)
