"""Ends of claimed tasks: recorded, tried again, or released."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Collection
from dataclasses import replace

from asyncjman.model.job import Task
from asyncjman.model.status import Status
from asyncjman.runtime import Runtime
from asyncjman.scheduler.attempts import Attempt, Attempts, Key, unstarted
from asyncjman.scheduler.feed import Feed
from asyncjman.scheduler.held import Held
from asyncjman.scheduler.options import Options
from asyncjman.scheduler.recorder import Recorder
from asyncjman.scheduler.workload import Workload
from asyncjman.system.origin import drift


class Ends:
    """What follows from the end of an attempt, or from a claim that comes to nothing."""

    def __init__(
        self,
        workload: Workload,
        feed: Feed,
        recorder: Recorder,
        attempts: Attempts,
        held: Held,
        *,
        options: Options,
        runtime: Runtime,
        stopping: asyncio.Event,
        on_room: Callable[[], None],
        again: Callable[[Attempt], None],
    ) -> None:
        """``again`` is given what is to be tried once more; ``on_room`` is called as more may be claimed."""
        self._workload = workload
        self._feed = feed
        self._recorder = recorder
        self._attempts = attempts
        self._held = held
        self._options = options
        self._runtime = runtime
        self._stopping = stopping
        self._on_room = on_room
        self._again = again
        self._resting: dict[Attempt, asyncio.TimerHandle] = {}
        """What failed, and is tried again after a while."""

    def end_rests(self, keys: Collection[Key] | None = None) -> None:
        """Have what waits to be tried again go on at once, to be stopped or released; None: all of it."""
        for attempt, timer in list(self._resting.items()):
            if keys is None or attempt.key in keys:
                timer.cancel()
                self._end_rest(attempt)

    def cancel_rests(self) -> None:
        for timer in self._resting.values():
            timer.cancel()

    def end_attempt(self, attempt: Attempt, ended: Task) -> None:
        job, spec = attempt.job, attempt.job.spec
        assert spec is not None
        if ended.status is Status.FAILURE and spec.origin:
            ended = replace(ended, drift=drift(spec.origin, spec.argv_start, os.environ))
        failed = ended.status is Status.FAILURE and not self._stopping.is_set()
        if failed and spec.retry and spec.retry.applies(ended.cause, ended.signal, attempt.tries):
            self._recorder.task_retried(ended)
            self._rest(attempt, spec.retry.delay)
            return
        requested = self._options.requested is None or job.id in self._options.requested
        if requested or ended.status is not Status.STOPPED or not self._stopping.is_set():
            self._end(attempt, ended)
        # what nobody asked this dispatcher to run is released with its runner
        self._let_go(attempt)

    def _rest(self, attempt: Attempt, seconds: float) -> None:
        """Have another attempt follow, so many seconds later; others may have the slot until then."""
        attempt.claim = attempt.claim._replace(attempt=attempt.claim.attempt + 1)
        self._feed.held += 1
        self._feed.waiting += 1
        loop = asyncio.get_running_loop()
        self._resting[attempt] = loop.call_later(seconds, self._end_rest, attempt)
        self._on_room()

    def _end_rest(self, attempt: Attempt) -> None:
        del self._resting[attempt]
        self._feed.waiting -= 1
        self._again(attempt)

    def _end(self, attempt: Attempt, task: Task) -> None:
        job = attempt.job
        if attempt.key in self._held.lost:
            self._workload.task_released(job)
            self._feed.stale.add(job.id)
        else:
            self._recorder.task_finished(task)
            self._workload.task_ended(job, task.task_id, task.status)
        self._feed.room_for(job)
        self._on_room()

    def drop(self, attempt: Attempt, status: Status, reason: str) -> None:
        """End a claimed task that wasn't started; release it where the dispatcher is stopping."""
        if self._stopping.is_set():
            return self.release(attempt)
        self._feed.dropped()
        self._end(attempt, unstarted(attempt.claim, status, reason, self._runtime.time()))
        return self._let_go(attempt)

    def release(self, attempt: Attempt) -> None:
        """Leave a claimed task that wasn't started to whoever claims it next."""
        job = attempt.job
        self._feed.dropped()
        self._recorder.task_released(*attempt.key)
        self._workload.task_released(job)
        self._feed.room_for(job)
        self._feed.stale.add(job.id)  # it may be claimed again: only the store knows it now
        self._let_go(attempt)

    def _let_go(self, attempt: Attempt) -> None:
        """Note that nothing is to be done for a claim any more."""
        # the task may be claimed again: what was asked of it is over
        self._attempts.to_stop.discard(attempt.key)
        self._held.remove(attempt)
        self._on_room()
