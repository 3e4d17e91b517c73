"""Reading how far jobs are, from the counts that triggers keep: as cheap for a million tasks as for one."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from asyncjman.model.progress import FailedTask, RunningTask
from asyncjman.model.status import Status
from asyncjman.store.database import View
from asyncjman.store.rows import status_of
from asyncjman.store.texts import untext

MOST_JOBS = 200
"""So many jobs of a kind (active, open, latest) are shown at most."""
_SAMPLE = 100
"""So many of the latest tasks of a job say how long its tasks take."""


class Scope(NamedTuple):
    """Which jobs are meant; all, where nothing is said."""

    ids: Sequence[int] | None = None
    since: float | None = None
    """Only those that are open, or ended after this moment (seconds since 1970)."""
    engine: str | None = None

    def where(self, alias: str = "job") -> tuple[str, list[Any]]:
        """Return the condition in SQL, and its values."""
        clauses, values = ["1"], list[Any]()
        if self.ids is not None:
            clauses.append(f"{alias}.id IN (SELECT value FROM json_each(?))")
            values.append(json.dumps(list(self.ids)))
        if self.since is not None:
            clauses.append(f"({alias}.finished_at IS NULL OR {alias}.finished_at >= ?)")
            values.append(self.since)
        if self.engine is not None:
            clauses.append(f"{alias}.engine = ?")
            values.append(self.engine)
        return " AND ".join(clauses), values


class JobHead(NamedTuple):
    """What is shown of a job, without what was asked for."""

    id: int
    revision: int
    engine: str
    counts: Counter[Status]
    started_at: float | None
    finished_at: float | None
    is_array: bool


async def totals(view: View, scope: Scope) -> tuple[Counter[Status], int]:
    """Return how many tasks are in each status, and how many jobs there are."""
    where, values = scope.where()
    counts: Counter[Status] = Counter()
    job_count = 0
    for status, count, jobs in await view.fetch(
        f"SELECT default_status, sum(task_count), count(*) FROM job WHERE {where} GROUP BY 1", values
    ):
        counts[status_of(status)] += count
        job_count += jobs
    for status, default, count in await view.fetch(
        "SELECT one.status, job.default_status, sum(one.count) FROM job JOIN status_count AS one "
        f"ON one.job_id = job.id WHERE one.count > 0 AND {where} GROUP BY 1, 2",
        values,
    ):
        counts[status_of(status)] += count
        counts[status_of(default)] -= count
    return +counts, job_count


async def shown_jobs(view: View, scope: Scope) -> list[int]:
    """Return the jobs that matter now: those with claimed tasks, the next open ones, the latest ones."""
    # a step of the index for each job, however many tasks it has
    active = await view.fetch(
        "WITH RECURSIVE one (id) AS (SELECT min(job_id) FROM task WHERE finished_at IS NULL "
        "UNION ALL SELECT (SELECT min(job_id) FROM task WHERE finished_at IS NULL AND job_id > one.id) "
        f"FROM one WHERE one.id IS NOT NULL LIMIT {MOST_JOBS}) SELECT id FROM one WHERE id IS NOT NULL"
    )
    where, values = scope.where()
    opened = await view.fetch(
        f"SELECT id FROM job WHERE finished_at IS NULL AND {where} ORDER BY id LIMIT {MOST_JOBS}", values
    )
    latest = await view.fetch(f"SELECT id FROM job WHERE {where} ORDER BY id DESC LIMIT {MOST_JOBS}", values)
    return sorted({row[0] for row in (*active, *opened, *latest)})


async def heads(view: View, scope: Scope, job_ids: Iterable[int]) -> list[JobHead]:
    """Return those of these jobs that are meant, in order of id."""
    ids = json.dumps(list(job_ids))
    where, values = scope.where()
    counts: dict[int, Counter[Status]] = {}
    for job_id, status, count in await view.fetch(
        "SELECT job_id, status, count FROM status_count "
        "WHERE count > 0 AND job_id IN (SELECT value FROM json_each(?))",
        (ids,),
    ):
        counts.setdefault(job_id, Counter())[status_of(status, job_id)] = count
    found = []
    for row in await view.fetch(
        "SELECT id, revision, engine, default_status, task_count, started_at, finished_at, "
        f"array IS NOT NULL FROM job WHERE id IN (SELECT value FROM json_each(?)) AND {where} ORDER BY id",
        [ids, *values],
    ):
        of_job = counts.get(row[0], Counter())
        if left := row[4] - sum(of_job.values()):
            of_job[status_of(row[3], row[0])] += left
        found.append(JobHead(row[0], row[1], row[2], of_job, row[5], row[6], bool(row[7])))
    return found


async def running(view: View, job_id: int, limit: int) -> list[RunningTask]:
    """Return tasks of a job that run; ``limit`` at most: where that is how many run, few rows are read."""
    rows = await view.fetch(
        # by itself SQLite takes the primary key, and reads all that ended before
        "SELECT task_id, attempt, started_at, host, pid FROM task INDEXED BY task_unfinished "
        "WHERE job_id = ? AND finished_at IS NULL AND status = 'executing' AND started_at IS NOT NULL "
        "LIMIT ?",
        (job_id, limit),
    )
    return [
        RunningTask(job_id, row[0], row[1], row[2], untext(row[3]) or "", row[4] is not None, row[4])
        for row in rows
    ]


async def seconds_spent(view: View, job_id: int) -> list[float]:
    """Return how long those of the latest tasks of a job took that ended."""
    rows = await view.fetch(
        "SELECT finished_at - started_at FROM (SELECT started_at, finished_at, status FROM task "
        f"WHERE job_id = ? ORDER BY task_id DESC LIMIT {_SAMPLE}) "
        "WHERE started_at IS NOT NULL AND finished_at IS NOT NULL AND status IN ('success', 'failure')",
        (job_id,),
    )
    return [max(0.0, row[0]) for row in rows]


async def newest_failures(view: View, scope: Scope, after: float, limit: int) -> list[FailedTask]:
    """Return the tasks that failed last, and after a moment (seconds since 1970); the newest first."""
    where, values = scope.where()
    rows = await view.fetch(
        "SELECT task.job_id, task.task_id, task.attempt, task.finished_at, task.reason, "
        "signature.text FROM task INDEXED BY task_failed JOIN job ON job.id = task.job_id LEFT JOIN failure "
        "ON failure.job_id = task.job_id AND failure.task_id = task.task_id "
        "AND failure.attempt = task.attempt LEFT JOIN signature ON signature.id = failure.signature "
        f"WHERE task.status = 'failure' AND task.finished_at > ? AND {where} "
        "ORDER BY task.finished_at DESC LIMIT ?",
        [after, *values, limit],
    )
    return [FailedTask(row[0], row[1], row[2], row[3], untext(row[4]) or "", untext(row[5])) for row in rows]
