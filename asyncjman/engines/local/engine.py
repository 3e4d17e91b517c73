"""The engine of this machine: a process group for each attempt."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
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
from asyncjman.engines.local.forks import Forks, NoTemplate
from asyncjman.engines.local.logfiles import make_room
from asyncjman.engines.local.process import Process
from asyncjman.engines.local.processes import RUNNER_VARIABLE, TASK_VARIABLE, task_mark
from asyncjman.engines.local.reap import Ended, Reaper
from asyncjman.engines.local.results import Results
from asyncjman.engines.local.spawn import Command, Streams, encoded, prepared
from asyncjman.engines.local.spawner import Spawner, TooLate
from asyncjman.engines.local.warm import Warm
from asyncjman.model.job import JobSpec
from asyncjman.system.environment import job_environment, task_environment
from asyncjman.system.logs import logs_from

EXIT_NOT_STARTED = 127
"""What a shell says of a command that it can't start."""
_EXHAUSTED = frozenset({errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""No process or file descriptor is left: one will be when a task, or another program, ends."""
_KNOWN_JOBS = 64
"""Of so many jobs the variables are kept."""


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
        self._inherited = inherited
        environment = dict(os.environ)
        self._base = encoded(environment)
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
        self._made: set[str] = set()
        self._jobs: dict[int, tuple[JobSpec, dict[str, str]]] = {}
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
        if self._room is not None and not self._room.done() and request.logs is None:
            return LaunchFailed(Why.LATER, "what tasks wrote before is not read yet")
        at = time.time()
        try:
            return Launched(str(await self._start(request)), at)
        except TooLate:
            return LaunchFailed(Why.LATER, "processes start slowly")
        except OSError as error:
            why = Why.LIMIT if error.errno in _EXHAUSTED else Why.REFUSED
            return LaunchFailed(why, error.strerror or str(error), EXIT_NOT_STARTED)

    async def _start(self, request: LaunchRequest) -> int:
        (ref,) = request.tasks
        assert isinstance(ref, Ref)
        spec = request.spec
        command = Command(spec.argv(ref.task_id), spec.exec_dir)
        logs = logs_from(request.logs, ref.job_id, ref.task_id) if request.logs is not None else None
        process = Process(request.token, ref, task_mark(*ref), request.time_limit, logs[1] if logs else None)
        variables = task_environment(spec, *ref, self._of_job(spec, ref.job_id))
        variables[RUNNER_VARIABLE] = self._token
        variables[TASK_VARIABLE] = process.mark
        if logs is None:
            process.pipes = self._pipes(ref)
            streams = Streams(process.pipes[0].write_end, process.pipes[1].write_end)
        else:
            streams = Streams(*logs)
            make_room(spec.exec_dir, logs, ref.attempt, self._made)
        lock = self._inherited()
        inherited = () if lock is None else (lock,)
        try:
            if self._forks.can_run(command.argv, spec.environment):
                with suppress(NoTemplate):
                    return await self._fork(process, command, streams, variables, inherited)
            try:
                return await self._spawn(process, command, streams, variables, inherited)
            except FileNotFoundError:
                if logs is None:
                    raise
                # the log folder may have been removed meanwhile
                make_room(spec.exec_dir, logs, ref.attempt, set())
                return await self._spawn(process, command, streams, variables, inherited)
        except BaseException:
            if not process.is_left:
                process.abandon()
            raise

    def _of_job(self, spec: JobSpec, job_id: int) -> dict[str, str]:
        """Return the variables that are the same for all tasks of a job."""
        known = self._jobs.get(job_id)
        if known is None or known[0] is not spec:
            if len(self._jobs) >= _KNOWN_JOBS:
                self._jobs.clear()
            known = self._jobs[job_id] = spec, job_environment(spec, job_id)
        return known[1]

    def _begin(self, process: Process, pid: int) -> None:
        """Mind a process that runs now."""
        self._running[pid] = process
        for pipe in process.pipes:
            pipe.start()
        if process.time_limit is not None:
            process.limit = self._loop.call_later(process.time_limit, self._time_out, pid, process)

    async def _spawn(
        self,
        process: Process,
        command: Command,
        streams: Streams,
        variables: dict[str, str],
        inherited: Sequence[int],
    ) -> int:
        started = self._spawner.start(
            prepared(command, streams, self._base, variables, inherited),
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
        try:
            self._begin(process, pid)
        except BaseException:  # no memory left: it is started once more, and must not run twice
            process.is_left = True
            self._end_left(process, pid)
            raise

    async def _fork(
        self,
        process: Process,
        command: Command,
        streams: Streams,
        variables: dict[str, str],
        inherited: Sequence[int],
    ) -> int:
        """Start a function job as a fork. Raises NoTemplate where it is to be spawned, as all others are."""
        process.result = worker.result_path(command.argv[len(worker.COMMAND)], variables)
        try:
            forks = self._warm if command.argv[-1] == worker.WARM else self._forks
            started = forks.ask(
                command,
                streams,
                variables,
                inherited,
                on_start=lambda pid: self._begin(process, pid),
                on_end=lambda pid, ended: self._on_end(process, pid, ended),
            )
            pid = await asyncio.shield(started)
        except asyncio.CancelledError:
            process.is_left = True
            started.add_done_callback(
                lambda started: self._end_left(process, None if started.exception() else started.result())
            )
            raise
        except NoTemplate:
            process.result = None
            raise
        self._announce(process, pid)
        return pid

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


def _to_console(ref: Ref, stream: int, lines: bytes) -> None:
    target = sys.stdout if stream == 1 else sys.stderr
    if buffer := getattr(target, "buffer", None):
        buffer.write(lines)
    else:
        target.write(lines.decode("utf-8", "replace"))
    target.flush()
