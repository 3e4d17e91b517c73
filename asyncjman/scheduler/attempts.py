"""Single attempts: from a start on the executor to the end that was observed."""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Iterable
from dataclasses import replace

from asyncjman.executors.base import Executor, NotNow, Observation, Work
from asyncjman.model.failure import Cause
from asyncjman.model.job import Task
from asyncjman.model.status import Status
from asyncjman.runtime import SYSTEM, Runtime

EXIT_NOT_STARTED = 127  # what a shell says of a command that it can't start
STOPPED = "stopped"
RETRY_SECONDS = 0.1
"""How long a start waits that found no process or file descriptor left."""
ALONE_RETRIES = 50
"""How often it tries again while no other task runs here."""
_EXHAUSTED = frozenset({errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOMEM})

Key = tuple[int, int]
"""Job id and task id."""


class Attempts:
    """Runs attempts, any number at once; each is known by its job and task id."""

    def __init__(self, executor: Executor, runtime: Runtime = SYSTEM) -> None:
        self._executor = executor
        self._now = runtime.time
        self._host = runtime.host()
        self._ends: dict[str, asyncio.Future[Observation]] = {}
        self.running: dict[Key, str] = {}
        """What runs, with the executor's own id of it."""
        self._all_stopped = False
        self.to_stop: set[Key] = set()
        """What is to be recorded as stopped, running or not."""

    async def observe(self) -> None:
        """Take in what the executor sees, until cancelled."""
        async for seen in self._executor.watch():
            end = self._ends.get(seen.native_id)
            if end is not None and not end.done():
                end.set_result(seen)

    async def run(self, work: Work, seconds: float | None, on_start: Callable[[Task, int], None]) -> Task:
        """Run an attempt to its end; stop it after so many ``seconds``.

        ``on_start`` is given the task as it runs, and its pid.
        """
        key = (work.job_id, work.task_id)
        alone = 0
        while True:
            begun = Task(
                job_id=work.job_id,
                task_id=work.task_id,
                attempt=work.attempt,
                status=Status.EXECUTING,
                host=self._host,
                started_at=self._now(),
            )
            try:
                native_id = await self._executor.submit(work)
                break
            except NotNow:
                alone = 0
            except OSError as error:
                # no process or file descriptor is left: one will be when a task, or another program, ends
                if error.errno not in _EXHAUSTED or alone >= ALONE_RETRIES:
                    return _not_started(begun, error, self._now())
                alone = 0 if self.running else alone + 1
            await asyncio.sleep(RETRY_SECONDS)
            if self._all_stopped or key in self.to_stop:
                status = Status.STOPPED
                return unstarted(work.job_id, work.task_id, work.attempt, status, STOPPED, self._now())
        end = self._ends[native_id] = asyncio.get_running_loop().create_future()
        self.running[key] = native_id
        on_start(begun, int(native_id))
        timed_out = seconds is not None and await self._outlasts(end, seconds)
        if timed_out:
            await self._executor.cancel([native_id])
        seen = await end
        del self._ends[native_id], self.running[key]
        if key in self.to_stop:
            return _ended(begun, seen, Status.STOPPED, STOPPED, None)
        if timed_out:
            reason = f"timed out after {seconds:g} s"
            return _ended(begun, seen, Status.FAILURE, reason, Cause.TIMEOUT)
        cause = None
        if seen.status is Status.FAILURE:
            cause = Cause.EXIT if seen.signal is None else Cause.SIGNAL
        return _ended(begun, seen, seen.status, seen.reason, cause)

    async def stop(self, keys: Iterable[Key] | None = None, *, kill: bool = False) -> None:
        """Stop attempts, all where no keys are given; they end soon, as stopped."""
        self._all_stopped = self._all_stopped or keys is None
        chosen = self.running.keys() if keys is None else keys
        self.to_stop.update(chosen)
        native_ids = [self.running[key] for key in chosen if key in self.running]
        await self._executor.cancel(native_ids, kill=kill)

    @staticmethod
    async def _outlasts(end: asyncio.Future[Observation], seconds: float) -> bool:
        done, _ = await asyncio.wait([end], timeout=seconds)
        return not done


def unstarted(job_id: int, task_id: int, attempt: int, status: Status, reason: str, now: float) -> Task:
    """Return a task that ended without having been started."""
    return Task(
        job_id=job_id, task_id=task_id, attempt=attempt, status=status, reason=reason, finished_at=now
    )


def _not_started(begun: Task, error: OSError, now: float) -> Task:
    return replace(
        begun,
        status=Status.FAILURE,
        reason=error.strerror or str(error),
        exit_status=EXIT_NOT_STARTED,
        finished_at=now,
        cause=Cause.LAUNCH if error.errno in _EXHAUSTED else Cause.EXIT,
    )


def _ended(begun: Task, seen: Observation, status: Status, reason: str | None, cause: Cause | None) -> Task:
    # not replace(): this is on the hot path
    return Task(
        job_id=begun.job_id,
        task_id=begun.task_id,
        attempt=begun.attempt,
        status=status,
        reason=reason,
        exit_status=seen.exit_status,
        signal=seen.signal,
        host=begun.host,
        started_at=begun.started_at,
        finished_at=seen.time,
        cpu_seconds=seen.usage.cpu_seconds if seen.usage else None,
        peak_memory_bytes=seen.usage.peak_memory_bytes if seen.usage else None,
        cause=cause,
    )
