"""Waiting for processes to end, with what they used.

On Linux a pidfd per process tells of its end (pidfd_open(2)), by one descriptor in the event loop for all of
them (epoll(7)): the loop's own bookkeeping for each would cost more than the rest. Elsewhere a thread per
process waits. Either way wait4(2) gives exit status and usage, and no signal handler is installed.
"""

from __future__ import annotations

import asyncio
import os
import resource
import select
import sys
import threading
from collections.abc import Callable
from typing import NamedTuple

from asyncjman.model.job import Usage

_PEAK_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, getrusage(2)
_POLL_SECONDS = 0.05
SPARE_DESCRIPTORS = 16
"""What the database, its journal, log files and pipes need beside the running tasks."""


class Ended(NamedTuple):
    """How a process ended; neither exit status nor signal where that can not be known any more."""

    exit_status: int | None = None
    signal: int | None = None
    usage: Usage | None = None


OnEnd = Callable[[int, Ended], None]


class Reaper:
    """Waits for the processes of an engine."""

    def __init__(self) -> None:
        self._epoll: select.epoll | None = None
        self._watched: dict[int, tuple[int, OnEnd]] = {}
        """By pidfd: the process, and who is told of its end."""
        self._is_closed = False

    def watch(self, pid: int, on_end: OnEnd) -> None:
        """Call ``on_end(pid, ended)`` in the running loop once the process has ended; it is reaped then."""
        if hasattr(os, "pidfd_open") and self._watch(pid, on_end):
            return
        loop = asyncio.get_running_loop()
        try:
            threading.Thread(target=_wait_in_thread, args=(loop, pid, on_end), daemon=True).start()
        except RuntimeError:  # as many threads as there may be
            _poll(loop, pid, on_end)

    def close(self) -> None:
        """Let go of the descriptor, once what is still watched has ended."""
        self._is_closed = True
        if self._epoll is not None and not self._watched:
            asyncio.get_running_loop().remove_reader(self._epoll)
            self._epoll.close()
            self._epoll = None

    def _watch(self, pid: int, on_end: OnEnd) -> bool:
        """Watch a process by a descriptor; False: it can't be had."""
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:  # no such system call, or no file descriptor left
            return False
        try:
            if pidfd < most_descriptors():
                epoll = self._epoll or self._open()
                # told once: a process that was forked meanwhile may keep a copy of it open
                epoll.register(pidfd, select.EPOLLIN | select.EPOLLONESHOT)
                self._watched[pidfd] = pid, on_end
                return True
        except OSError:  # no descriptor left, or no more of them may be watched
            pass
        os.close(pidfd)
        return False

    def _open(self) -> select.epoll:
        epoll = select.epoll()
        try:
            asyncio.get_running_loop().add_reader(epoll, self._take_in)
        except BaseException:
            epoll.close()
            raise
        self._epoll, self._is_closed = epoll, False
        return epoll

    def _take_in(self) -> None:
        assert self._epoll is not None
        for pidfd, _ in self._epoll.poll(0):
            pid, on_end = self._watched.pop(pidfd)
            os.close(pidfd)
            on_end(pid, _reap(pid))
        if self._is_closed:
            self.close()


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
