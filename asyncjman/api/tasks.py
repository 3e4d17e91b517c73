"""The tasks of a job as they stand, those that have no row in the database included."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence

from asyncjman.api.ids import check_tasks
from asyncjman.errors import BadSelection
from asyncjman.model.job import PLAIN_TASK, Job, Task
from asyncjman.model.selection import TaskFilter
from asyncjman.model.status import Status
from asyncjman.store import tasks
from asyncjman.store.rows import parsed_array

TYPE_CHECKING = False  # neither the typing module nor what waits is loaded for it
if TYPE_CHECKING:
    from asyncjman.store.source import Source

_PAGE = 500


async def select(
    database: Source, job: Job, only: Sequence[int] = (), wanted: TaskFilter | None = None
) -> AsyncIterator[Task]:
    """Yield all tasks of a job in order of id, those that nobody has claimed included; or ``only`` some.

    ``wanted`` leaves others out. What is deleted meanwhile is left out from there on.
    """
    statuses = wanted.having if wanted and not only else frozenset()
    now = await tasks.default_status(database, job.id) if statuses else None
    if now is not None and now[0] not in statuses:
        found = with_rows(database, job.id, statuses)
    else:
        found = _select(database, job, only)
    async for task in found:
        if wanted is None or wanted.matches(task):
            yield task


async def with_rows(
    database: Source, job_id: int, statuses: frozenset[Status] | None = None
) -> AsyncIterator[Task]:
    """Yield the tasks of a job that have a row (and are in one of ``statuses``), in order of id.

    Of a million tasks those that are not meant are not even read.
    """
    after = -1
    while rows := await tasks.page(database, job_id, after, _PAGE, statuses):
        for task in rows:
            yield task
        after = rows[-1].task_id


async def _select(database: Source, job: Job, only: Sequence[int]) -> AsyncIterator[Task]:
    for task_id in only:
        yield await get(database, job, task_id)
    if only:
        return
    array = job.spec.array
    pending = iter(array.sorted() if array else (PLAIN_TASK,))
    after = -1
    while True:
        async with database.snapshot() as view:
            now = await tasks.default_status(view, job.id)
            rows = await tasks.page(view, job.id, after, _PAGE)
        if now is None:
            return
        default, left = now
        if array is not None and left is not None and left != str(array):
            array = parsed_array(left)
            pending = iter([task_id for task_id in array.sorted() if task_id > after])
        for task in rows:
            for task_id in pending:
                if task_id == task.task_id:
                    break
                yield Task(job_id=job.id, task_id=task_id, status=default, attempt=1)
            yield task
            after = task.task_id
        if len(rows) < _PAGE:
            break
    for task_id in pending:
        yield Task(job_id=job.id, task_id=task_id, status=default, attempt=1)


async def get(database: Source, job: Job, task_id: int) -> Task:
    """Return one task. Raises BadSelection where the job has no such task, or is no more."""
    check_tasks(job, [task_id])
    task = await tasks.get(database, job.id, task_id)
    if task is not None:
        return task
    now = await tasks.default_status(database, job.id)
    if now is None:
        raise BadSelection(f"job {job.id} was deleted in this moment")
    return Task(job_id=job.id, task_id=task_id, status=now[0], attempt=1)


async def attempt(database: Source, task: Task, number: int) -> Task | None:
    """Return an attempt of a task by its number; None where there was none."""
    if task.attempt == number:
        return task
    earlier = await tasks.attempts(database, task.job_id, task.task_id)
    return next((one for one in earlier if one.attempt == number), None)


def by_hand(job: Job, task: Task) -> tuple[str, tuple[str, ...], dict[str, str]]:
    """Return folder, command and environment of a task, to run it by hand."""
    from asyncjman.system.environment import task_environment

    own = task_environment(job.spec, job.id, task.task_id, task.attempt)
    return job.spec.exec_dir, job.spec.argv(task.task_id), {**os.environ, **own}
