"""What finished tasks used, from the cluster's accounting: one look for all of them."""

from __future__ import annotations

import time

from asyncjman.executors.sge.executor import SgeExecutor
from asyncjman.model.job import PLAIN_TASK
from asyncjman.store import submissions
from asyncjman.store.database import Database

GIVE_UP_SECONDS = 3600.0
"""After so long, what accounting doesn't know it won't."""


async def look_up_usage(database: Database, executor: SgeExecutor) -> None:
    """Store CPU seconds and peak memory of tasks that ended, where they aren't known yet.

    Accounting knows of a task up to 15 seconds after its end; what it doesn't know is asked again.
    """
    pending = await submissions.unaccounted(database)
    if not pending:
        return
    pattern = f"jm*_{await submissions.database_token(database)}*"
    known = await executor.account(pattern)
    by_grid_id = {one.grid_id: one for one in pending}
    rows = []
    seen: set[int] = set()
    for (grid_id, number), record in known.items():
        one = by_grid_id.get(grid_id)
        if one is None or one.token not in record.name:
            continue  # another job that was given the same number
        task_id = one.task_id(number) if one.mapped else number or PLAIN_TASK
        rows.append((record.cpu_seconds, record.peak_memory_bytes, one.job_id, task_id))
        seen.add(one.id)
    old = time.time() - GIVE_UP_SECONDS
    over = [one.id for one in pending if one.id in seen or one.created_at < old]
    if rows or over:
        async with database.transaction() as tx:
            await submissions.put_usage(tx, rows)
            await submissions.set_accounted(tx, over)
