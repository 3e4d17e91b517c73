"""Which tasks of jobs have something to report; what succeeded without a word is not even read."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

from asyncjman.api import tasks
from asyncjman.api.logfiles import logs
from asyncjman.model.job import Job, Task
from asyncjman.model.selection import TaskFilter
from asyncjman.model.status import Status
from asyncjman.store import tasks as task_rows
from asyncjman.store.database import Reader

_FEW = 1000
"""Of more successes than this the log folder is read, instead of looking for the log of each."""
_PAGE = 500
_NO_SUCCESS = frozenset(Status) - {Status.SUCCESS}


class Reportable:
    """Finds the tasks to report, with what is known of their log folders: each is read once at most."""

    def __init__(self, database: Reader) -> None:
        self._database = database
        self._folders: dict[str, dict[str, list[int]]] = {}

    async def all_of(
        self, job: Job, only: Sequence[int] = (), wanted: TaskFilter | None = None
    ) -> AsyncIterator[Task]:
        """Yield the tasks that are asked for; without a choice those that have something to show."""
        if only or wanted or job.spec.array is None:
            async for task in tasks.select(self._database, job, only, wanted):
                yield task
            return
        # those without a row have not begun, and nothing was said of them
        async for task in tasks.with_rows(self._database, job.id):
            if task.started_at is not None or task.reason:
                yield task

    async def with_errors(
        self, job: Job, only: Sequence[int] = (), wanted: TaskFilter | None = None
    ) -> AsyncIterator[Task]:
        """Yield of these tasks those that did not succeed, and those that wrote errors."""
        if only or wanted or job.spec.array is None or job.counts.get(Status.SUCCESS, 0) < _FEW:
            async for task in self.all_of(job, only, wanted):
                if task.status is not Status.SUCCESS or has_content(_error_log(job, task.task_id)):
                    yield task
            return
        noisy = self._noisy(job)
        at = 0
        async for task in tasks.with_rows(self._database, job.id, _NO_SUCCESS):
            if task.started_at is None and not task.reason:
                continue
            before = at
            while at < len(noisy) and noisy[at] < task.task_id:
                at += 1
            async for one in self._successes(job.id, noisy[before:at]):
                yield one
            yield task
        async for one in self._successes(job.id, noisy[at:]):
            yield one

    async def _successes(self, job_id: int, task_ids: Sequence[int]) -> AsyncIterator[Task]:
        for start in range(0, len(task_ids), _PAGE):
            for task in await task_rows.some(self._database, job_id, task_ids[start : start + _PAGE]):
                if task.status is Status.SUCCESS:
                    yield task

    def _noisy(self, job: Job) -> list[int]:
        """Return the tasks of an array whose error logs have content, in order."""
        log = _error_log(job, 0)
        if log is None:
            return []
        folder, _, start = log.rpartition("/")
        if folder not in self._folders:
            self._folders[folder] = _error_logs_in(folder)
        return self._folders[folder].get(start, [])


def _error_logs_in(folder: str) -> dict[str, list[int]]:
    """Return the ids of the tasks whose error logs have content, by the beginning of the logs' names."""
    found: dict[str, list[int]] = defaultdict(list)
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            start, _, task_id = entry.name.rpartition(".")
            job = start.rpartition(".")[2]
            if job[:1] == "e" and job[1:].isdigit() and task_id.isdigit() and has_content(entry.path):
                found[start].append(int(task_id))
    return {start: sorted(task_ids) for start, task_ids in found.items()}


def _error_log(job: Job, task_id: int) -> str | None:
    paths = logs(job, task_id)
    return None if paths is None else paths[1]


def has_content(path: str | None) -> bool:
    """Tell whether there is something in a file."""
    try:
        return path is not None and os.stat(path).st_size > 0  # noqa: PTH116 - so often that it counts
    except OSError:
        return False
