"""The engine of this machine: a process group for each attempt."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial

from asyncjman import worker
from asyncjman.engines.base import (
    Abandoned,
    Capabilities,
    Launched,
    LaunchFailed,
    LaunchRequest,
    Observation,
    Poll,
    Preview,
    Ref,
    Saw,
    Target,
    TaskOutput,
    Watched,
    Why,
)
from asyncjman.engines.defaults import Defaults
from asyncjman.engines.local import orphans
from asyncjman.engines.local.console import LinePipe
from asyncjman.engines.local.ending import TERM_SECONDS, Endings
from asyncjman.engines.local.forks import Forks, NoTemplate, is_ours
from asyncjman.engines.local.process import Process
from asyncjman.engines.local.ready import Preparation, Ready
from asyncjman.engines.local.reap import Ended, Reaper
from asyncjman.engines.local.results import Results
from asyncjman.engines.local.spawner import Spawner, TooLate
from asyncjman.engines.local.warm import Warm

EXIT_NOT_STARTED = 127
"""What a shell says of a command that it can't start."""
_EXHAUSTED = frozenset({errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""No process or file descriptor is left: one will be when a task, or another program, ends."""


class LocalEngine(Defaults):
    """Runs each attempt as a process group; what leaves the group is found by its marks."""

    name = "local"
    capabilities = Capabilities(survives_us=False)

    def __init__(
        self,
        *,
        token: str = "",
        output: TaskOutput | None = None,
        inherited: Callable[[], int | None] = lambda: None,
    ) -> None:
        """``inherited`` gives the descriptor that each task inherits, as long as one of them runs."""
        self._output = output or _to_console
        self._token = token
        environment = dict(os.environ)
        self._preparation = Preparation(token, environment, inherited)
        self._spawner = Spawner()
        self._forks = Forks(environment)
        self._warm = Warm(self._forks)
        self._host = socket.gethostname()
        self._reaper = Reaper()
        self._running: dict[int, Process] = {}
        self._endings = Endings(token, self._on_gone)
        self._held: dict[int, Observation] = {}
        """Ends of tasks of which something still runs."""
        self._seen: list[Observation] = []
        self._results = Results()
        self._room: asyncio.Future[None] | None = None
        """What the console waits for before there is more of it."""

    async def open(self, wake: Callable[[], None] = lambda: None) -> None:
        self._loop = asyncio.get_running_loop()
        self._wake = wake

    async def close(self) -> None:
        """Wait until no process of a cancelled task is left; those that don't end are killed."""
        await self._spawner.close()
        await self._endings.wait()
        await self._warm.close()
        await self._forks.close()
        self._reaper.close()

    def make_ready(self, request: LaunchRequest) -> None:
        if request.logs is not None and not is_ours(_argv(request)):
            with suppress(OSError):  # to be found again when it is started
                ready = self._preparation.ready(request, self._pipes)
                ready.prepare()
                request.ready = ready

    def launch_at_once(self, request: LaunchRequest) -> Launched | LaunchFailed | None:
        if not self._spawner.is_quick or self._is_full(request) or is_ours(_argv(request)):
            return None
        at = time.time()
        try:
            return Launched(str(self._start_at_once(request)), at)
        except OSError as error:
            return _failed(error)

    async def launch(self, requests: Sequence[LaunchRequest]) -> Sequence[Launched | LaunchFailed]:
        return [await self._launch(one) for one in requests]

    async def poll(self, watched: Sequence[Watched] = (), budget: float = 0.0) -> Poll:
        seen, self._seen = self._seen, []
        return Poll(seen)

    async def settle(self) -> None:
        await self._results.write_out()

    async def cancel(
        self, targets: Sequence[Target], *, force: bool = False, budget: float = 0.0
    ) -> Sequence[Target]:
        seconds = 0.0 if force else TERM_SECONDS
        for target in targets:
            pid = int(target.native_id)
            process = self._running.get(pid)
            if process is not None and (not target.refs or process.ref in target.refs):
                self._end(pid, process, seconds)
        if force:
            # also what is left of tasks that were asked to end before, and whose own process has ended
            self._endings.hurry()
        return ()

    async def recover(
        self, runner: Abandoned, refs: Collection[Ref] | None = None, *, end: bool = True
    ) -> int:
        return await orphans.end(runner, refs) if end else len(await orphans.find(runner, refs))

    async def end_remains(self) -> None:
        self._endings.ask_rest(seconds=TERM_SECONDS)

    async def preview(self, request: LaunchRequest) -> Preview:
        (ref,) = request.tasks
        assert isinstance(ref, Ref)
        return Preview(request.spec.argv(ref.task_id), b"")

    # -- starting ----------------------------------------------------------------------------------

    async def _launch(self, request: LaunchRequest) -> Launched | LaunchFailed:
        if self._is_full(request):
            return LaunchFailed(Why.LATER, "what tasks wrote before is not read yet")
        at = time.time()
        try:
            return Launched(str(await self._start(request)), at)
        except TooLate:
            return LaunchFailed(Why.LATER, "processes start slowly")
        except OSError as error:
            return _failed(error)

    def _is_full(self, request: LaunchRequest) -> bool:
        """Tell whether what goes to the console must wait."""
        return self._room is not None and not self._room.done() and request.logs is None

    async def _start(self, request: LaunchRequest) -> int:
        if self._forks.can_run(_argv(request), request.spec.environment):
            with suppress(NoTemplate):
                return await self._fork(request)
        return self._start_at_once(request) if self._spawner.is_quick else await self._spawn(request)

    def _start_at_once(self, request: LaunchRequest) -> int:
        with self._ready(request) as ready:
            pid = self._spawner.at_once(ready.start)
            ready.process.is_announced = True
            self._on_spawned(ready.process, pid)
        return pid

    @contextmanager
    def _ready(self, request: LaunchRequest) -> Iterator[Ready]:
        """Yield what is to be started; where it is not, nothing stays of it."""
        ready, request.ready = request.ready, None
        if not isinstance(ready, Ready) or not ready.is_fresh:
            ready = self._preparation.ready(request, self._pipes)
        try:
            yield ready
        except BaseException:
            if not ready.process.is_left:
                ready.process.abandon()
            raise

    def _begin(self, process: Process, pid: int) -> None:
        """Mind a process that runs now."""
        self._running[pid] = process
        for pipe in process.pipes:
            pipe.start()
        if process.time_limit is not None:
            process.limit = self._loop.call_later(process.time_limit, self._time_out, pid, process)

    async def _spawn(self, request: LaunchRequest) -> int:
        """Start a process in a thread."""
        with self._ready(request) as ready:
            process = ready.process
            started = self._spawner.start(
                ready.start,
                on_start=partial(self._on_spawned, process),
                on_left=partial(self._end_left, process),
            )
            try:
                pid = await started
            except asyncio.CancelledError:
                process.is_left = True
                if not started.cancelled():  # it had just come to its end
                    self._end_left(process, None if started.exception() else started.result())
                raise
        self._announce(process, pid)
        return pid

    def _on_spawned(self, process: Process, pid: int) -> None:
        self._reaper.watch(pid, partial(self._on_end, process))
        self._begin_or_end(process, pid)

    def _begin_or_end(self, process: Process, pid: int) -> None:
        try:
            self._begin(process, pid)
        except BaseException:  # no memory left: it is started once more, and must not run twice
            process.is_left = True
            self._end_left(process, pid)
            raise

    async def _fork(self, request: LaunchRequest) -> int:
        """Start a function job as a fork. Raises NoTemplate where it is to be spawned, as all others are."""
        with self._ready(request) as ready:
            ready.make_room()
            process, command, variables = ready.process, ready.command, ready.variables
            process.result = worker.result_path(command.argv[len(worker.COMMAND)], variables)
            forks = self._warm if command.argv[-1] == worker.WARM else self._forks
            started = forks.ask(
                command,
                ready.streams,
                variables,
                ready.inherited,
                on_start=partial(self._begin_or_end, process),
                on_end=lambda pid, ended: self._on_end(process, pid, ended),
            )
            try:
                pid = await asyncio.shield(started)
            except asyncio.CancelledError:
                process.is_left = True
                started.add_done_callback(partial(self._end_left_fork, process))
                raise
        self._announce(process, pid)
        return pid

    def _end_left_fork(self, process: Process, started: asyncio.Future[int]) -> None:
        error = started.exception()
        if error is None or isinstance(error, NoTemplate):  # else it was ended as it began
            self._end_left(process, None if error else started.result())

    def _announce(self, process: Process, pid: int) -> None:
        """Take note that the scheduler knows of a start; tell of the end now, where that came before."""
        process.is_announced = True
        if process.ended is not None:
            self._loop.call_soon(self._on_end, process, pid, process.ended)

    def _end_left(self, process: Process, pid: int | None) -> None:
        """End a process that nobody waits for any more, if it was started."""
        process.is_announced = True
        if pid is None:
            process.abandon()
        elif process.ended is not None:
            self._on_end(process, pid, process.ended)
        else:
            self._end(pid, process, 0.0)

    def _pipes(self, ref: Ref) -> tuple[LinePipe, LinePipe]:
        show = partial(self._show, ref)
        first = LinePipe(self._loop, 1, show)
        try:
            return first, LinePipe(self._loop, 2, show)
        except OSError:
            first.abandon()
            raise

    def _show(self, ref: Ref, stream: int, lines: bytes) -> object:
        room = self._output(ref, stream, lines)
        if isinstance(room, asyncio.Future):
            self._room = room
        return room

    # -- ending ------------------------------------------------------------------------------------

    def _time_out(self, pid: int, process: Process) -> None:
        process.timed_out = True
        self._end(pid, process, TERM_SECONDS)

    def _end(self, pid: int, process: Process | None, seconds: float) -> None:
        # of one that has ended already, and is not announced, the number may be another's
        if process is not None and self._running.get(pid) is process and process.ended is None:
            self._warm.retire(pid)
            self._endings.ask(pid, process.mark, seconds=seconds)

    def _on_end(self, process: Process, pid: int, ended: Ended) -> None:
        if not process.is_announced:
            process.ended = ended
            return
        if self._running.get(pid) is process:  # else it takes the next task already
            del self._running[pid]
        if ended == Ended() and process.result and worker.is_success(process.result, process.ref.attempt):
            ended = Ended(exit_status=0)
        if process.result:
            self._results.add(process.result)
        if process.limit is not None:
            process.limit.cancel()
        for pipe in process.pipes:
            pipe.finish()
        cause, reason = process.why(ended)
        errors = process.errors() if cause is not None else b""
        seen = Observation(
            process.token,
            process.ref,
            Saw.ENDED,
            time.time(),
            exit_status=ended.exit_status,
            signal=ended.signal,
            cause=cause,
            reason=reason,
            host=self._host,
            native_id=str(pid),
            usage=ended.usage,
            errors=errors,
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
        self._wake()


def _argv(request: LaunchRequest) -> tuple[str, ...]:
    (ref,) = request.tasks
    assert isinstance(ref, Ref)
    return request.spec.argv(ref.task_id)


def _failed(error: OSError) -> LaunchFailed:
    why = Why.LIMIT if error.errno in _EXHAUSTED else Why.REFUSED
    return LaunchFailed(why, error.strerror or str(error), EXIT_NOT_STARTED)


def _to_console(ref: Ref, stream: int, lines: bytes) -> None:
    target = sys.stdout if stream == 1 else sys.stderr
    if buffer := getattr(target, "buffer", None):
        buffer.write(lines)
    else:
        target.write(lines.decode("utf-8", "replace"))
    target.flush()
