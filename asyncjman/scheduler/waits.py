"""Waiting for jobs, whoever runs them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from asyncjman.store import jobs, schedule
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
