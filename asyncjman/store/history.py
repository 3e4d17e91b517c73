"""What happened to jobs, in order of time: read from the rows that tell of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from asyncjman.model.job import Task
from asyncjman.store.database import Reader
from asyncjman.store.rows import TASK_COLUMNS, task_of

_SUBMITTED, _STARTED, _ENDED, _JOB_ENDED = range(4)
_NO_TASK = ", ".join(f"NULL AS {column}" for column in TASK_COLUMNS.split(", "))


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened to a job: exactly one of the fields after ``time`` is set."""

    job_id: int
    time: float
    submitted: bool = False
    started: Task | None = None
    """The attempt that started, as it stands now."""
    ended: Task | None = None
    will_retry: bool = False
    """Whether another attempt followed ``ended``: by itself, or by a resubmission before the latest."""
    job_ended: bool = False


async def happenings(
    database: Reader, job_ids: Collection[int] | None = None, since: float = 0.0
) -> AsyncIterator[Happening]:
    """Yield what happened to these jobs (None: to all) from ``since`` on, in order of time.

    Attempts before the latest are among it. Of jobs that ended before ``since`` nothing is looked at.
    """
    async for row in database.stream(_sql(job_ids), _values(job_ids, since)):
        yield _happening(row)


def _sql(job_ids: Collection[int] | None) -> str:
    chosen = "" if job_ids is None else "id IN (SELECT value FROM json_each(:ids)) AND "
    jobs = f"WITH chosen AS (SELECT id FROM job WHERE {chosen}coalesce(finished_at, :since) >= :since) "
    task = ", ".join(f"one.{column}" for column in TASK_COLUMNS.split(", "))
    parts = [
        f"SELECT submitted_at AS time, {_SUBMITTED} AS kind, id, 0, {_NO_TASK} FROM job "
        "WHERE id IN (SELECT id FROM chosen) AND submitted_at >= :since"
    ]
    for table, retried in (
        ("task", "0"),
        # the last one before the latest resubmission was an end; which of those before it were is not kept
        (
            "attempt",
            "one.status = 'failure' AND one.attempt <> (SELECT first_attempt - 1 FROM task "
            "WHERE task.job_id = one.job_id AND task.task_id = one.task_id)",
        ),
    ):
        for column, kind in (("started_at", _STARTED), ("finished_at", _ENDED)):
            parts.append(
                f"SELECT one.{column}, {kind}, one.job_id, {retried}, {task} FROM chosen "
                f"JOIN {table} AS one ON one.job_id = chosen.id WHERE one.{column} >= :since"
            )
    parts.append(
        f"SELECT finished_at, {_JOB_ENDED}, id, 0, {_NO_TASK} FROM job "
        "WHERE id IN (SELECT id FROM chosen) AND finished_at >= :since"
    )
    # an attempt may start in the moment in which the one before it ended
    return (
        f"{jobs}SELECT * FROM ({' UNION ALL '.join(parts)}) "
        f"ORDER BY time, id, kind = {_JOB_ENDED}, attempt, kind"
    )


def _values(job_ids: Collection[int] | None, since: float) -> dict[str, Any]:
    values: dict[str, Any] = {"since": since}
    return values if job_ids is None else values | {"ids": json.dumps(list(job_ids))}


def _happening(row: Sequence[Any]) -> Happening:
    time, kind, job_id, retried = row[:4]
    if kind == _SUBMITTED:
        return Happening(job_id, time, submitted=True)
    if kind == _JOB_ENDED:
        return Happening(job_id, time, job_ended=True)
    task = task_of(row[4:])
    if kind == _STARTED:
        return Happening(job_id, time, started=task)
    return Happening(job_id, time, ended=task, will_retry=bool(retried))
