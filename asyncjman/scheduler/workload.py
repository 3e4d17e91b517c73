"""The unfinished jobs that an engine knows of: what each waits for, and whose tasks may be claimed.

All of this is in memory and without I/O: the engine tells it what happened, and is told through
``Decisions`` what follows from that.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Protocol

from asyncjman.model.graph import Dependency, Kind, Verdict, combine, verdict
from asyncjman.model.status import Status, roll_up
from asyncjman.scheduler.job_state import JobState, Line
from asyncjman.store.schedule import JobSummary


class Decisions(Protocol):
    """What follows from what happened."""

    def job_ready(self, job_id: int) -> None:
        """The job waits for nothing any more."""

    def skip(self, job_id: int, reason: str, task_ids: tuple[int, ...] = ()) -> None:
        """What nobody has claimed of the job (all, or some tasks) must not run."""


class Workload:
    """The unfinished jobs, and the two lines of those whose tasks may be claimed."""

    def __init__(self, decisions: Decisions) -> None:
        self._decisions = decisions
        self._waited_by: dict[int, set[int]] = {}
        self._ends: deque[tuple[int, Status, bool]] = deque()
        self.jobs: dict[int, JobState] = {}
        self.lines: dict[Line, deque[JobState]] = {Line.READY: deque(), Line.SOON: deque()}

    def enroll(self, summary: JobSummary, dependencies: tuple[Dependency, ...]) -> JobState:
        """Take in a job, or what the store says of a known one now.

        None of its tasks may start until ``decide`` is told what it depends on. What ends in between is
        taken in as ever: so nothing is missed while the store is asked.
        """
        job = self.jobs.get(summary.id)
        if job is None:
            job = self.jobs[summary.id] = JobState.of(summary, dependencies)
        else:
            self._forget_dependencies(job)
            job.dependencies = dependencies
            job.follow(summary)
        for one in dependencies:
            self._waited_by.setdefault(one.job_id, set()).add(job.id)
        return job

    def decide(
        self,
        job: JobState,
        ended: Mapping[int, JobSummary],
        counterparts: Mapping[int, Iterable[tuple[int, Status]]],
    ) -> None:
        """Take in how the dependencies of a job stand.

        ``ended`` has the jobs it waits for that have ended; ``counterparts`` the tasks that ended of the
        arrays it is paired with.
        """
        for other_id, outcomes in counterparts.items():
            for task_id, status in outcomes:
                self.counterpart_ended(job, other_id, task_id, status)
        early, job.early = job.early or [], None
        for other_id, status, stop_on_failure in early:
            self._judge(job, other_id, status, stop_on_failure=stop_on_failure)
        if job.id not in self.jobs:
            return  # it ended by what others were decided
        for other_id in sorted(job.undecided & ended.keys()):
            other = ended[other_id]
            self._judge(job, other_id, other.status, stop_on_failure=other.stop_on_failure)
        job.look_again()
        self.line_up(job)
        self._end_if_done(job)

    def verdict(self, job: JobState, task_id: int) -> Verdict:
        """Say whether a claimed task may start, as its dependencies stand now."""
        if job.skipped:
            return Verdict.SKIP
        if job.blocked_by or (job.pairing is not None and not job.pairing.allows(task_id)):
            return Verdict.WAIT
        return Verdict.GO

    def is_next(self, job: JobState) -> bool:
        """Tell whether a job waits only for jobs of which this engine holds all that is left."""
        waits = job.blocked_by
        return (
            bool(waits)
            and not job.pairing
            and all(one in self.jobs and self.jobs[one].all_taken for one in waits)
        )

    def dependents(self, job_id: int) -> list[int]:
        """Return the known jobs that depend on a job, whether or not it has ended."""
        return [job.id for job in self._waiting_for(job_id)]

    def claimed(self, job: JobState, count: int) -> None:
        """Take note that this engine holds so many more of a job's tasks."""
        job.taken += count
        if job.all_taken:
            for other in self._waiting_for(job.id):
                self.line_up(other)

    def task_ended(self, job: JobState, task_id: int, status: Status) -> None:
        """Take note that a task that this engine held has ended."""
        job.taken -= 1
        job.finished[status] += 1
        if job.array is not None:
            for other in self._waiting_for(job.id):
                if other.pairing is not None and job.id in other.pairing.with_jobs:
                    self.counterpart_ended(other, job.id, task_id, status)
        self._end_if_done(job)

    def task_released(self, job: JobState) -> None:
        """Take note that a task was released."""
        job.taken -= 1
        for other in self._waiting_for(job.id):
            other.look_again()

    def counterpart_ended(self, job: JobState, other: int, task_id: int, status: Status) -> None:
        """Take note that task ``task_id`` of ``other`` ended, for which the same task of ``job`` waits."""
        assert job.pairing is not None and job.array is not None
        if task_id not in job.array:
            return
        if status is Status.SUCCESS:
            if job.pairing.meet(other, task_id):
                job.offer(task_id)
                self.line_up(job)
        else:
            self._skip_tasks(job, other, [task_id])

    def job_ended(self, job_id: int, status: Status, *, stop_on_failure: bool) -> None:
        """Take note that a job ended, here or elsewhere."""
        self._ends.append((job_id, status, stop_on_failure))
        if len(self._ends) > 1:
            return  # one end has led to another: a loop below, as deep recursion has its limit
        while self._ends:
            self._take_in_end(*self._ends[0])
            self._ends.popleft()

    def job_deleted(self, job_id: int) -> None:
        """Take note that a job is no more; what depended on it is to be enrolled anew."""
        job = self.jobs.pop(job_id, None)
        if job is not None:
            job.fresh = job.has_rows = False
            job.offered = None
            job.line = None
            self._forget_dependencies(job)

    def _forget_dependencies(self, job: JobState) -> None:
        for one in job.dependencies:
            waiting = self._waited_by.get(one.job_id, set())
            waiting.discard(job.id)
            if not waiting:
                self._waited_by.pop(one.job_id, None)

    def _take_in_end(self, job_id: int, status: Status, stop_on_failure: bool) -> None:
        self.job_deleted(job_id)
        for other in self._waiting_for(job_id):
            self._judge(other, job_id, status, stop_on_failure=stop_on_failure)
            self.line_up(other)
            self._end_if_done(other)

    def is_waited_for(self, job_id: int) -> bool:
        return job_id in self._waited_by

    def pairs_with(self, job_id: int) -> list[JobState]:
        """Return the jobs whose tasks wait for the tasks of this one."""
        return [
            one
            for one in self._waiting_for(job_id)
            if one.pairing is not None and job_id in one.pairing.with_jobs
        ]

    def _waiting_for(self, job_id: int) -> list[JobState]:
        ids = self._waited_by.get(job_id)
        return [self.jobs[one] for one in sorted(ids) if one in self.jobs] if ids else []

    def _judge(self, job: JobState, other: int, status: Status, *, stop_on_failure: bool) -> None:
        """Draw the conclusion for ``job`` from the end of a job that it waits for."""
        if other not in job.undecided:
            return
        if job.early is not None:
            job.early.append((other, status, stop_on_failure))
            return
        job.undecided.discard(other)
        kinds = {one.kind for one in job.dependencies if one.job_id == other}
        if Kind.CORR in kinds and status is not Status.SUCCESS:
            kinds.discard(Kind.CORR)
            assert job.array is not None and job.pairing is not None
            met = job.pairing.met[other]
            self._skip_tasks(job, other, [one for one in job.array if one not in met])
        decision = combine(verdict(kind, status, stop_on_failure=stop_on_failure) for kind in kinds)
        if decision is Verdict.SKIP:
            self._skip(job, other)
        elif not job.undecided and not job.skipped:
            self._decisions.job_ready(job.id)
        job.look_again()

    def _skip(self, job: JobState, other: int) -> None:
        if job.skipped:
            return
        job.skipped = True
        job.skip_reason = f"because of job {other}"
        self._decisions.skip(job.id, job.skip_reason)
        job.finished[Status.SKIPPED] += max(0, job.left - job.taken - job.elsewhere)

    def _skip_tasks(self, job: JobState, other: int, task_ids: list[int]) -> None:
        assert job.pairing is not None
        to_cancel = tuple(one for one in task_ids if one not in job.pairing.resolved)
        if to_cancel and not job.skipped:
            job.pairing.resolved.update(to_cancel)
            job.finished[Status.SKIPPED] += len(to_cancel)
            self._decisions.skip(job.id, f"because of the same task of job {other}", to_cancel)
            self._end_if_done(job)

    def line_up(self, job: JobState) -> None:
        """Put a job into the line where it belongs, if it has tasks to be claimed."""
        if not job.may_give or job.id not in self.jobs:
            return
        line: Line | None = None
        if not job.blocked_by:
            line = Line.READY
        elif self.is_next(job):
            line = Line.SOON
        if line is not None and line is not job.line:
            job.line = line
            self.lines[line].append(job)

    def _end_if_done(self, job: JobState) -> None:
        if job.left <= 0 and not job.taken and job.id in self.jobs:
            self.job_ended(job.id, roll_up(job.finished), stop_on_failure=job.stop_on_failure)
