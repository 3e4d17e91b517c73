"""Processes of function jobs, forked from a template: an interpreter need not start for each of them.

The template (``asyncjman/template.py``) is a process of its own, started by the second function that runs
here; until it is ready, and once it is gone, they are started like all others. What was asked of a template
that died has not run: a forked process runs its task only after it has said that it is there.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import pickle
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from asyncjman import template, worker
from asyncjman.engines.local.processes import RUNNER_VARIABLE, TASK_VARIABLE
from asyncjman.engines.local.reap import Ended, ended_by, most_descriptors
from asyncjman.engines.local.spawn import Command, Streams

_MARKS = (RUNNER_VARIABLE, TASK_VARIABLE)
_AT_START = ("PYTHON", "LD_", "LC_", "LANG", "TZ", "HOME", "MALLOC_", "GLIBC_")
"""What the names of variables begin with that are read when a process starts."""
_SINGLE = 1
"""So many functions run before it is worth to start a template."""
_POLL_SECONDS = 0.05
_CLOSE_SECONDS = 5.0


def is_ours(argv: Sequence[str]) -> bool:
    """Tell whether a command runs a function by this very Python."""
    return worker.is_function(argv) and tuple(argv[: len(worker.COMMAND)]) == worker.COMMAND


def message_of(
    number: int, command: Command, streams: Streams, variables: Mapping[str, str], *, is_warm: bool
) -> tuple[bytes, list[int]]:
    """Return what a task is asked for with, and the descriptors that go with it. Raises NoTemplate."""
    both = (streams.stdout, streams.stderr)
    logs = tuple(one for one in both if isinstance(one, str))
    folder = command.argv[len(worker.COMMAND)]
    fork = template.Fork(number, folder, command.exec_dir, logs, dict(variables), is_warm=is_warm)
    message = pickle.dumps(fork)
    if len(message) > template.MOST_BYTES:
        raise NoTemplate
    return message, [one for one in both if isinstance(one, int)]


class NoTemplate(Exception):
    """A process can't be forked: it is to be started in another way."""


@dataclass(slots=True, eq=False)
class _Asked:
    """A fork that was asked for."""

    started: asyncio.Future[int]
    on_start: Callable[[int], None]
    on_end: Callable[[int, Ended], None]
    has_started: bool = False


