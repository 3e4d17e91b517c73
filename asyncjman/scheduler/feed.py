"""Which tasks are claimed next, and how many ahead of time."""

from __future__ import annotations

from itertools import chain, zip_longest

from asyncjman.scheduler.job_state import JobState, Line
from asyncjman.scheduler.recorder import Recorder
from asyncjman.scheduler.workload import Workload
from asyncjman.store import jobs, tasks
from asyncjman.store.claims import Claim
from asyncjman.store.database import Database
from asyncjman.system.logs import display_name

LOOK_AHEAD_SECONDS = 0.25
MAX_LOOK_AHEAD = 512
_RATE_WINDOW = 0.1  # seconds


class Feed:
    """Claims tasks, in turn from each job that has some.

    As many as there are free slots, and as many more as were started in the last quarter of a second:
    short tasks find the next one ready, long ones are left to other processes.
    """

    def __init__(
        self, database: Database, workload: Workload, recorder: Recorder, names: dict[int, str]
    ) -> None:
        self._database = database
        self._workload = workload
        self._recorder = recorder
        self._names = names
        self.claims = 0
        """How many were claimed so far."""
        self.held = 0
        """Claimed, and not started."""
        self.waiting = 0
        """Of those: their dependencies haven't ended."""
        self.wants_more = False
        """Whether another process was faster, so that it is worth to try at once again."""
        self.stale: set[int] = set()
        """Jobs of which the store knows better: they are to be read again."""
        self._spans: list[tuple[int, int, int]] = []
        """Of arrays, what is being claimed: (job id, index of the first, of the next)."""
        self._full: set[int] = set()
        """Jobs that have as many tasks running as they may at a time."""
        self._rate = 0.0
        self._monotonic = database.runtime.monotonic
        self._rate_since = self._monotonic()
        self._starts = 0
        self._ahead = 0

    def has_enough(self, slots: int) -> bool:
        """Tell whether nothing is to be claimed before some of what is held has started."""
        return self.held - self.waiting > max(self._ahead // 2, slots)

    def started(self) -> None:
        self._starts += 1

    def dropped(self) -> None:
        """Take note that a claimed task has been started, or given back."""
        self.held -= 1

    def room_for(self, job: JobState) -> None:
        """Take note that a task of a job has ended."""
        if job.id in self._full:
            self._full.discard(job.id)
            self._workload.line_up(job)

    def room_for_all(self) -> None:
        """Take note that other processes did something."""
        for job_id in list(self._full):
            if job := self._workload.jobs.get(job_id):
                self.room_for(job)
            self._full.discard(job_id)

    async def claim(self, runner: int, free: int) -> list[tuple[JobState, Claim]]:
        """Claim what may be started now or in a moment, where there is room for it."""
        self.wants_more = False
        ahead = self._ahead = self._look_ahead()
        startable = self.held - self.waiting
        if startable > max(ahead // 2, 0) and startable >= free:
            return []
        self._spans.clear()
        ready = await self._pick(Line.READY, free + ahead - startable)
        picked = ready + await self._pick(Line.SOON, ahead - self.waiting)
        if not picked:
            return []
        order = _in_turn(picked)
        by_id = {job.id: job for job, _ in picked}
        arrays = {job.id: str(job.array) if job.array else None for job in by_id.values()}
        claimed = await self._recorder.claim(
            runner,
            [(job.id, task_id, arrays[job.id]) for job, task_id in order],
            list(self._spans),
            {job.id: job.throttle for job in by_id.values() if job.throttle},
            # the others start only once this engine has seen the ends that they wait for
            {job.id for job, _ in ready if job.dependencies},
        )
        full = set(claimed.full)
        for job_id, task_id in claimed.full:
            by_id[job_id].offer(task_id)
            self._full.add(job_id)
            by_id[job_id].line = None  # out of its line until a task of it has ended
        for job_id in {job_id for job_id, _ in claimed.blocked}:
            self.stale.add(job_id)
            by_id[job_id].line = None
        self.wants_more = len(claimed.claims) + len(claimed.full) + len(claimed.blocked) < len(order)
        await self._read_specs(by_id)
        taken = {(one.job_id, one.task_id): one for one in claimed.claims}
        self.held += len(claimed.claims)
        self.claims += len(claimed.claims)
        result = []
        for job, task_id in order:
            if one := taken.pop((job.id, task_id), None):
                result.append((job, one))
            else:
                self._workload.task_released(job)
                if (job.id, task_id) not in full:
                    # another process has it, or it was stopped: only the store knows what is left
                    self.stale.add(job.id)
        # of these some had ended, and were submitted again: others may be, too
        self.stale.update(job.id for job in by_id.values() if job.taken > job.left)
        return result

    async def _pick(self, which: Line, room: int) -> list[tuple[JobState, list[int]]]:
        line = self._workload.lines[which]
        picked: list[tuple[JobState, list[int]]] = []
        share = max(1, room // max(len(line), 1))
        while line and room > 0:
            job = line.popleft()
            if job.line is not which:
                continue
            job.line = None
            count = min(share, room)
            if job.throttle:
                count = min(count, job.throttle - job.taken)
                if count <= 0:
                    self._full.add(job.id)
                    continue
            start = job.next_index
            ids = job.give(count)
            if job.array is not None and job.next_index > start:
                self._spans.append((job.id, start, job.next_index))
            if len(ids) < count and job.has_rows and not job.pairing:
                ids += await self._resubmitted(job, count - len(ids))
            if ids:
                picked.append((job, ids))
                room -= len(ids)
                # counted at once: what waits only for this may be picked in the same round
                self._workload.claimed(job, len(ids))
            self._workload.line_up(job)
        return picked

    async def _resubmitted(self, job: JobState, count: int) -> list[int]:
        rows = await tasks.resubmitted(self._database, job.id, job.last_row, count)
        job.has_rows = len(rows) == count
        job.last_row = rows[-1] if rows else job.last_row
        return rows

    async def _read_specs(self, by_id: dict[int, JobState]) -> None:
        missing = [job.id for job in by_id.values() if job.spec is None]
        if missing:
            for job_id, spec in (await jobs.specs(self._database, missing)).items():
                by_id[job_id].spec = spec
                self._names[job_id] = display_name(spec)

    def _look_ahead(self) -> int:
        now = self._monotonic()
        if now - self._rate_since >= _RATE_WINDOW:
            self._rate = self._starts / (now - self._rate_since)
            self._starts, self._rate_since = 0, now
        return min(int(self._rate * LOOK_AHEAD_SECONDS), MAX_LOOK_AHEAD)


def _in_turn(picked: list[tuple[JobState, list[int]]]) -> list[tuple[JobState, int]]:
    """Return one task of each job, then the next of each, and so on: the slots are shared fairly."""
    columns = zip_longest(*([(job, task_id) for task_id in ids] for job, ids in picked))
    return [one for one in chain.from_iterable(columns) if one is not None]
