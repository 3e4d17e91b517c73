"""Attempts of one runner: from the claim of a task to the end that was observed. Each is a small object."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from asyncjman.engines.base import (
    Engine,
    Launched,
    LaunchFailed,
    LaunchRequest,
    Observation,
    Ref,
    Target,
    Why,
)
from asyncjman.model.failure import Cause
from asyncjman.model.job import Task
from asyncjman.model.status import Status
from asyncjman.runtime import SYSTEM, Runtime
from asyncjman.scheduler.job_state import JobState
from asyncjman.store.claims import Claim
from asyncjman.store.immediate import at_once

STOPPED = "stopped"
RETRY_SECONDS = 0.1
"""How long a launch waits that the engine can't take at the moment."""
ALONE_RETRIES = 50
"""How often it tries again where a limit is reached while no other task runs here."""

Key = tuple[int, int]
"""Job id and task id."""

OnStart = Callable[[Claim, float, str, int], None]
"""Is told when and where an attempt was started, and its pid."""


class NotNow(Exception):
    """The engine can't take a launch at the moment."""


@dataclass(slots=True, eq=False)
class Attempt:
    """A claimed task, over as many attempts as it may have."""

    job: JobState
    claim: Claim
    key: Key = field(init=False)
    earlier: Attempt | None = None
    """An attempt at the same task that was lost and runs still: it must have ended first."""
    native_id: str | None = None
    """The engine's own id, as long as it runs."""
    started_at: float | None = None
    dependent: bool = False
    """Whether it counts as one that depends on other jobs."""
    is_over: bool = False
    """Whether it has ended, or was released."""
    alone: int = 0
    """How often a limit was reached in a row while no other task ran here."""
    _over: asyncio.Future[None] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        self.key = self.claim.job_id, self.claim.task_id

    @property
    def tries(self) -> int:
        """Return how many attempts count for its retries, with this one."""
        return self.claim.attempt - self.claim.first + 1

    async def until_over(self) -> None:
        """Wait until it has ended, or was released."""
        if self.is_over:
            return
        if self._over is None:
            self._over = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._over)

    def set_over(self) -> None:
        self.is_over = True
        if self._over is not None and not self._over.done():
            self._over.set_result(None)


