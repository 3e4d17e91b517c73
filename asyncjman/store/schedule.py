"""What a scheduler must know of jobs: little, so that a hundred thousand of them fit the memory."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from asyncjman.model.graph import Dependency
from asyncjman.model.status import FINISHED, Status, roll_up
from asyncjman.store.rows import dependency_of, status_of
from asyncjman.store.texts import untext

TYPE_CHECKING = False  # what waits is not loaded for it
if TYPE_CHECKING:
    from asyncjman.store.source import Source

_STEP = "JOIN dependency ON on_job = {0} JOIN job ON job.id = dependency.job_id AND job.finished_at IS NULL"
"""To the unfinished jobs that wait for a job."""
_ANY_SKIPPED = (
    "(EXISTS (SELECT 1 FROM status_count WHERE job_id = job.id AND status = 'skipped' AND count > 0) "
    "OR default_status = 'skipped' AND task_count > "
    "(SELECT coalesce(sum(count), 0) FROM status_count WHERE job_id = job.id))"
)


class JobSummary(NamedTuple):
    """A job as the scheduler sees it."""

    id: int
    engine: str
    name: str
    array: str | None
    task_count: int
    default_status: Status
    next_index: int
    stop_on_failure: bool
    finished: bool
    counts: dict[Status, int]
    """Of its tasks, those without a row included."""
    rows: dict[Status, int]
    """Of its tasks that have a row."""

    @property
    def status(self) -> Status:
        return roll_up(self.counts)

    @property
    def unfinished(self) -> int:
        return sum(count for status, count in self.counts.items() if status not in FINISHED)


async def open_jobs(source: Source) -> list[int]:
    """Return the ids of all jobs that are not finished, in order."""
    return [row[0] for row in await source.fetch("SELECT id FROM job WHERE finished_at IS NULL ORDER BY id")]


async def unfinished(source: Source, job_ids: Iterable[int], engine: str | None = None) -> list[int]:
    """Return those of the jobs (of an engine, or of all) that are not finished."""
    of_engine, values = ("", []) if engine is None else (" AND engine = ?", [engine])
    rows = await source.fetch(
        f"SELECT id FROM job WHERE finished_at IS NULL AND id IN (SELECT value FROM json_each(?)){of_engine}",
        (json.dumps(list(job_ids)), *values),
    )
    return [row[0] for row in rows]


async def has_open(source: Source, engine: str) -> bool:
    """Tell whether an engine has jobs that are not finished."""
    rows = await source.fetch("SELECT 1 FROM job WHERE finished_at IS NULL AND engine = ? LIMIT 1", (engine,))
    return bool(rows)


async def waits_elsewhere(source: Source, engine: str) -> bool:
    """Tell whether an unfinished job of an engine waits for an unfinished one of another."""
    rows = await source.fetch(
        "SELECT 1 FROM job JOIN dependency ON dependency.job_id = job.id "
        "JOIN job AS other ON other.id = dependency.on_job "
        "WHERE job.finished_at IS NULL AND job.engine = ? "
        "AND other.finished_at IS NULL AND other.engine <> job.engine LIMIT 1",
        (engine,),
    )
    return bool(rows)


async def not_succeeded(source: Source, engine: str, only: Iterable[int] | None = None) -> list[int]:
    """Return the jobs of an engine (of ``only`` these) that are not successes, or not yet; in order."""
    of_jobs = "" if only is None else " AND job.id IN (SELECT value FROM json_each(?))"
    rows = await source.fetch(
        "SELECT job.id FROM job LEFT JOIN status_count AS good "
        "ON good.job_id = job.id AND good.status = 'success' "
        f"WHERE engine = ?{of_jobs} AND task_count > coalesce(good.count, 0) ORDER BY job.id",
        (engine, *([] if only is None else [json.dumps(list(only))])),
    )
    return [row[0] for row in rows]


async def concerned(source: Source, engine: str, only: Iterable[int] | None, since: float) -> list[int]:
    """Return the jobs of an engine (of ``only`` these) that were open at a moment, or are; in order."""
    of_jobs = "" if only is None else " AND id IN (SELECT value FROM json_each(?))"
    rows = await source.fetch(
        f"SELECT id FROM job WHERE engine = ? AND (finished_at IS NULL OR finished_at >= ?){of_jobs} "
        "ORDER BY id",
        (engine, since, *([] if only is None else [json.dumps(list(only))])),
    )
    return [row[0] for row in rows]


async def task_counts(source: Source, job_ids: Iterable[int]) -> tuple[dict[Status, int], float]:
    """Return how many tasks of these jobs are in each status, and the CPU seconds that they used."""
    wanted = (json.dumps(list(job_ids)),)
    counts: dict[Status, int] = {}
    cpu = 0.0
    async with source.snapshot() as view:
        rows = await view.fetch(
            "SELECT status, sum(count), sum(cpu_seconds) FROM status_count "
            "WHERE job_id IN (SELECT value FROM json_each(?)) GROUP BY status",
            wanted,
        )
        for status, count, seconds in rows:
            counts[status_of(status)] = count
            cpu += seconds
        rows = await view.fetch(
            "SELECT default_status, sum(task_count - coalesce("
            "(SELECT sum(count) FROM status_count WHERE job_id = job.id), 0)) FROM job "
            "WHERE id IN (SELECT value FROM json_each(?)) GROUP BY default_status",
            wanted,
        )
        for status, count in rows:
            counts[status_of(status)] = counts.get(status_of(status), 0) + count
    return {status: count for status, count in counts.items() if count}, cpu


async def summaries(source: Source, job_ids: Iterable[int]) -> dict[int, JobSummary]:
    """Return the summaries of those of the jobs that are there."""
    ids = (json.dumps(list(job_ids)),)
    async with source.snapshot() as view:
        counted = await view.fetch(
            "SELECT job_id, status, count FROM status_count "
            "WHERE count > 0 AND job_id IN (SELECT value FROM json_each(?))",
            ids,
        )
        rows_of_jobs = await view.fetch(
            "SELECT id, engine, name, array, task_count, default_status, next_index, stop_on_failure, "
            "finished_at IS NOT NULL FROM job WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id",
            ids,
        )
    status_counts: dict[int, dict[Status, int]] = defaultdict(dict)
    for job_id, status, count in counted:
        status_counts[job_id][status_of(status, job_id)] = count
    found: dict[int, JobSummary] = {}
    for row in rows_of_jobs:
        default_status, rows = status_of(row[5], row[0]), status_counts.get(row[0], {})
        counts = dict(rows)
        if left := row[4] - sum(rows.values()):
            counts[default_status] = counts.get(default_status, 0) + left
        found[row[0]] = JobSummary(
            row[0],
            row[1],
            untext(row[2]) or "",
            row[3],
            row[4],
            default_status,
            row[6],
            bool(row[7]),
            bool(row[8]),
            counts,
            rows,
        )
    return found


async def open_dependents(source: Source, job_ids: Iterable[int]) -> list[int]:
    """Return the unfinished jobs that wait for these, also by way of other unfinished ones; in order.

    By way of one that ended nothing is decided any more: that was done when it ended.
    """
    rows = await source.fetch(
        "WITH RECURSIVE waiting (id) AS ("
        f"SELECT job.id FROM json_each(?) AS one {_STEP.format('one.value')} "
        f"UNION SELECT job.id FROM waiting {_STEP.format('waiting.id')}) SELECT id FROM waiting ORDER BY id",
        (json.dumps(list(job_ids)),),
    )
    return [row[0] for row in rows]


async def waiting_for(source: Source, job_ids: Iterable[int]) -> list[int]:
    """Return the unfinished jobs that wait for one of these themselves; in order."""
    rows = await source.fetch(
        f"SELECT DISTINCT job.id FROM json_each(?) AS one {_STEP.format('one.value')} ORDER BY job.id",
        (json.dumps(list(job_ids)),),
    )
    return [row[0] for row in rows]


async def skipped_behind(source: Source, job_ids: Iterable[int]) -> list[int]:
    """Return the jobs that wait for these, also by way of others of these, of which something was skipped.

    What was skipped was because of a job that failed, or that was skipped itself: so no other leads there.
    """
    step = "JOIN dependency ON on_job = {0} JOIN job ON job.id = dependency.job_id AND " + _ANY_SKIPPED
    rows = await source.fetch(
        "WITH RECURSIVE behind (id) AS ("
        f"SELECT job.id FROM json_each(?) AS one {step.format('one.value')} "
        f"UNION SELECT job.id FROM behind {step.format('behind.id')}) SELECT id FROM behind ORDER BY id",
        (json.dumps(list(job_ids)),),
    )
    return [row[0] for row in rows]


async def open_dependents_of_each(source: Source, job_ids: Iterable[int]) -> dict[int, list[int]]:
    """Return for those of the jobs that have not ended the unfinished jobs that wait for them directly."""
    found: dict[int, list[int]] = defaultdict(list)
    for on_job, job_id in await source.fetch(
        "SELECT DISTINCT on_job, job.id FROM json_each(?) AS one "
        "JOIN job AS other ON other.id = one.value AND other.finished_at IS NULL "
        "JOIN dependency ON on_job = other.id "
        "JOIN job ON job.id = dependency.job_id AND job.finished_at IS NULL ORDER BY 2",
        (json.dumps(list(job_ids)),),
    ):
        found[on_job].append(job_id)
    return found


async def dependencies(source: Source, job_ids: Iterable[int]) -> dict[int, tuple[Dependency, ...]]:
    """Return what each of these jobs waits for."""
    found: dict[int, list[Dependency]] = defaultdict(list)
    for job_id, on_job, kind in await source.fetch(
        "SELECT job_id, on_job, kind FROM dependency WHERE job_id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(job_ids)),),
    ):
        found[job_id].append(dependency_of(on_job, kind, job_id))
    return {job_id: tuple(of_jobs) for job_id, of_jobs in found.items()}
