"""Logs as they are written."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from asyncjman.model.job import Job, Task
from asyncjman.model.status import FINISHED, Status
from asyncjman.store import jobs, tasks
from asyncjman.store.database import Reader
from asyncjman.system.logs import log_paths

_CHUNK = 1 << 16


class _Tail:
    """What has been read of one log file."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._offset = 0
        self._pending = b""

    def read(self, *, last: bool) -> bytes:
        """Return whole lines that are new; with ``last`` also one that has no end."""
        try:
            with Path(self._path).open("rb") as file:
                file.seek(self._offset)
                data = file.read(_CHUNK if not last else -1)
        except OSError:
            data = b""
        self._offset += len(data)
        lines, newline, self._pending = (self._pending + data).rpartition(b"\n")
        if last and self._pending:
            lines, newline, self._pending = lines + newline + self._pending, b"\n", b""
        return lines + newline


async def follow(database: Reader, job_ids: Sequence[int]) -> AsyncIterator[tuple[Task, int, bytes]]:
    """Yield (task, 1 or 2 for output or errors, whole lines) until all the jobs ended."""
    tails: dict[tuple[int, int], tuple[_Tail, _Tail]] = {}
    ended: set[tuple[int, int]] = set()
    version: tuple[int, int] | None = None
    while True:
        await database.renew()
        current = await jobs.get(database, job_ids)
        wrote = False
        for job in current:
            async for task in _started(database, job, ended):
                key = (task.job_id, task.task_id)
                if key not in tails:
                    paths = log_paths(job.spec, *key)
                    assert paths is not None
                    tails[key] = (_Tail(paths[0]), _Tail(paths[1]))
                last = task.status in FINISHED
                for number, one in enumerate(tails[key], 1):
                    if lines := one.read(last=last):
                        wrote = True
                        yield task, number, lines
                if last:
                    ended.add(key)
                    del tails[key]
        if all(job.status in FINISHED for job in current):
            return
        if not wrote:
            version = await database.change(version)  # what is written changes no row: that is the interval


async def _started(database: Reader, job: Job, ended: set[tuple[int, int]]) -> AsyncIterator[Task]:
    if job.spec.log_dir is None:
        return
    for task in [task async for task in tasks.select(database, job.id)]:
        started = task.status is Status.EXECUTING or task.status in FINISHED
        if started and (task.job_id, task.task_id) not in ended:
            yield task
