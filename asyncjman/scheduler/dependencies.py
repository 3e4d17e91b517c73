"""Whether tasks may start, by their dependencies as the store has them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from asyncjman.model.array import ArraySpec
from asyncjman.model.graph import Dependency, Kind, Verdict, combine, verdict
from asyncjman.model.status import Status
from asyncjman.store import schedule, tasks
from asyncjman.store.database import Database, Transaction
from asyncjman.store.schedule import JobSummary


def judge(dependencies: Iterable[Dependency], others: Mapping[int, JobSummary]) -> Verdict:
    """Judge all dependencies of a job but the pairings, which are judged task by task (CORR)."""
    return combine(
        verdict(one.kind, others[one.job_id].status, stop_on_failure=others[one.job_id].stop_on_failure)
        if others[one.job_id].finished
        else Verdict.WAIT
        for one in dependencies
        if one.kind is not Kind.CORR
    )


def unpaired(array: ArraySpec, other: ArraySpec) -> list[int]:
    """Return the tasks of an array whose counterparts in the other one are no more: they were deleted.

    Nothing holds these back, just as a job that was deleted holds nothing back.
    """
    return [] if array.ranges == other.ranges else [task_id for task_id in array if task_id not in other]


async def counterparts(
    source: Database | Transaction, array: ArraySpec, others: Iterable[JobSummary]
) -> dict[int, list[tuple[int, Status]]]:
    """Return how the counterparts of an array's tasks ended in the arrays that it is paired with."""
    found: dict[int, list[tuple[int, Status]]] = {}
    for other in others:
        assert other.array is not None
        missing = unpaired(array, ArraySpec.parse(other.array))
        found[other.id] = await tasks.outcomes(source, other.id)
        found[other.id] += [(task_id, Status.SUCCESS) for task_id in missing]
    return found


async def held_back(tx: Transaction, wanted: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
    """Return those of the wanted (job id, task id) that must not start as their dependencies stand now."""
    by_job: dict[int, set[int]] = defaultdict(set)
    for job_id, task_id in wanted:
        by_job[job_id].add(task_id)
    waits = await schedule.dependencies(tx, by_job)
    others = await schedule.summaries(tx, {one.job_id for some in waits.values() for one in some})
    denied: set[tuple[int, int]] = set()
    for job_id, task_ids in by_job.items():
        dependencies = waits.get(job_id, ())
        allowed = set(task_ids) if judge(dependencies, others) is Verdict.GO else set()
        for one in dependencies:
            if one.kind is Kind.CORR and allowed:
                other = others[one.job_id].array
                assert other is not None
                paired = allowed.intersection(ArraySpec.parse(other))
                allowed -= paired - await tasks.successes(tx, one.job_id, paired)
        denied.update((job_id, task_id) for task_id in task_ids - allowed)
    return denied
