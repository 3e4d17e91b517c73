"""Reading tasks.

A task that is just as ``job.default_status`` says has no row. Rows come with the first claim.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Iterable, Sequence

from asyncjman.model.job import PLAIN_TASK, Task
from asyncjman.model.status import FINISHED, Status
from asyncjman.store.rows import TASK_COLUMNS, status_of, task_of

TYPE_CHECKING = False  # neither the typing module nor what waits is loaded for it
if TYPE_CHECKING:
    from asyncjman.store.database import Reader
    from asyncjman.store.source import Source
    from asyncjman.store.transaction import Transaction

CLAIMABLE = "('submitted', 'waiting')"
UNSTARTED = "('submitted', 'waiting', 'queued')"
UNSENT = "('submitted')"
"""Where a job is on a cluster: what is still to be sent there."""


async def held_counts(tx: Transaction, job_ids: Iterable[int]) -> dict[int, int]:
    """Return how many tasks of each of these jobs runners hold, whichever runner."""
    rows = await tx.fetch(
        "SELECT job_id, sum(count) FROM status_count WHERE job_id IN (SELECT value FROM json_each(?)) "
        "AND status IN ('queued', 'executing') GROUP BY job_id",
        (json.dumps(list(job_ids)),),
    )
    return {row[0]: row[1] for row in rows}


async def to_stop(database: Source, runner: int) -> list[tuple[int, int]]:
    """Return (job id, task id) of what this runner is asked to stop."""
    rows = await database.fetch("SELECT job_id, task_id FROM task WHERE stop = 1 AND runner = ?", (runner,))
    return [(row[0], row[1]) for row in rows]


async def held_jobs(source: Source, job_ids: Iterable[int], task_ids: Sequence[int] = ()) -> list[int]:
    """Return those of the jobs of which a runner holds a task (any, or one of ``task_ids``)."""
    of_tasks = "" if not task_ids else " AND task_id IN (SELECT value FROM json_each(?))"
    rows = await source.fetch(
        "SELECT value FROM json_each(?) AS one WHERE EXISTS (SELECT 1 FROM task "
        "WHERE job_id = one.value AND finished_at IS NULL "
        f"AND status IN ('queued', 'executing'){of_tasks})",
        (json.dumps(list(job_ids)), *([json.dumps(list(task_ids))] if task_ids else [])),
    )
    return [row[0] for row in rows]


async def default_status(source: Source, job_id: int) -> tuple[Status, str | None] | None:
    """Return the status of those tasks that have no row of their own, and the array as it is now.

    None where the job was deleted.
    """
    rows = await source.fetch("SELECT default_status, array FROM job WHERE id = ?", (job_id,))
    return (status_of(rows[0][0], job_id), rows[0][1]) if rows else None


async def others_hold(database: Source, runner: int) -> bool:
    """Tell whether other runners hold tasks."""
    rows = await database.fetch(
        "SELECT 1 FROM task WHERE finished_at IS NULL AND status IN ('queued', 'executing') "
        "AND runner <> ? LIMIT 1",
        (runner,),
    )
    return bool(rows)


async def outcomes(database: Source, job_id: int) -> list[tuple[int, Status]]:
    """Return (task id, status) of the finished tasks of a job that have rows."""
    rows = await database.fetch(
        "SELECT task_id, status FROM task WHERE job_id = ? AND finished_at IS NOT NULL", (job_id,)
    )
    return [(row[0], status_of(row[1], job_id)) for row in rows]


async def ends(source: Source, job_id: int) -> list[tuple[int, bool, int]]:
    """Return (task id, whether it is a success, attempt) of the tasks of a job that ran, or were stopped."""
    rows = await source.fetch(
        "SELECT task_id, status = 'success', attempt FROM task WHERE job_id = ? "
        "AND finished_at IS NOT NULL AND status <> 'skipped'",
        (job_id,),
    )
    return [(row[0], bool(row[1]), row[2]) for row in rows]


async def count_open(source: Source, job_id: int, task_ids: Sequence[int]) -> int:
    """Return how many of these tasks have not ended; of a job that was deleted none."""
    known = await source.fetch("SELECT default_status FROM job WHERE id = ?", (job_id,))
    if not known:
        return 0
    rows = await source.fetch(
        "SELECT count(*), count(finished_at) FROM task WHERE job_id = ? "
        "AND task_id IN (SELECT value FROM json_each(?))",
        (job_id, json.dumps(list(task_ids))),
    )
    have_rows, ended = rows[0]
    untouched = 0 if status_of(known[0][0], job_id) in FINISHED else len(task_ids) - have_rows
    return int(have_rows - ended + untouched)


async def successes(source: Source, job_id: int, task_ids: Iterable[int]) -> set[int]:
    """Return which of these tasks of a job succeeded."""
    rows = await source.fetch(
        "SELECT task_id FROM task WHERE job_id = ? AND status = 'success' "
        "AND task_id IN (SELECT value FROM json_each(?))",
        (job_id, json.dumps(list(task_ids))),
    )
    return {row[0] for row in rows}


async def unsuccessful(source: Source, job_id: int, task_ids: Iterable[int]) -> set[int]:
    """Return which of these tasks of a job ended, and did not succeed."""
    rows = await source.fetch(
        "SELECT task_id FROM task WHERE job_id = ? AND finished_at IS NOT NULL AND status <> 'success' "
        "AND task_id IN (SELECT value FROM json_each(?))",
        (job_id, json.dumps(list(task_ids))),
    )
    return {row[0] for row in rows}


async def unclaimable(source: Source, job_id: int, *, queued_too: bool = True) -> set[int]:
    """Return the tasks of a job that are claimed, or that ended: by a row, or with all that have none.

    ``queued_too``: whether what is held and has not started counts.
    """
    states = CLAIMABLE if queued_too else UNSTARTED
    rows = await source.fetch("SELECT array, default_status FROM job WHERE id = ?", (job_id,))
    free = {Status.SUBMITTED, Status.WAITING} | (set() if queued_too else {Status.QUEUED})
    if rows and rows[0][0] is not None and status_of(rows[0][1]) not in free:
        from asyncjman.model.array import ArraySpec

        claimable = await source.fetch(
            f"SELECT task_id FROM task WHERE job_id = ? AND status IN {states}", (job_id,)
        )
        return set(ArraySpec.parse(rows[0][0])) - {row[0] for row in claimable}
    rows = await source.fetch(
        f"SELECT task_id FROM task WHERE job_id = ? AND status NOT IN {states}", (job_id,)
    )
    return {row[0] for row in rows}


async def resubmitted(database: Source, job_id: int, after: int, limit: int) -> list[int]:
    """Return tasks that have a row and wait to be claimed again, in order."""
    rows = await database.fetch(
        "SELECT task_id FROM task WHERE job_id = ? AND task_id > ? AND finished_at IS NULL "
        "AND status IN ('submitted', 'waiting') ORDER BY task_id LIMIT ?",
        (job_id, after, limit),
    )
    return [row[0] for row in rows]


async def ended_in(
    tx: Transaction, job_id: int, statuses: Iterable[Status], task_ids: Sequence[int] = ()
) -> list[tuple[int, int]]:
    """Return (task id, attempt) of the tasks (all, or of ``task_ids``) that are in one of ``statuses``."""
    of_tasks = "" if not task_ids else " AND task_id IN (SELECT value FROM json_each(?))"
    rows = await tx.fetch(
        "SELECT task_id, attempt FROM task WHERE job_id = ? "
        f"AND status IN (SELECT value FROM json_each(?)){of_tasks}",
        (job_id, json.dumps(list(statuses)), *([json.dumps(list(task_ids))] if task_ids else [])),
    )
    return [(row[0], row[1]) for row in rows]


async def select(database: Reader, job_id: int) -> AsyncIterator[Task]:
    """Yield the tasks of a job that have rows, in order of id."""
    async for row in database.stream(
        f"SELECT {TASK_COLUMNS} FROM task WHERE job_id = ? ORDER BY task_id", (job_id,)
    ):
        yield task_of(row)


async def page(
    source: Source, job_id: int, after: int, limit: int, statuses: Collection[Status] | None = None
) -> list[Task]:
    """Return the next tasks of a job that have rows (and are in one of ``statuses``), in order of id."""
    in_statuses, values = "", []
    if statuses is not None and set(statuses) == {Status.FAILURE}:
        in_statuses = " AND status = 'failure'"  # in these words there is an index for it
    elif statuses is not None:
        in_statuses, values = " AND status IN (SELECT value FROM json_each(?))", [json.dumps([*statuses])]
    rows = await source.fetch(
        f"SELECT {TASK_COLUMNS} FROM task WHERE job_id = ? AND task_id > ?{in_statuses} "
        "ORDER BY task_id LIMIT ?",
        (job_id, after, *values, limit),
    )
    return [task_of(row) for row in rows]


async def some(source: Source, job_id: int, task_ids: Sequence[int]) -> list[Task]:
    """Return those of these tasks of a job that have rows, in order of id."""
    rows = await source.fetch(
        f"SELECT {TASK_COLUMNS} FROM task WHERE job_id = ? "
        "AND task_id IN (SELECT value FROM json_each(?)) ORDER BY task_id",
        (job_id, json.dumps(list(task_ids))),
    )
    return [task_of(row) for row in rows]


async def get(database: Source, job_id: int, task_id: int) -> Task | None:
    """Return a task that has a row."""
    rows = await database.fetch(
        f"SELECT {TASK_COLUMNS} FROM task WHERE job_id = ? AND task_id = ?", (job_id, task_id)
    )
    return task_of(rows[0]) if rows else None


async def latest_attempts(
    tx: Transaction, job_id: int, after: int, limit: int, task_ids: Sequence[int] = ()
) -> list[tuple[int, int]]:
    """Return (task id, attempt) of the tasks that have a row and an id above ``after``, in order.

    ``task_ids``: only these; (): all.
    """
    of_tasks = "" if not task_ids else " AND task_id IN (SELECT value FROM json_each(?))"
    rows = await tx.fetch(
        f"SELECT task_id, attempt FROM task WHERE job_id = ? AND task_id > ?{of_tasks} "
        "ORDER BY task_id LIMIT ?",
        (job_id, after, *([json.dumps(list(task_ids))] if task_ids else []), limit),
    )
    return [(row[0], row[1]) for row in rows]


async def plain_attempts(
    source: Source, job_ids: Iterable[int], statuses: Iterable[Status] = tuple(Status)
) -> dict[int, int]:
    """Return the number of the latest attempt of those of the jobs with no array whose task has a row, and is
    in one of ``statuses``.
    """
    rows = await source.fetch(
        f"SELECT job_id, attempt FROM task WHERE job_id IN (SELECT value FROM json_each(?)) "
        f"AND task_id = {PLAIN_TASK} AND status IN (SELECT value FROM json_each(?))",
        (json.dumps(list(job_ids)), json.dumps(list(statuses))),
    )
    return {row[0]: row[1] for row in rows}


async def attempts_since(database: Source, job_id: int, moment: float) -> list[Task]:
    """Return the attempts before the latest of a job's tasks that ended after ``moment`` (since 1970)."""
    rows = await database.fetch(
        f"SELECT {TASK_COLUMNS} FROM attempt WHERE job_id = ? AND finished_at > ?", (job_id, moment)
    )
    return [task_of(row) for row in rows]


async def attempts(database: Source, job_id: int, task_id: int) -> list[Task]:
    """Return the attempts of a task before its latest, the first one first."""
    rows = await database.fetch(
        f"SELECT {TASK_COLUMNS} FROM attempt WHERE job_id = ? AND task_id = ? ORDER BY attempt",
        (job_id, task_id),
    )
    return [task_of(row) for row in rows]


async def first_attempts(source: Source, keys: Sequence[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """Return from which attempt on the retries of tasks, (job id, task id), count."""
    if not keys:
        return {}
    rows = await source.fetch(
        "SELECT task.job_id, task.task_id, first_attempt FROM json_each(?) AS one "
        "JOIN task ON task.job_id = json_extract(one.value, '$[0]') "
        "AND task.task_id = json_extract(one.value, '$[1]')",
        (json.dumps(keys),),
    )
    return {(row[0], row[1]): row[2] for row in rows}
