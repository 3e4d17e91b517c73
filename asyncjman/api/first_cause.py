"""From a job that was skipped back to what went wrong first."""

from __future__ import annotations

from asyncjman.api import tasks
from asyncjman.model.graph import Verdict, verdict
from asyncjman.model.job import Job, Task
from asyncjman.model.selection import TaskFilter
from asyncjman.model.status import FINISHED, Status, in_words
from asyncjman.store import failures, jobs
from asyncjman.store.database import Reader

_FAILED = TaskFilter(statuses=frozenset({Status.FAILURE}))
_MOST_STEPS = 1000


async def first_cause(database: Reader, job: Job) -> str | None:
    """Return ``7 ← 4 ← 1 failed: exit status 1`` for a skipped job 7; None where nothing explains it now.

    What it waited for may have run again, or be deleted, since the job was skipped.
    """
    steps = [str(job.id)]
    while job.status is Status.SKIPPED and len(steps) < _MOST_STEPS:
        predecessor = await _that_skips(database, job)
        if predecessor is None:
            return None
        job = predecessor
        steps.append(str(job.id))
    if job.status not in FINISHED:
        return None
    chain = f"{' ← '.join(_shortened(steps))} {in_words(job.status)}"
    if job.status is Status.FAILURE and (failed := await _failed(database, job)):
        task, count = failed
        words = await failures.signature_text(database, task.job_id, task.task_id, task.attempt)
        chain += f": {_described(job, task, count, words)}"
    return chain


async def _that_skips(database: Reader, job: Job) -> Job | None:
    kinds = [(one.job_id, one.kind) for one in job.spec.dependencies]
    others = {one.id: one for one in await jobs.get(database, {job_id for job_id, _ in kinds})}
    for job_id, kind in kinds:
        other = others.get(job_id)
        if other is None:
            continue
        stop_on_failure = other.spec.stop_on_failure
        if verdict(kind, other.status, stop_on_failure=stop_on_failure) is Verdict.SKIP:
            return other
    return None


def _shortened(steps: list[str]) -> list[str]:
    return steps if len(steps) <= 6 else [*steps[:3], "…", *steps[-2:]]


async def _failed(database: Reader, job: Job) -> tuple[Task, int] | None:
    """Return the first task that failed, and how many did."""
    async for task in tasks.select(database, job, (), _FAILED):
        return task, job.counts.get(Status.FAILURE, 1)
    return None


def _described(job: Job, task: Task, count: int, signature: str) -> str:
    """Say why the first task failed, with its signature where that says more, and how many others did."""
    reason = task.reason or "no reason is known"
    if signature and signature != reason:
        reason += f" ({signature})"
    if not task.task_id:
        return reason
    given = "".join(f" {name}={value}" for name, value in job.spec.parameters(task.task_id).items())
    more = f", and {count - 1} more" if count > 1 else ""
    return f"{job.id}.{task.task_id}{given}: {reason}{more}"
