"""Whether tasks may start, by their dependencies as the store has them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from asyncjman.model.graph import Dependency, Kind, Verdict, combine, verdict
from asyncjman.store import schedule, tasks
from asyncjman.store.database import Transaction
from asyncjman.store.schedule import Outline


def judge(dependencies: Iterable[Dependency], others: Mapping[int, Outline]) -> Verdict:
    """Judge all dependencies of a job but the pairings, which are judged task by task (CORR)."""
    return combine(
        verdict(one.kind, others[one.job_id].status, stop_on_failure=others[one.job_id].stop_on_failure)
        if others[one.job_id].finished
        else Verdict.WAIT
        for one in dependencies
        if one.kind is not Kind.CORR
    )


async def held_back(tx: Transaction, wanted: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
    """Return those of the wanted (job id, task id) that must not start as their dependencies stand now."""
    by_job: dict[int, set[int]] = defaultdict(set)
    for job_id, task_id in wanted:
        by_job[job_id].add(task_id)
    waits = await schedule.dependencies(tx, by_job)
    others = await schedule.outlines(tx, {one.job_id for some in waits.values() for one in some})
    denied: set[tuple[int, int]] = set()
    for job_id, task_ids in by_job.items():
        dependencies = waits.get(job_id, ())
        allowed = set(task_ids) if judge(dependencies, others) is Verdict.GO else set()
        for one in dependencies:
            if one.kind is Kind.CORR and allowed:
                allowed &= await tasks.successes(tx, one.job_id, allowed)
        denied.update((job_id, task_id) for task_id in task_ids - allowed)
    return denied