class Forks:
    """The template of an engine, and what was forked from it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """``environment`` is that of all tasks."""
        self._environment = environment
        self._functions = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._engine: socket.socket | None = None
        self._is_ready = False
        self._numbers = itertools.count(1)
        self._asked: dict[int, _Asked] = {}
        """What was asked for, by number, and has not ended."""
        self._pids: dict[int, int] = {}
        """Their numbers, by pid."""
        self._watched: dict[int, int | None] = {}
        """Their pidfds, by pid."""

    def can_run(self, argv: Sequence[str], environment: Mapping[str, str]) -> bool:
        """Tell whether a command can be forked now; from the second function on a template is made for that.

        ``environment`` has the variables that its user set.
        """
        if not is_ours(argv) or any(name.startswith(_AT_START) for name in environment):
            return False
        self._functions += 1
        if self._process is None and self._functions > _SINGLE and hasattr(os, "pidfd_open"):
            self._start()
        return self._is_ready

    def _start(self) -> None:
        self._loop = asyncio.get_running_loop()
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        room = dict.fromkeys(_MARKS, "-" * template.MARK_BYTES)
        with its:
            try:
                self._process = subprocess.Popen(
                    [*template.COMMAND, str(its.fileno()), *_MARKS],
                    env={**self._environment, **room},
                    pass_fds=[its.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            except OSError:  # another time
                ours.close()
                return
        ours.setblocking(False)
        self._engine = ours
        self._loop.add_reader(ours, self._read)

    def ask(
        self,
        command: Command,
        streams: Streams,
        variables: Mapping[str, str],
        inherited: Sequence[int],
        *,
        channel: int | None = None,
        on_start: Callable[[int], None],
        on_end: Callable[[int, Ended], None],
    ) -> asyncio.Future[int]:
        """Have a process forked for a function job; its pid is also its process group.

        By the socket ``channel`` it takes more tasks afterwards.
        It opens its logs itself: the loop does not wait for the disk. ``on_start`` is called as soon as it is
        known to run, before the future has its pid, or what that raises. Raises NoTemplate, here or in the
        future, where it does not run, and is to be started in another way.
        """
        if self._engine is None:
            raise NoTemplate
        number = next(self._numbers)
        is_warm = channel is not None
        message, descriptors = message_of(number, command, streams, variables, is_warm=is_warm)
        descriptors += [*inherited, *([] if channel is None else [channel])]
        try:
            socket.send_fds(self._engine, [message], descriptors)
        except OSError as error:  # it is too slow, or gone
            raise NoTemplate from error
        asked = self._asked[number] = _Asked(self._loop.create_future(), on_start, on_end)
        return asked.started

    async def close(self) -> None:
        """End the template, after all that was forked from it."""
        if self._engine is not None:
            self._lose()
        if self._process is not None:
            process, self._process = self._process, None
            await asyncio.to_thread(_end, process)

    # -- what the template says ----------------------------------------------------------------------------

    def _read(self) -> None:
        while self._engine is not None:
            try:
                data = self._engine.recv(template.MOST_SAID)
            except BlockingIOError:
                return
            except ConnectionResetError:
                continue  # it is told once, before what was said
            if not data:
                return self._lose()
            self._take_in(*template.heard(data))

    def _take_in(self, kind: bytes, numbers: list[int]) -> None:
        if kind == template.READY:
            self._is_ready = True
        elif kind == template.FORKED:
            self._watch(numbers[0], numbers[1])
        elif kind == template.STARTED:
            self._watch(numbers[0], numbers[1])
            self._begin(self._asked[numbers[0]], numbers[1])
        elif kind == template.FAILED:
            self._refuse(numbers[0])
        elif kind == template.RUNS:
            self._loop.call_later(_POLL_SECONDS, self._ask, numbers[0])
        elif kind == template.LOST:
            self._end(numbers[0], Ended())
        else:
            pid, status, microseconds, peak = numbers
            self._end(pid, ended_by(status, microseconds / 1e6, peak))

    def _begin(self, asked: _Asked, pid: int) -> None:
        asked.has_started = True
        tell_start(asked.started, asked.on_start, pid)

    def _refuse(self, number: int) -> None:
        started = self._asked.pop(number).started
        started.set_exception(NoTemplate())
        started.exception()  # who asked for it may not wait any more

    def _watch(self, number: int, pid: int) -> None:
        """Have the template asked for the end of a process; its number is taken until it has answered."""
        if pid in self._watched:
            return
        self._pids[pid] = number
        pidfd = None
        with suppress(OSError):  # no file descriptor left
            pidfd = os.pidfd_open(pid)
            if pidfd >= most_descriptors():
                os.close(pidfd)
                pidfd = None
        self._watched[pid] = pidfd
        if pidfd is not None:
            try:
                self._loop.add_reader(pidfd, self._on_end_of, pid)
            except OSError:  # no more of them may be watched
                os.close(pidfd)
                self._watched[pid] = pidfd = None
        if pidfd is None:
            self._ask(pid)

    def _on_end_of(self, pid: int) -> None:
        self._unwatch(pid)
        self._ask(pid)

    def _unwatch(self, pid: int) -> None:
        if (pidfd := self._watched.get(pid)) is not None:
            self._watched[pid] = None
            self._loop.remove_reader(pidfd)
            os.close(pidfd)

    def _ask(self, pid: int) -> None:
        """Ask the template how a process ended; where it is gone, nobody can know."""
        if self._engine is None:
            return self._end(pid, Ended())
        try:
            self._engine.send(pickle.dumps(pid))
        except OSError:  # it is too slow, or gone
            self._loop.call_later(_POLL_SECONDS, self._ask, pid)

    def _end(self, pid: int, ended: Ended) -> None:
        self._unwatch(pid)
        self._watched.pop(pid, None)
        asked = self._asked.pop(self._pids.pop(pid, 0), None)
        if asked is None:
            return  # one that could not be started
        if not asked.has_started:
            self._begin(asked, pid)
        asked.on_end(pid, ended)

    def _lose(self) -> None:
        """Go on without the template. What runs is watched; what did not start is started in another way."""
        if self._engine is None:
            return
        self._is_ready = False
        self._loop.remove_reader(self._engine)
        self._engine.close()
        self._engine = None
        for number in [number for number, asked in self._asked.items() if not asked.has_started]:
            self._refuse(number)
        for pid, pidfd in list(self._watched.items()):
            if pidfd is None:
                self._end(pid, Ended())


def tell_start(started: asyncio.Future[int], on_start: Callable[[int], None], pid: int) -> None:
    """Tell of a start: nobody may wait for ever, whatever comes of the first word of it."""
    try:
        on_start(pid)
    except BaseException as error:
        started.set_exception(error)
        started.exception()  # who asked for it may not wait any more
    else:
        started.set_result(pid)


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_CLOSE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
