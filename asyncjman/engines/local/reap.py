"""Waiting for processes to end, with what they used.

On Linux a pidfd per process tells the event loop (pidfd_open(2)); elsewhere a thread per process
waits. Either way wait4(2) gives exit status and usage, and no signal handler is installed.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass

from asyncjman.model.job import Usage

_PEAK_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, getrusage(2)
_POLL_SECONDS = 0.05
SPARE_DESCRIPTORS = 16
"""What the database, its journal, log files and pipes need beside the running tasks."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended; neither exit status nor signal where that can not be known any more."""

    exit_status: int | None = None
    signal: int | None = None
    usage: Usage | None = None


def watch_process(loop: asyncio.AbstractEventLoop, pid: int, on_end: Callable[[int, Ended], None]) -> None:
    """Call ``on_end(pid, ended)`` in ``loop`` once the process has ended; it is reaped then."""
    if hasattr(os, "pidfd_open"):
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:  # no such system call, or no file descriptor left
            pass
        else:
            if pidfd < most_descriptors():
                loop.add_reader(pidfd, _on_readable, loop, pidfd, pid, on_end)
                return
            os.close(pidfd)
    try:
        threading.Thread(target=_wait_in_thread, args=(loop, pid, on_end), daemon=True).start()
    except RuntimeError:  # as many threads as there may be
        _poll(loop, pid, on_end)


def most_descriptors() -> int:
    """Return the number from which on file descriptors are left to the database and to starts."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_DESCRIPTORS


def _poll(loop: asyncio.AbstractEventLoop, pid: int, on_end: Callable[[int, Ended], None]) -> None:
    try:
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        pass
    else:
        if ended is None:
            loop.call_later(_POLL_SECONDS, _poll, loop, pid, on_end)
            return
    on_end(pid, _reap(pid))


def _on_readable(
    loop: asyncio.AbstractEventLoop, pidfd: int, pid: int, on_end: Callable[[int, Ended], None]
) -> None:
    loop.remove_reader(pidfd)
    os.close(pidfd)
    on_end(pid, _reap(pid))


def _wait_in_thread(loop: asyncio.AbstractEventLoop, pid: int, on_end: Callable[[int, Ended], None]) -> None:
    ended = _reap(pid)
    loop.call_soon_threadsafe(on_end, pid, ended)


def _reap(pid: int) -> Ended:
    try:
        _, status, used = os.wait4(pid, 0)
    except ChildProcessError:
        return Ended()
    return ended_by(status, used.ru_utime + used.ru_stime, used.ru_maxrss)


def ended_by(status: int, cpu_seconds: float, peak: int) -> Ended:
    """Return how a process ended, by what wait4(2) says of it."""
    code = os.waitstatus_to_exitcode(status)
    usage = Usage(cpu_seconds, peak * _PEAK_UNIT)
    return Ended(exit_status=code, usage=usage) if code >= 0 else Ended(signal=-code, usage=usage)
