"""Jobs: store, read, delete. One verb, one query or a few."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress

from asyncjman.errors import UnreadableJob
from asyncjman.model.job import Job, JobSpec, Task, derived_name
from asyncjman.model.selection import Selection, merged
from asyncjman.model.status import FINISHED, Status
from asyncjman.store.rows import (
    TASK_COLUMNS,
    dependency_of,
    job_of,
    status_of,
    task_of,
)
from asyncjman.store.spec_rows import SPEC_COLUMNS, spec_of, spec_values, unreadable_spec
from asyncjman.store.texts import text, untext

TYPE_CHECKING = False  # neither the typing module nor what waits is loaded for it
if TYPE_CHECKING:
    from typing import Any

    from asyncjman.model.graph import Dependency
    from asyncjman.store.source import Source
    from asyncjman.store.transaction import Transaction

_BATCH = 500
_GREATEST_ID = 2**63 - 1
_SPEAKER_COLUMNS = ", ".join(f"task.{column}" for column in TASK_COLUMNS.split(", "))
_HEAD_COLUMNS = "id, submitted_at, started_at, finished_at, default_status, task_count"
REVISION = "(SELECT revision FROM meta)"
ENDED = "(" + ", ".join(f"'{status}'" for status in sorted(FINISHED)) + ")"


async def insert(tx: Transaction, spec: JobSpec, now: float) -> int:
    """Store a job and return its id, one more than that of any job before."""
    default_status = Status.WAITING if spec.dependencies else Status.SUBMITTED
    values = (default_status, len(spec.array) if spec.array else 1, now, *spec_values(spec))
    job_id = await tx.execute(
        f"INSERT INTO job (revision, default_status, task_count, submitted_at, {SPEC_COLUMNS}) "
        f"VALUES ({REVISION}, {', '.join('?' * len(values))})",
        values,
    )
    await set_dependencies(tx, job_id, spec.dependencies)
    return job_id


async def set_dependencies(tx: Transaction, job_id: int, dependencies: Iterable[Dependency]) -> None:
    await tx.execute_many(
        "INSERT OR IGNORE INTO dependency (job_id, on_job, kind) VALUES (?, ?, ?)",
        [(job_id, one.job_id, one.kind) for one in dependencies],
    )


async def replace_spec(tx: Transaction, job_id: int, spec: JobSpec) -> None:
    """Store what is asked for from now on; other processes notice it. The dependencies stay."""
    await tx.execute(
        f"UPDATE job SET ({SPEC_COLUMNS}) = ({', '.join('?' * len(SPEC_COLUMNS.split(', ')))}), "
        f"revision = {REVISION} WHERE id = ?",
        (*spec_values(spec), job_id),
    )


async def existing(source: Source, ids: Sequence[range]) -> set[int]:
    """Return which of these ids are there."""
    found: set[int] = set()
    for one in ids:
        rows = await source.fetch("SELECT id FROM job WHERE id BETWEEN ? AND ?", (one[0], one[-1]))
        found.update(row[0] for row in rows)
    return found


async def by_native_id(source: Source, native_ids: range) -> set[int]:
    """Return the jobs that have, or had, one of these numbers on the cluster.

    A cluster may use a number again: it means the job whose latest submission has it, if there is one.
    """
    rows = await source.fetch(
        "SELECT native_id, job_id, id = (SELECT max(id) FROM submission WHERE job_id = one.job_id) "
        "FROM submission AS one WHERE CAST(native_id AS INTEGER) BETWEEN ? AND ?",
        (native_ids[0], native_ids[-1]),
    )
    now = {number for number, _, is_latest in rows if is_latest}
    return {job_id for number, job_id, is_latest in rows if is_latest or number not in now}


async def names(source: Source, *, derived: bool) -> dict[int, str]:
    """Return the names of all jobs by their ids; ``derived``: also of those that were given none."""
    named = "" if derived else " WHERE name != ''"
    rows = await source.fetch(f"SELECT id, name, CASE WHEN name = '' THEN command END FROM job{named}")
    found: dict[int, str] = {}
    for job_id, name, command in rows:
        with suppress(ValueError, TypeError, LookupError, AttributeError):  # a damaged value names nothing
            found[job_id] = untext(name) or derived_name(json.loads(command))
    return found


async def count(source: Source) -> int:
    return int((await source.fetch("SELECT count(*) FROM job"))[0][0])


async def select(
    database: Source, selection: Selection, *, unreadable_too: bool = False
) -> AsyncIterator[Job]:
    """Yield the jobs that a selection means, in order of id, a few hundred in memory at a time.

    ``unreadable_too``: what was asked for stands as ``?`` where it can't be read, instead of an error.
    """
    where, values = _where(selection)
    left = merged(selection.ids) if selection.ids else [range(1, _GREATEST_ID)]
    while left:
        async with database.snapshot() as view:
            # in the order of the ranges, and within one in that of the ids: no more is read than a page
            rows = await view.fetch(
                f"SELECT {_HEAD_COLUMNS}, {SPEC_COLUMNS} "
                "FROM (SELECT value FROM json_each(?)) AS one CROSS JOIN job ON job.id "
                "BETWEEN json_extract(one.value, '$[0]') AND json_extract(one.value, '$[1]')"
                f"{where} LIMIT {_BATCH}",
                (json.dumps([[part.start, part.stop - 1] for part in left[:_BATCH]]), *values),
            )
            found = await _jobs_of(view, rows, unreadable_too=unreadable_too)
        left = left[_BATCH:] if len(rows) < _BATCH else _after(left, rows[-1][0])
        for job in found:
            if selection.statuses and job.status not in selection.statuses:
                continue
            if not selection.having or any(job.counts.get(status) for status in selection.having):
                yield job


def _after(ranges: Sequence[range], job_id: int) -> list[range]:
    """Return what is left of ranges, which are in order, after an id."""
    at = 0
    while at < len(ranges) and ranges[at].stop <= job_id + 1:
        at += 1
    left = list(ranges[at:])
    if left and left[0].start <= job_id:
        left[0] = range(job_id + 1, left[0].stop)
    return left


async def with_engines(
    source: Source, selection: Selection, *, unfinished: bool = False
) -> list[tuple[int, str]]:
    """Return (id, engine) of the jobs that are meant, by ids, names and engine alone, in order.

    ``unfinished``: only of those with tasks that have not ended.
    """
    where, values = _where(selection)
    if unfinished:
        where += (
            f" AND finished_at IS NULL AND (default_status NOT IN {ENDED} "
            "AND task_count > (SELECT coalesce(sum(count), 0) FROM status_count WHERE job_id = job.id) "
            "OR EXISTS (SELECT 1 FROM status_count WHERE job_id = job.id AND count > 0 "
            f"AND status NOT IN {ENDED}))"
        )
    of_ids = "true"
    if selection.ids:
        of_ids = (
            "id IN (SELECT job.id FROM json_each(?) AS one JOIN job ON job.id "
            "BETWEEN json_extract(one.value, '$[0]') AND json_extract(one.value, '$[1]'))"
        )
        values.insert(0, json.dumps([[one.start, one.stop - 1] for one in merged(selection.ids)]))
    rows = await source.fetch(f"SELECT id, engine FROM job WHERE {of_ids}{where} ORDER BY id", values)
    return [(row[0], row[1]) for row in rows]


async def get(source: Source, job_ids: Iterable[int], *, unreadable_too: bool = False) -> list[Job]:
    """Return the jobs with these ids that are there; ``unreadable_too``: see ``select``."""
    async with source.snapshot() as view:
        rows = await view.fetch(
            f"SELECT {_HEAD_COLUMNS}, {SPEC_COLUMNS} FROM job "
            "WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id",
            (json.dumps(list(job_ids)),),
        )
        return await _jobs_of(view, rows, unreadable_too=unreadable_too)


async def specs(database: Source, job_ids: Iterable[int]) -> dict[int, JobSpec]:
    """Return what was asked for, by job id (without the dependencies)."""
    rows = await database.fetch(
        f"SELECT id, {SPEC_COLUMNS} FROM job WHERE id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(job_ids)),),
    )
    return {row[0]: spec_of(row[1:], job_id=row[0]) for row in rows}


async def delete(tx: Transaction, job_id: int) -> None:
    await tx.execute("DELETE FROM job WHERE id = ?", (job_id,))
    await tx.execute(f"INSERT INTO deleted_job (job_id, revision) VALUES (?, {REVISION})", (job_id,))


async def delete_all(tx: Transaction, job_ids: Iterable[int]) -> None:
    ids = (json.dumps(list(job_ids)),)
    await tx.execute("DELETE FROM job WHERE id IN (SELECT value FROM json_each(?))", ids)
    await tx.execute(
        f"INSERT OR REPLACE INTO deleted_job (job_id, revision) SELECT value, {REVISION} FROM json_each(?)",
        ids,
    )


async def waits_for_later(source: Source) -> bool:
    """Tell whether a job waits for itself, or for a later one, as only a damaged database has it."""
    rows = await source.fetch("SELECT 1 FROM dependency WHERE on_job >= job_id LIMIT 1")
    return bool(rows)


async def dependency_edges(source: Source) -> dict[int, list[int]]:
    """Return for each job that waits for others the ids of those."""
    edges: dict[int, list[int]] = defaultdict(list)
    for job_id, on_job in await source.fetch("SELECT DISTINCT job_id, on_job FROM dependency"):
        edges[job_id].append(on_job)
    return dict(edges)


async def changed_since(database: Source, revision: int) -> tuple[list[int], int]:
    """Return the ids of the jobs that were changed or deleted after ``revision``, and the latest one."""
    rows = await database.fetch(
        "SELECT id, revision FROM job WHERE revision > ? "
        "UNION ALL SELECT job_id, revision FROM deleted_job WHERE revision > ?",
        (revision, revision),
    )
    return [row[0] for row in rows], max((row[1] for row in rows), default=revision)


async def latest_revision(database: Source) -> int:
    return int((await database.fetch("SELECT revision FROM meta"))[0][0])


def _where(selection: Selection) -> tuple[str, list[Any]]:
    clauses: list[str] = []
    values: list[Any] = []
    if selection.names:
        clauses.append(f" AND name IN ({', '.join('?' * len(selection.names))})")
        values.extend(text(name) for name in selection.names)
    if selection.engine:
        clauses.append(" AND engine = ?")
        values.append(selection.engine)
    return "".join(clauses), values


async def _jobs_of(
    source: Source, rows: Sequence[Sequence[Any]], *, unreadable_too: bool = False
) -> list[Job]:
    ids = (json.dumps([row[0] for row in rows]),)
    in_ids = "IN (SELECT value FROM json_each(?))"
    status_counts: dict[int, dict[Status, tuple[int, float, int]]] = defaultdict(dict)
    for job_id, status, *numbers in await source.fetch(
        "SELECT job_id, status, count, cpu_seconds, peak_memory_bytes FROM status_count "
        f"WHERE job_id {in_ids}",
        ids,
    ):
        status_counts[job_id][status_of(status, job_id)] = (numbers[0], numbers[1], numbers[2])
    dependencies: dict[int, list[Dependency]] = defaultdict(list)
    for job_id, on_job, kind in await source.fetch(
        f"SELECT job_id, on_job, kind FROM dependency WHERE job_id {in_ids} ORDER BY on_job", ids
    ):
        dependencies[job_id].append(dependency_of(on_job, kind, job_id))
    speakers: dict[int, Task] = {
        row[0]: task_of(row)
        for row in await source.fetch(
            f"SELECT {_SPEAKER_COLUMNS} FROM job JOIN task ON task.job_id = job.id AND task.task_id = "
            "CASE WHEN job.array IS NULL THEN 0 ELSE (SELECT min(task_id) FROM task AS failed "
            f"WHERE failed.job_id = job.id AND failed.status = 'failure') END WHERE job.id {in_ids}",
            ids,
        )
    }
    sent: dict[int, list[tuple[str | None, str | None, int]]] = defaultdict(list)
    # what another engine had of a job that was moved says nothing of how it is now
    for job_id, *columns in await source.fetch(
        "SELECT job_id, native_id, engine_state, active FROM submission JOIN job ON job.id = job_id "
        f"AND job.engine = submission.engine WHERE job_id {in_ids} ORDER BY submission.id",
        ids,
    ):
        sent[job_id].append((columns[0], columns[1], columns[2]))
    return [
        job_of(
            row[:6],
            _spec(row, tuple(dependencies[row[0]]), unreadable_too=unreadable_too),
            status_counts.get(row[0], {}),
            speakers.get(row[0]),
            sent.get(row[0], ()),
        )
        for row in rows
    ]


def _spec(row: Sequence[Any], dependencies: tuple[Dependency, ...], *, unreadable_too: bool) -> JobSpec:
    try:
        return spec_of(row[6:], dependencies, row[0])
    except UnreadableJob as error:
        if not unreadable_too or not error.spec:
            raise
        return unreadable_spec(row[6:], row[5], dependencies)
