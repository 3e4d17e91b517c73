"""Processes that take several tasks of a function job, one after the other.

Each is forked from the template for its first task, and says by a socket of its own how a task ended: its
result is there by then. One that dies, or is ended, takes down the task that it runs, and no other.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import socket
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from asyncjman import template, worker
from asyncjman.engines.local.forks import Forks, NoTemplate, message_of, tell_start
from asyncjman.engines.local.reap import Ended, ended_by
from asyncjman.engines.local.spawn import Command, Streams

_IDLE_SECONDS = 10.0
_CLOSE_SECONDS = 5.0


@dataclass(slots=True, eq=False)
class _Task:
    number: int
    started: asyncio.Future[int]
    on_start: Callable[[int], None]
    on_end: Callable[[int, Ended], None]


@dataclass(slots=True, eq=False)
class _Worker:
    """A process; ``task`` is what it was asked to run last, None while it is idle."""

    folder: str
    channel: socket.socket
    task: _Task | None = None
    pid: int = 0
    is_retired: bool = False
    leaves: asyncio.TimerHandle | None = None
    gone: asyncio.Event = field(default_factory=asyncio.Event)


class Warm:
    """The processes of an engine that wait for more tasks."""

    def __init__(self, forks: Forks) -> None:
        self._forks = forks
        self._numbers = itertools.count(1)
        self._workers: dict[int, _Worker] = {}
        self._idle: dict[str, list[_Worker]] = defaultdict(list)

    def ask(
        self,
        command: Command,
        streams: Streams,
        variables: Mapping[str, str],
        inherited: Sequence[int],
        *,
        on_start: Callable[[int], None],
        on_end: Callable[[int, Ended], None],
    ) -> asyncio.Future[int]:
        """Have a task run by an idle process of its job, or by a new one. As ``Forks.ask``."""
        folder = command.argv[len(worker.COMMAND)]
        if (idle := self._take(folder)) is not None:
            number = next(self._numbers)
            message, descriptors = message_of(number, command, streams, variables, is_warm=True)
            with suppress(OSError):  # it is gone: another one then
                socket.send_fds(idle.channel, [message], descriptors)
                started = asyncio.get_running_loop().create_future()
                idle.task = _Task(number, started, on_start, on_end)
                return started
            self._retire(idle)
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        new = _Worker(folder, ours)
        try:
            with its:
                first = self._forks.ask(
                    command,
                    streams,
                    variables,
                    inherited,
                    channel=its.fileno(),
                    on_start=lambda pid: self._begin(new, pid, on_start, on_end),
                    on_end=lambda pid, ended: self._end(new, ended),
                )
        except NoTemplate:
            ours.close()
            raise
        first.add_done_callback(lambda first: self._retire(new) if first.exception() else None)
        return first

    def retire(self, pid: int) -> None:
        """Give no more tasks to a process: what it runs is being ended."""
        if found := self._workers.get(pid):
            found.is_retired = True

    async def close(self) -> None:
        """End all processes, after the tasks that they run."""
        for one in list(self._workers.values()):
            self._retire(one)
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await one.gone.wait()
            if not one.gone.is_set():  # until its end is known here, nobody else has its number
                os.kill(one.pid, signal.SIGKILL)
                await one.gone.wait()

    def _take(self, folder: str) -> _Worker | None:
        while idle := self._idle.get(folder):
            found = idle.pop()
            if found.leaves is not None:
                found.leaves.cancel()
            if not found.is_retired:
                return found
        return None

    def _begin(
        self,
        new: _Worker,
        pid: int,
        on_start: Callable[[int], None],
        on_end: Callable[[int, Ended], None],
    ) -> None:
        loop = asyncio.get_running_loop()
        new.pid = pid
        self._workers[pid] = new
        started = loop.create_future()
        started.set_result(pid)
        new.task = _Task(0, started, on_start, on_end)
        try:
            loop.add_reader(new.channel, self._read, new)
        except OSError:  # no more of them may be watched: it runs this task alone
            self._retire(new)
        on_start(pid)

    def _read(self, one: _Worker) -> None:
        """Take in what a process says of its tasks."""
        while one.channel.fileno() >= 0:
            try:
                kind, (_, *numbers) = template.heard(one.channel.recv(template.MOST_SAID))
            except BlockingIOError:
                return
            except (OSError, ValueError):  # its end: there is nothing to read, or what is not of it
                return self._retire(one)
            task = one.task
            if task is None:
                continue
            if kind == template.STARTED:
                tell_start(task.started, task.on_start, one.pid)
                continue
            one.task = None
            status, microseconds, peak = numbers
            if status in template.REUSED and not one.is_retired:
                self._idle[one.folder].append(one)
                one.leaves = asyncio.get_running_loop().call_later(_IDLE_SECONDS, self._retire, one)
            task.on_end(one.pid, ended_by(status << 8, microseconds / 1e6, peak))
        return None

    def _retire(self, one: _Worker) -> None:
        """Have a process end after what it runs, if it lives; what comes of that its end tells."""
        one.is_retired = True
        if one.channel.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(one.channel)
            one.channel.close()

    def _end(self, one: _Worker, ended: Ended) -> None:
        """Take in the end of a process, and with it that of the task that it ran."""
        self._read(one)  # what it said before
        self._retire(one)
        self._workers.pop(one.pid, None)
        one.gone.set()
        task, one.task = one.task, None
        if task is None:
            return
        if task.started.done():
            task.on_end(one.pid, ended)
        else:  # it has not run
            task.started.set_exception(NoTemplate())
            task.started.exception()  # who asked for it may not wait any more
