"""Waiting for jobs, whoever runs them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from asyncjman.store import jobs, schedule, tasks
from asyncjman.store.database import Reader


async def until_finished(database: Reader, job_ids: Iterable[int], timeout: float | None = None) -> None:
    """Return when the jobs ended or were deleted. Raises TimeoutError after ``timeout`` seconds."""
    async with asyncio.timeout(timeout):
        left = set(job_ids)
        version, revision = None, 0
        while left:
            version = await database.next_change(version)
            changed, revision = await jobs.changed_since(database, revision)
            summaries = await schedule.summaries(database, left.intersection(changed))
            left -= {one for one in changed if one not in summaries or summaries[one].finished}


async def until_tasks_finished(
    database: Reader, wanted: Mapping[int, Sequence[int]], timeout: float | None = None
) -> None:
    """Return when these tasks, by job id, ended or were deleted.

    Raises TimeoutError after ``timeout`` seconds.
    """
    async with asyncio.timeout(timeout):
        left = dict(wanted)
        version = None
        while left:
            version = await database.next_change(version)
            left = {
                job_id: some
                for job_id, some in left.items()
                if await tasks.count_open(database, job_id, some)
            }
