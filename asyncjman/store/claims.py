"""What a runner does with tasks: claim, start, end, try again, release. Each is guarded by its claim."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from asyncjman.model.job import Task
from asyncjman.store import failures
from asyncjman.store.database import Transaction
from asyncjman.store.rows import TASK_COLUMNS, task_values
from asyncjman.store.tasks import CLAIMABLE

UNCLAIMED = (
    "(CASE WHEN EXISTS (SELECT 1 FROM dependency JOIN job AS other ON other.id = dependency.on_job "
    "WHERE dependency.job_id = task.job_id AND other.finished_at IS NULL) "
    "THEN 'waiting' ELSE 'submitted' END)"
)
"""The status of a task that no runner holds and that is to run."""
_HELD = "job_id = ? AND task_id = ? AND attempt = ? AND runner IS ?"


class Claim(NamedTuple):
    """A task that this runner may start, and nobody else."""

    job_id: int
    task_id: int
    attempt: int
    first: int = 1
    """The attempt from which on its retries count."""


async def claim(
    tx: Transaction,
    runner: int,
    wanted: Sequence[tuple[int, int, str | None]],
    spans: Iterable[tuple[int, int, int]],
    engine: str = "local",
) -> list[Claim]:
    """Claim those of the wanted (job id, task id, array as it was read) that are still free.

    ``spans`` are (job id, index, index): the array's tasks from the first index to before the second one
    are wanted, and so have rows then. A job that was moved to another engine than ``engine`` is not free.
    """
    rows = await tx.fetch(
        "INSERT INTO task (job_id, task_id, status, attempt, runner) "
        "SELECT job.id, json_extract(one.value, '$[1]'), 'queued', 1, ? "
        "FROM json_each(?) AS one JOIN job ON job.id = json_extract(one.value, '$[0]') "
        "WHERE job.array IS json_extract(one.value, '$[2]') AND job.engine = ? "
        "AND (job.default_status IN ('submitted', 'waiting') OR EXISTS (SELECT 1 FROM task AS known "
        "WHERE known.job_id = job.id AND known.task_id = json_extract(one.value, '$[1]'))) "
        "ON CONFLICT (job_id, task_id) DO UPDATE SET status = 'queued', runner = excluded.runner "
        "WHERE status IN ('submitted', 'waiting') "
        "RETURNING job_id, task_id, attempt, first_attempt",
        (runner, json.dumps(wanted), engine),
    )
    arrays = {job_id: array for job_id, _, array in wanted}
    # under the same guard as the rows above, and with no gap before: where there are none, the index stays
    await tx.execute_many(
        "UPDATE job SET next_index = max(next_index, ?) "
        f"WHERE id = ? AND array IS ? AND default_status IN {CLAIMABLE} AND next_index >= ?",
        [(end, job_id, arrays[job_id], start) for job_id, start, end in spans if job_id in arrays],
    )
    return [Claim(*row) for row in rows]


async def start(
    tx: Transaction, runner: int | None, rows: Sequence[tuple[float, int, str, int, int, int]]
) -> None:
    """Store (started_at, pid, host, job id, task id, attempt) of claimed tasks that run now."""
    await tx.execute_many(
        "UPDATE task SET status = 'executing', started_at = ?, pid = ?, host = ? "
        f"WHERE {_HELD} AND status = 'queued'",
        [(*row, runner) for row in rows],
    )


async def end(tx: Transaction, runner: int | None, tasks: Sequence[Task]) -> None:
    """Store how attempts ended that a runner holds."""
    await tx.execute_many(
        "UPDATE task SET status = ?, exit_status = ?, signal = ?, reason = ?, host = ?, "
        "started_at = ?, finished_at = ?, cpu_seconds = ?, peak_memory_bytes = ?, cause = ?, "
        "pid = NULL, stop = NULL, runner = NULL "
        f"WHERE {_HELD} AND status IN ('queued', 'executing')",
        [
            (task.status, *task_values(task)[4:], task.job_id, task.task_id, task.attempt, runner)
            for task in tasks
        ],
    )
    await failures.add(tx, tasks)


async def retry(tx: Transaction, runner: int | None, ended: Sequence[Task]) -> None:
    """Store attempts that failed, in order, whose tasks are tried again by the same runner."""
    values = ", ".join("?" * len(TASK_COLUMNS.split(",")))
    for group in _one_of_each(ended):
        await tx.execute_many(
            f"INSERT OR REPLACE INTO attempt ({TASK_COLUMNS}) SELECT {values} WHERE EXISTS "
            f"(SELECT 1 FROM task WHERE {_HELD} AND status IN ('queued', 'executing'))",
            [(*task_values(task), task.job_id, task.task_id, task.attempt, runner) for task in group],
        )
        await tx.execute_many(
            "UPDATE task SET status = 'queued', attempt = attempt + 1, "
            "started_at = NULL, pid = NULL, host = NULL "
            f"WHERE {_HELD} AND status IN ('queued', 'executing')",
            [(task.job_id, task.task_id, task.attempt, runner) for task in group],
        )
    await failures.add(tx, ended)


def _one_of_each(attempts: Sequence[Task]) -> list[list[Task]]:
    """Group attempts, in order, so that no group has two of one task."""
    groups: list[list[Task]] = []
    count: Counter[tuple[int, int]] = Counter()
    for task in attempts:
        key = (task.job_id, task.task_id)
        if count[key] == len(groups):
            groups.append([])
        groups[count[key]].append(task)
        count[key] += 1
    return groups


async def release(
    tx: Transaction, runner: int | None, claims: Sequence[tuple[int, int]], now: float
) -> set[int]:
    """Release (job id, task id) that a runner has claimed and not started; those that a user asked it to
    stop are stopped. Returns the jobs of which something was stopped.
    """
    if not claims:
        return set()
    stopped = await tx.fetch(
        "UPDATE task SET status = 'stopped', reason = 'stopped', finished_at = ?, runner = NULL, stop = NULL "
        "WHERE runner IS ? AND status = 'queued' AND stop = 1 AND EXISTS (SELECT 1 FROM json_each(?) AS one "
        "WHERE json_extract(one.value, '$[0]') = job_id AND json_extract(one.value, '$[1]') = task_id) "
        "RETURNING job_id",
        (now, runner, json.dumps(claims)),
    )
    await tx.execute_many(
        f"UPDATE task SET status = {UNCLAIMED}, runner = NULL "
        "WHERE job_id = ? AND task_id = ? AND runner IS ? AND status = 'queued'",
        [(*claim, runner) for claim in claims],
    )
    return {row[0] for row in stopped}
