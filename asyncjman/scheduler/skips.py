"""Storing what is skipped, where it is still right by the time that it is stored.

An engine decides from memory. Meanwhile another process may have submitted a predecessor again, or have
stopped it: what would be skipped then stays as it is, and is looked at once more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from asyncjman.model.array import ArraySpec
from asyncjman.model.graph import Dependency, Kind, Verdict
from asyncjman.model.job import Task
from asyncjman.model.status import Status
from asyncjman.scheduler.dependencies import judge
from asyncjman.store import claims, schedule, tasks, transitions
from asyncjman.store.database import Transaction
from asyncjman.store.schedule import JobSummary

Skip = tuple[int, tuple[int, ...], str]
"""Job id, the tasks (none: all that nobody holds), and the reason."""


@dataclass(slots=True)
class _Wanted:
    """What is to be skipped of a job."""

    claimed: list[Task] = field(default_factory=list)
    others: list[tuple[tuple[int, ...], str]] = field(default_factory=list)

    @property
    def tasks(self) -> set[int]:
        return {one.task_id for one in self.claimed}.union(*(task_ids for task_ids, _ in self.others))


async def store_skips(
    tx: Transaction, runner: int | None, claimed: Iterable[Task], others: Iterable[Skip], now: float
) -> tuple[list[int], set[int]]:
    """Skip tasks that a runner holds (``claimed``) and tasks that nobody holds.

    Returns the jobs that ended by it, and those of which something was not skipped: no dependency says
    so any more. What this runner held of these is released.
    """
    wanted: dict[int, _Wanted] = defaultdict(_Wanted)
    for task in claimed:
        wanted[task.job_id].claimed.append(task)
    for job_id, task_ids, reason in others:
        wanted[job_id].others.append((task_ids, reason))
    waits = await schedule.dependencies(tx, wanted)
    depended_on = {one.job_id for some in waits.values() for one in some}
    known = await schedule.summaries(tx, depended_on | wanted.keys())
    closed: list[int] = []
    wrong: set[int] = set()
    skipped: list[int] = []
    for job_id in sorted(known.keys() & wanted.keys()):  # a job depends on earlier ones only
        mine = waits.get(job_id, ())
        whole = judge(mine, known) is Verdict.SKIP
        may = None if whole else await _without_counterpart(tx, mine, known, wanted[job_id].tasks)
        if not await _store(tx, runner, job_id, wanted[job_id], may, now):
            wrong.add(job_id)
        if job_id in depended_on:
            closed += await transitions.close_jobs(tx, [job_id], now)
            known |= await schedule.summaries(tx, [job_id])
        else:
            skipped.append(job_id)
    return closed + await transitions.close_jobs(tx, skipped, now), wrong


async def _store(
    tx: Transaction, runner: int | None, job_id: int, wanted: _Wanted, may: set[int] | None, now: float
) -> bool:
    """Skip those of a job's tasks that may be (None: all); tell whether that was all that is wanted."""
    right = True
    skipped: list[Task] = []
    for task in wanted.claimed:
        if may is None or task.task_id in may:
            skipped.append(task)
        else:
            right = False
            await claims.release(tx, runner, [(job_id, task.task_id)], now)
    await claims.end(tx, runner, skipped)
    for task_ids, reason in wanted.others:
        some = tuple(one for one in task_ids if may is None or one in may)
        if some or (may is None and not task_ids):
            await transitions.end_unstarted(tx, job_id, Status.SKIPPED, reason, now, some)
        right = right and len(some) == len(task_ids) and (may is None or bool(task_ids))
    return right


async def _without_counterpart(
    tx: Transaction, waits: Iterable[Dependency], known: Mapping[int, JobSummary], task_ids: set[int]
) -> set[int]:
    """Return those of the tasks whose counterpart in a paired array ended, and not as a success."""
    found: set[int] = set()
    for one in waits:
        if one.kind is not Kind.CORR or not task_ids:
            continue
        other = known[one.job_id]
        if other.finished and other.array is not None:  # those that never ran have no row
            paired = task_ids.intersection(ArraySpec.parse(other.array))
            found |= paired - await tasks.successes(tx, other.id, paired)
        else:
            found |= await tasks.unsuccessful(tx, other.id, task_ids)
    return found
