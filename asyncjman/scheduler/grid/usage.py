"""What finished tasks used, from the cluster's accounting: one look for all of them."""

from __future__ import annotations

import math
from collections import defaultdict

from asyncjman.executors.sge.accounting import AccountingRecord
from asyncjman.executors.sge.executor import SgeExecutor
from asyncjman.model.job import Task
from asyncjman.store import submissions
from asyncjman.store.database import Database

GIVE_UP_SECONDS = 3600.0
"""So long after the end of an attempt, what accounting doesn't know it won't."""
SLACK_SECONDS = 1.0
"""Accounting has whole seconds."""


async def look_up_usage(database: Database, executor: SgeExecutor) -> None:
    """Store CPU seconds and peak memory of attempts that ended, where they aren't known yet.

    Accounting knows of a task up to 15 seconds after its end; what it doesn't know is asked again.
    """
    pending = await submissions.unaccounted(database)
    if not pending:
        return
    pattern = f"jm*_{await submissions.database_token(database)}*"
    known = await executor.account(pattern)
    if known is None:
        return
    by_grid_id = {one.grid_id: one for one in pending}
    attempts: dict[tuple[int, int], list[Task]] = defaultdict(list)
    for task in await submissions.ended_attempts(database, {one.job_id for one in pending}):
        attempts[task.job_id, task.task_id].append(task)
    rows = []
    # in their order: one attempt may start in the second in which the one before ended
    for record in sorted(known.values(), key=lambda record: record.started_at or 0.0):
        one = by_grid_id.get(record.grid_id)
        if one is None or one.token not in record.name:
            continue  # another job that was given the same number
        some = attempts[one.job_id, one.task_id(record.task_id) if one.mapped else record.task_id]
        ran = next((task for task in some if _is_of(record, task)), None)
        if ran is not None:
            some.remove(ran)
            if ran.cpu_seconds is None:
                usage = (record.cpu_seconds, record.peak_memory_bytes)
                rows.append((*usage, ran.job_id, ran.task_id, ran.attempt))
    recent = database.runtime.time() - GIVE_UP_SECONDS
    asked_again = {
        task.job_id
        for some in attempts.values()
        for task in some
        if task.cpu_seconds is None and (task.finished_at or 0.0) > recent
    }
    over = [one.id for one in pending if one.job_id not in asked_again]
    if rows or over:
        async with database.transaction() as tx:
            await submissions.put_usage(tx, rows)
            await submissions.set_accounted(tx, over)


def _is_of(record: AccountingRecord, task: Task) -> bool:
    """Tell whether an attempt started in the time that a record is about, both by the node's clock."""
    if record.started_at is None or task.started_at is None:
        return False
    end = math.inf if record.finished_at is None else record.finished_at
    return record.started_at - SLACK_SECONDS <= task.started_at <= end + SLACK_SECONDS
