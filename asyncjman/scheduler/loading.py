"""Reading jobs, and reading them again, so that the workload is as the store has it."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence, Set

from asyncjman.model.graph import Dependency, Kind
from asyncjman.scheduler.dependencies import counterparts
from asyncjman.scheduler.job_state import JobState
from asyncjman.scheduler.recorder import Recorder
from asyncjman.scheduler.workload import Workload
from asyncjman.store import array_index, schedule, tasks
from asyncjman.store.database import Database, Transaction
from asyncjman.store.schedule import JobSummary

_JOBS = 5000
"""So many are read at a time: what is read of one takes more memory than what is kept."""


class Loader:
    """Takes the jobs of one engine into a workload."""

    def __init__(
        self,
        database: Database,
        workload: Workload,
        recorder: Recorder,
        names: dict[int, str],
        *,
        engine_name: str,
        only: Set[int] | None,
    ) -> None:
        """``only``: the jobs that are taken in; None: all. It may grow."""
        self._database = database
        self._workload = workload
        self._recorder = recorder
        self._names = names
        self._engine_name = engine_name
        self._only = only
        self._lock = asyncio.Lock()
        self.has_begun = False
        """Whether the jobs that are there are read, or being read."""

    async def load_first(self) -> None:
        async with self._lock:
            self.has_begun = True
            await self._load_in_portions(await schedule.open_jobs(self._database))

    async def load(self, job_ids: Collection[int]) -> None:
        """Read these jobs, or read them again."""
        async with self._lock:
            await self._load_in_portions(list(job_ids))

    async def load_all(self) -> None:
        await self.load(await schedule.open_jobs(self._database))

    async def _load_in_portions(self, job_ids: Sequence[int]) -> None:
        for start in range(0, len(job_ids), _JOBS):
            await self._load(job_ids[start : start + _JOBS])

    async def waits_for_another_engine(self) -> bool:
        """Tell whether a job waits for an unfinished one that another engine runs."""
        outside = {
            other
            for job in self._workload.jobs.values()
            for other in job.undecided
            if other not in self._workload.jobs
        }
        pending = await schedule.summaries(self._database, outside)
        return any(not one.finished and one.engine != self._engine_name for one in pending.values())

    async def _load(self, job_ids: Collection[int]) -> None:
        enrolled, changed = await self._enroll(job_ids)
        # what depends on a job that is open again waits again; on one that was deleted, no more
        dependents = {one for job_id in changed for one in self._workload.dependents(job_id)}
        if dependents := dependents - enrolled.keys():
            enrolled |= (await self._enroll(dependents))[0]
        others = {one.job_id for job in enrolled.values() for one in job.dependencies}
        summaries = await self._recorder.summaries(others) if others else {}
        for job in enrolled.values():
            # one that was deleted in this moment is heard of next
            known = [summaries[one.job_id] for one in job.dependencies if one.job_id in summaries]
            ends = {}
            if job.pairing is not None and job.array is not None:
                paired = [one for one in known if one.id in job.pairing.with_jobs]
                ends = await counterparts(self._database, job.array, paired)
            self._workload.decide(job, {one.id: one for one in known if one.finished}, ends)

    async def _enroll(self, job_ids: Collection[int]) -> tuple[dict[int, JobState], list[int]]:
        """Read these jobs; return those that this engine runs, and which of all are open, or deleted."""
        waits: dict[int, tuple[Dependency, ...]] = {}
        unclaimable: dict[int, set[int]] = {}

        async def read(tx: Transaction) -> None:
            waits.clear()
            waits.update(await schedule.dependencies(tx, job_ids))
            for job_id, some in waits.items():
                if any(one.kind is Kind.CORR for one in some):
                    unclaimable[job_id] = await tasks.unclaimable(tx, job_id)

        summaries = await self._recorder.summaries(job_ids, read)
        enrolled: dict[int, JobState] = {}
        for job_id, summary in summaries.items():
            if not self._is_mine(summary):
                if not summary.finished and job_id in self._workload.jobs:
                    self._workload.job_deleted(job_id)  # it was moved to another engine
                continue
            job = enrolled[job_id] = self._workload.enroll(summary, waits.get(job_id, ()))
            self._names.setdefault(job_id, job.name)
            if job.pairing is not None:
                job.pairing.resolved.update(unclaimable[job_id])
            if not summary.unfinished:
                self._recorder.touch(job_id)  # somebody was killed before it said so
        for job in enrolled.values():
            if job.fresh and job.array is not None and job.next_index == 0 and job.task_count > job.left:
                job.next_index = await array_index.first_gap(self._database, job.id, job.array)
        for job_id in job_ids:
            outline_or_none = summaries.get(job_id)
            if outline_or_none is None or outline_or_none.finished:
                await self._end_elsewhere(job_id, outline_or_none)
        return enrolled, [one for one in job_ids if one not in summaries or not summaries[one].finished]

    def _is_mine(self, summary: JobSummary) -> bool:
        chosen = self._only is None or summary.id in self._only
        return not summary.finished and summary.engine == self._engine_name and chosen

    async def _end_elsewhere(self, job_id: int, summary: JobSummary | None) -> None:
        """Take in that a job has ended in another process, or was deleted."""
        if summary is None:
            self._workload.job_deleted(job_id)
            return
        if job_id not in self._workload.jobs and not self._workload.is_waited_for(job_id):
            return
        for waiting in self._workload.pairs_with(job_id):
            if waiting.array is not None:
                ends = await counterparts(self._database, waiting.array, [summary])
                for task_id, status in ends[job_id]:
                    self._workload.counterpart_ended(waiting, job_id, task_id, status)
        self._workload.job_ended(job_id, summary.status, stop_on_failure=summary.stop_on_failure)