class Attempts:
    """Has the engine run attempts; each is known by its job and task id."""

    def __init__(
        self, engine: Engine, token: str, on_end: Callable[[Attempt, Task], None], runtime: Runtime = SYSTEM
    ) -> None:
        """``on_end`` is given an attempt that ran, and the task as it is then."""
        self._engine = engine
        self._token = token
        self._on_end = on_end
        self._runtime = runtime
        self._host = runtime.host()
        self._trouble: asyncio.Future[None]
        """Is done once ends are taken in no more."""
        self.running: dict[Key, Attempt] = {}
        self._all_stopped = self._all_killed = False
        self.to_stop: set[Key] = set()
        """What is to be recorded as stopped, running or not."""

    async def open(self) -> None:
        self._trouble = asyncio.get_running_loop().create_future()
        await self._engine.open(self._on_news)

    async def observe(self) -> None:
        """Have ends taken in until cancelled; raise what goes wrong with that."""
        await self._trouble

    def _on_news(self) -> None:
        """Take in what the engine sees: at once, as its ``poll`` waits for nothing."""
        if self._trouble.done():
            return
        try:
            for seen in at_once(self._engine.poll((), 0.0)).seen:
                self._take_in(seen)
        except BaseException as error:
            self._trouble.set_exception(error)

    def _take_in(self, seen: Observation) -> None:
        if seen.ref is None:
            return
        attempt = self.running.get((seen.ref.job_id, seen.ref.task_id))
        if attempt is None or attempt.native_id != seen.native_id:
            return
        del self.running[attempt.key]
        attempt.native_id = None
        self._on_end(attempt, self._ended(attempt, seen, stopped=attempt.key in self.to_stop))

    async def launch(self, attempt: Attempt, request: LaunchRequest, on_start: OnStart) -> Task | None:
        """Start an attempt; where that can't be done, return the task as it has ended by that.

        ``on_start`` is told when and where it was started, and its pid. Raises NotNow, after a while, where
        that is to be tried again.
        """
        (answer,) = await self._engine.launch([request])
        try:
            ended = self._take_up(attempt, answer, on_start)
        except NotNow:
            await asyncio.sleep(RETRY_SECONDS)
            raise
        if ended is None and (self._all_stopped or attempt.key in self.to_stop):  # meanwhile
            await self.stop([attempt.key], kill=self._all_killed)
        return ended

    def make_ready(self, request: LaunchRequest) -> None:
        """Do ahead what a launch takes and nobody sees."""
        self._engine.make_ready(request)

    def launch_at_once(self, attempt: Attempt, request: LaunchRequest, on_start: OnStart) -> Task | None:
        """Do as ``launch`` does, in this moment; raise NotNow, too, where the engine can't do that."""
        answer = self._engine.launch_at_once(request)
        if answer is None:
            raise NotNow
        return self._take_up(attempt, answer, on_start)

    def _take_up(self, attempt: Attempt, answer: Launched | LaunchFailed, on_start: OnStart) -> Task | None:
        if not isinstance(answer, Launched):
            if answer.why is not Why.LATER and (
                answer.why is not Why.LIMIT or attempt.alone >= ALONE_RETRIES
            ):
                attempt.alone = 0
                return self._not_started(attempt.claim, answer)
            is_alone = answer.why is Why.LIMIT and not self.running
            attempt.alone = attempt.alone + 1 if is_alone else 0
            raise NotNow
        attempt.alone = 0
        attempt.native_id, attempt.started_at = answer
        self.running[attempt.key] = attempt
        on_start(attempt.claim, answer.at, self._host, int(answer.native_id))
        return None

    def _not_started(self, claim: Claim, failed: LaunchFailed) -> Task:
        now = self._runtime.time()
        return Task(
            job_id=claim.job_id,
            task_id=claim.task_id,
            attempt=claim.attempt,
            status=Status.FAILURE,
            reason=failed.words,
            exit_status=failed.exit_status,
            host=self._host,
            started_at=now,
            finished_at=now,
            cause=Cause.LAUNCH if failed.why is Why.LIMIT else Cause.EXIT,
        )

    def _ended(self, attempt: Attempt, seen: Observation, *, stopped: bool) -> Task:
        status = Status.SUCCESS if seen.cause is None else Status.FAILURE
        if stopped:
            status = Status.STOPPED
        return Task(
            job_id=attempt.claim.job_id,
            task_id=attempt.claim.task_id,
            attempt=attempt.claim.attempt,
            status=status,
            reason=STOPPED if stopped else seen.reason,
            exit_status=seen.exit_status,
            signal=seen.signal,
            host=self._host,
            started_at=attempt.started_at,
            finished_at=seen.at,
            cpu_seconds=seen.usage.cpu_seconds if seen.usage else None,
            peak_memory_bytes=seen.usage.peak_memory_bytes if seen.usage else None,
            cause=None if stopped else seen.cause,
            errors=seen.errors,
        )

    async def stop(self, keys: Iterable[Key] | None = None, *, kill: bool = False) -> None:
        """Stop attempts, all where no keys are given; they end soon, as stopped."""
        if keys is None:
            self._all_stopped = True
            self._all_killed = self._all_killed or kill
        chosen = set(self.running if keys is None else keys)
        self.to_stop |= chosen
        running = [self.running[key] for key in chosen if key in self.running]
        # by name, too: the number of a process may be that of another attempt by now
        targets = [
            Target(self._token, one.native_id or "", (Ref(*one.key, one.claim.attempt),)) for one in running
        ]
        await self._engine.cancel(targets, force=kill, budget=0.0)


def unstarted(claim: Claim, status: Status, reason: str, now: float) -> Task:
    """Return a claimed task that ended without having been started."""
    return Task(
        job_id=claim.job_id,
        task_id=claim.task_id,
        attempt=claim.attempt,
        status=status,
        reason=reason,
        finished_at=now,
    )
