"""Starting claimed tasks: dependencies awaited, then a slot.

A job of which tasks are claimed has one coroutine that waits for both. An attempt that runs has none.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress

from asyncjman.engines.base import LaunchRequest, Ref
from asyncjman.model.graph import Verdict
from asyncjman.model.job import Task
from asyncjman.model.status import Status
from asyncjman.scheduler.attempts import STOPPED, Attempt, Attempts, NotNow
from asyncjman.scheduler.changes import Changes
from asyncjman.scheduler.ends import Ends
from asyncjman.scheduler.feed import Feed
from asyncjman.scheduler.job_state import JobState
from asyncjman.scheduler.options import Options
from asyncjman.scheduler.recorder import Recorder
from asyncjman.scheduler.slots import Slots
from asyncjman.scheduler.workload import Workload
from asyncjman.system.logs import log_start

STALE_SECONDS = 0.1
"""What is older is not good enough to start such a task by."""
DOUBT_SECONDS = 1.0
"""The same for all others. It was suspended meanwhile where it is longer: its claims may be taken."""
IN_A_ROW = 8
"""So many tasks of a job are started, 0.2 ms each, before the event loop does something else."""


class Starter:
    """Has a coroutine for each job of which tasks are claimed."""

    def __init__(
        self,
        workload: Workload,
        feed: Feed,
        recorder: Recorder,
        attempts: Attempts,
        changes: Changes,
        ends: Ends,
        *,
        token: str,
        options: Options,
        stopping: asyncio.Event,
    ) -> None:
        self._workload = workload
        self._feed = feed
        self._recorder = recorder
        self._attempts = attempts
        self._changes = changes
        self._ends = ends
        self._token = token
        self._options = options
        self._stopping = stopping
        self.slots = Slots(options.parallel)
        self._queues: dict[JobState, deque[Attempt]] = {}
        """What is claimed and not started, of each job that has a coroutine."""
        self._waiting: set[JobState] = set()
        """Of these: the jobs that wait for their dependencies."""
        self._gates: set[asyncio.Future[None]] = set()
        self._tasks: asyncio.TaskGroup | None = None

    def open(self, tasks: asyncio.TaskGroup) -> None:
        """Have the coroutines of jobs run in this group."""
        self._tasks = tasks

    def enqueue(self, attempt: Attempt) -> None:
        """Have a claimed task started."""
        assert self._tasks is not None
        queue = self._queues.get(attempt.job)
        if queue is None:
            queue = self._queues[attempt.job] = deque([attempt])
            self._tasks.create_task(self._start_in_turn(attempt.job, queue))
            return
        queue.append(attempt)
        self._feed.waiting += attempt.job in self._waiting

    async def _start_in_turn(self, job: JobState, queue: deque[Attempt]) -> None:
        """Start the claimed tasks of a job in turn, each once its dependencies and the slots let it."""
        assert self._tasks is not None
        started = 0
        while queue:
            attempt = queue[0]
            if attempt.earlier is not None:
                await attempt.earlier.until_over()
                attempt.earlier = None
            await self._await_dependencies(job, attempt)
            request = self._request(job, attempt)
            self._attempts.make_ready(request)  # before there is a slot: then it is not for long empty
            await self.slots.acquire()
            queue.popleft()
            if not self._start_at_once(job, attempt, request):
                # the next one need not wait for that
                self._tasks.create_task(self._start(job, attempt))
            started += 1
            if self.slots.has_room and (len(self._queues) > 1 or started % IN_A_ROW == 0):
                await asyncio.sleep(0)  # other jobs have their turn, and all that the event loop does
        del self._queues[job]

    def _start_at_once(self, job: JobState, attempt: Attempt, request: LaunchRequest) -> bool:
        """Start a task in its slot in this moment, or have it ended by that; False: that takes longer."""
        if (
            job.spec is not request.spec
            or self._stopping.is_set()
            or attempt.key in self._attempts.to_stop
            or not self._is_up_to_date(job)
            or self._workload.verdict(job, attempt.claim.task_id) is not Verdict.GO
        ):
            return False
        try:
            ended = self._attempts.launch_at_once(attempt, request, self._recorder.task_started)
        except NotNow:
            return False
        if not self._note(attempt, ended):
            self.slots.release()
        return True

    async def _start(self, job: JobState, attempt: Attempt) -> None:
        """Start a task in the slot that it was given: it has that until it ends. Or end or release it."""
        runs = False
        try:
            while True:
                await self._look_around(job)
                said = self._workload.verdict(job, attempt.claim.task_id)
                if self._stopping.is_set() or attempt.key in self._attempts.to_stop:
                    return self._ends.drop(attempt, Status.STOPPED, STOPPED)
                if said is Verdict.SKIP:
                    return self._ends.drop(attempt, Status.SKIPPED, job.skip_reason)
                if said is Verdict.WAIT:
                    break
                with suppress(NotNow):  # all may be different by now
                    runs = await self._launch(job, attempt)
                    return None
        finally:
            if not runs:
                self.slots.release()
        if self._workload.is_next(job):
            return self.enqueue(attempt)  # it waits once more
        return self._ends.release(attempt)

    def _is_up_to_date(self, job: JobState) -> bool:
        """Tell whether ``_look_around`` has nothing to do."""
        if not self._changes.are_known(_most_seconds(job)):
            return False
        return not job.dependencies or not (self._feed.stale or self._recorder.has_skips)

    async def _look_around(self, job: JobState) -> None:
        """Take in what is new; all that is skipped by it is stored then, or not skipped after all."""
        await self._changes.look(_most_seconds(job))
        if job.dependencies and self._feed.stale:
            await self._changes.take_in()  # what it waits for may be among it
        while job.dependencies and await self._recorder.store_skips():
            await self._changes.take_in()
            await self._changes.look(STALE_SECONDS)

    async def _await_dependencies(self, job: JobState, attempt: Attempt) -> None:
        """Wait while the dependencies of a claimed task are undecided, and may be decided in a moment."""
        while (
            self._workload.verdict(job, attempt.claim.task_id) is Verdict.WAIT
            and self._workload.is_next(job)
            and not self._stopping.is_set()
            and attempt.key not in self._attempts.to_stop
        ):
            if job.gate is None or job.gate.done():
                job.gate = asyncio.get_running_loop().create_future()
                self._gates.add(job.gate)
                job.gate.add_done_callback(self._gates.discard)
            self._waiting.add(job)
            self._feed.waiting += len(self._queues[job])
            try:
                await job.gate
            finally:
                self._waiting.discard(job)
                self._feed.waiting -= len(self._queues[job])

    def look_again(self) -> None:
        """Have all tasks that wait for dependencies look whether they are still to wait."""
        for gate in self._gates:
            if not gate.done():
                gate.set_result(None)

    async def _launch(self, job: JobState, attempt: Attempt) -> bool:
        """Start an attempt; tell whether it runs now. Raises NotNow."""
        request = self._request(job, attempt)
        return self._note(attempt, await self._attempts.launch(attempt, request, self._recorder.task_started))

    def _request(self, job: JobState, attempt: Attempt) -> LaunchRequest:
        spec = job.spec
        assert spec is not None
        return LaunchRequest(
            token=self._token,
            job_id=job.id,
            spec=spec,
            tasks=(Ref(job.id, attempt.claim.task_id, attempt.claim.attempt),),
            time_limit=spec.timeout,
            folder="",
            logs=log_start(spec) if self._options.log_files else None,
        )

    def _note(self, attempt: Attempt, ended: Task | None) -> bool:
        """Take note that an attempt was started, or has ended as it could not be; tell whether it runs."""
        # until now it counts as one that is still to run: nobody may think that all is over
        self._feed.dropped()
        self._feed.started()
        if ended is not None:
            self._ends.end_attempt(attempt, ended)
        return ended is None

    def free_slot(self) -> None:
        """Take back the slot of an attempt that ran."""
        self.slots.release()


def _most_seconds(job: JobState) -> float:
    return STALE_SECONDS if job.dependencies else DOUBT_SECONDS
