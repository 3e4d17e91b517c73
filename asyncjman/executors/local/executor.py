"""The local executor: a process per task, no limit of its own."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from asyncjman.executors.base import NotNow, Observation, Work
from asyncjman.executors.local.console import LinePipe, Output
from asyncjman.executors.local.ending import Endings
from asyncjman.executors.local.processes import RUNNER_VARIABLE, TASK_VARIABLE, task_mark
from asyncjman.executors.local.reap import Ended, watch_process
from asyncjman.executors.local.spawn import Streams, spawn
from asyncjman.executors.logs import keep_earlier_log, refuse_foreign_link
from asyncjman.model.signals import signal_name
from asyncjman.model.status import Status

TERM_SECONDS = 5.0
"""How long a task has between SIGTERM and SIGKILL."""


@dataclass(slots=True)
class _Process:
    pipes: tuple[LinePipe, ...]
    mark: str


class LocalExecutor:
    """Runs each task as a process group of this machine; what leaves the group is found by its marks."""

    def __init__(
        self,
        *,
        token: str = "",
        output: Output | None = None,
        inherited: Callable[[], int | None] = lambda: None,
    ) -> None:
        """``inherited`` gives the descriptor that each task inherits, as long as one of them runs."""
        self._output = output or _to_console
        self._token = token
        self._inherited = inherited
        self._base = dict(os.environ)
        self._host = socket.gethostname()
        self._running: dict[int, _Process] = {}
        self._endings = Endings(token, self._on_gone)
        self._held: dict[int, Observation] = {}
        """Ends of tasks of which something still runs."""
        self._seen: deque[Observation] = deque()
        self._wake = asyncio.Event()
        self._made: set[str] = set()
        self._room: asyncio.Future[None] | None = None
        """What the console waits for before there is more of it."""

    async def open(self) -> None:
        self._loop = asyncio.get_running_loop()

    async def close(self) -> None:
        """Wait until no process of a cancelled task is left; those that don't end are killed."""
        await self._endings.wait()

    async def submit(self, work: Work) -> str:
        pipes: tuple[LinePipe, ...] = ()
        if work.stdout is None or work.stderr is None:
            if self._room is not None and not self._room.done():
                raise NotNow("what tasks wrote before is not read yet")
            pipes = self._pipes()
            streams = Streams(pipes[0].write_end, pipes[1].write_end)
        else:
            streams = Streams(work.stdout, work.stderr)
            _make_room(work, work.stdout, work.stderr, self._made)
        mark = task_mark(work.job_id, work.task_id, work.attempt)
        environment = {
            **self._base,
            **work.environment,
            RUNNER_VARIABLE: self._token,
            TASK_VARIABLE: mark,
        }
        try:
            pid = self._spawn(work, streams, environment)
        except BaseException:
            for pipe in pipes:
                pipe.abandon()
            raise
        for pipe in pipes:
            pipe.start()
        self._running[pid] = _Process(pipes, mark)
        watch_process(self._loop, pid, self._on_end)
        return str(pid)

    def _pipes(self) -> tuple[LinePipe, LinePipe]:
        first = LinePipe(self._loop, 1, self._show)
        try:
            return first, LinePipe(self._loop, 2, self._show)
        except OSError:
            first.abandon()
            raise

    def _show(self, stream: int, lines: bytes) -> object:
        room = self._output(stream, lines)
        if isinstance(room, asyncio.Future):
            self._room = room
        return room

    def _spawn(self, work: Work, streams: Streams, environment: dict[str, str]) -> int:
        try:
            return spawn(work, streams, environment, self._inherited())
        except FileNotFoundError:
            if work.stdout is None or work.stderr is None:
                raise
            # somebody may have removed the log folder meanwhile
            _make_room(work, work.stdout, work.stderr, set())
            return spawn(work, streams, environment, self._inherited())

    async def watch(self) -> AsyncIterator[Observation]:
        while True:
            while self._seen:
                yield self._seen.popleft()
            self._wake.clear()
            await self._wake.wait()

    async def cancel(self, native_ids: Sequence[str], *, kill: bool = False) -> None:
        seconds = 0.0 if kill else TERM_SECONDS
        for pid in map(int, native_ids):
            if process := self._running.get(pid):
                self._endings.ask(pid, process.mark, seconds=seconds)
        if kill:
            # also what is left of tasks that were asked to end before, and whose own process has ended
            self._endings.hurry()

    async def cancel_rest(self, *, kill: bool = False) -> None:
        self._endings.ask_rest(seconds=0.0 if kill else TERM_SECONDS)

    def _on_end(self, pid: int, ended: Ended) -> None:
        process = self._running.pop(pid)
        for pipe in process.pipes:
            pipe.finish()
        reason: str | None
        if ended.exit_status is None and ended.signal is None:
            reason = "its exit status was taken by another part of this program"
        elif ended.signal is not None:
            reason = f"killed by {signal_name(ended.signal)}"
        else:
            reason = f"exit status {ended.exit_status}" if ended.exit_status else None
        seen = Observation(
            str(pid),
            Status.SUCCESS if ended.exit_status == 0 else Status.FAILURE,
            time.time(),
            ended.exit_status,
            ended.signal,
            reason,
            self._host,
            ended.usage,
        )
        if self._endings.reaped(pid):
            self._held[pid] = seen  # a task that is stopped has ended when all its processes have
        else:
            self._tell(seen)

    def _on_gone(self, pid: int) -> None:
        if seen := self._held.pop(pid, None):
            self._tell(seen)

    def _tell(self, seen: Observation) -> None:
        self._seen.append(seen)
        self._wake.set()


def _make_room(work: Work, stdout: str, stderr: str, made: set[str]) -> None:
    """Make the log folder, unless it is among those ``made``; move earlier logs out of the way."""
    refuse_foreign_link(work.exec_dir, stdout)
    folder = stdout.rpartition("/")[0]
    if folder not in made:
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OSError(error.errno, f"can't make the log folder {folder}: {error.strerror}") from error
        made.add(folder)
    if work.attempt > 1:
        keep_earlier_log(stdout, work.attempt)
        keep_earlier_log(stderr, work.attempt)


def _to_console(stream: int, lines: bytes) -> None:
    target = sys.stdout if stream == 1 else sys.stderr
    if buffer := getattr(target, "buffer", None):
        buffer.write(lines)
    else:
        target.write(lines.decode("utf-8", "replace"))
    target.flush()
