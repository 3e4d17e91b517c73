"""What a user wants to see of tasks that failed, once all is over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from asyncjman.api.logfiles import tail
from asyncjman.model.job import Job, Task
from asyncjman.store import jobs, tasks
from asyncjman.store.database import Reader
from asyncjman.system.logs import log_paths

MAX_FAILURES = 10
"""How many tasks are shown; the user is told how many there are."""
TAIL_LINES = 5


@dataclass(frozen=True, slots=True)
class Failure:
    """A task that failed, its job, its log and the log's last lines."""

    task: Task
    job: Job
    log: str | None
    tail: list[str]


async def failures_of(database: Reader, failed: Iterable[Task]) -> list[Failure]:
    """Return what to show of these tasks."""
    shown = list(failed)
    known = {job.id: job for job in await jobs.get(database, {task.job_id for task in shown})}
    return [_failure(task, known[task.job_id]) for task in shown if task.job_id in known]


async def first_failures(database: Reader, job_ids: Iterable[int]) -> list[Failure]:
    """Return what to show of the first tasks of these jobs that failed."""
    return await failures_of(database, await tasks.failed(database, job_ids, MAX_FAILURES))


def _failure(task: Task, job: Job) -> Failure:
    logs = log_paths(job.spec, task.job_id, task.task_id)
    texts = [(log, lines) for log in reversed(logs or ()) if (lines := tail(log, TAIL_LINES))]
    log, lines = texts[0] if texts else (logs[1] if logs else None, [])
    return Failure(task, job, log, lines)
