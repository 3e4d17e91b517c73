"""What the database says, read with plain SQL and judged by rules written down once more.

Nothing in here comes from asyncjman: a rule that is wrong there is not wrong here too.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Key = tuple[int, int]
"""Job id and task id."""

UNFINISHED = ("submitted", "waiting", "queued", "executing")
_RANGE = re.compile(r"(\d+)(?:-(\d+)(?::(\d+))?)?")


@dataclass(frozen=True, slots=True)
class Row:
    """A task that has a row."""

    status: str
    attempt: int
    runner: str | None
    """The name of the process that holds it."""
    stop: bool
    reason: str | None = None
    cause: str | None = None
    first: int = 1
    """The attempt from which on its retries count."""
    is_unproven: bool = False
    """Whether its end is not proven: a record that comes late corrects it."""


@dataclass(frozen=True, slots=True)
class JobView:
    """A job with all its tasks, those without a row included."""

    id: int
    tasks: Mapping[int, str]
    """Each task's status."""
    rows: Mapping[int, Row]
    throttle: int | None
    retries: int
    stop_on_failure: bool
    dependencies: tuple[tuple[int, str], ...]
    """(job, kind)."""
    closed: bool
    engine: str = "local"
    timeout: float | None = None
    """Seconds that an attempt may take."""


View = Mapping[int, JobView]


def task_ids(array: str | None) -> tuple[list[int], int | None]:
    """Read an array: its tasks, and how many may run at a time."""
    if array is None:
        return [0], None
    body, _, limit = array.partition("%")
    found: list[int] = []
    for item in body.split(","):
        match = _RANGE.fullmatch(item)
        assert match is not None, array
        first, last, step = int(match[1]), int(match[2] or match[1]), int(match[3] or 1)
        found.extend(range(first, last + 1, step))
    return found, int(limit) if limit else None


class Reader:
    """Reads the whole database as it was committed."""

    def __init__(self, path: str) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        self._arrays: dict[str | None, tuple[list[int], int | None]] = {}

    def close(self) -> None:
        self._database.close()

    def read(self) -> View:
        fetch = self._database.execute
        fetch("BEGIN")
        runners = dict(fetch("SELECT id, token FROM runner").fetchall())
        rows: dict[int, dict[int, Row]] = {}
        for job, task, status, attempt, runner, stop, reason, cause, first, missing in fetch(
            "SELECT job_id, task_id, status, attempt, runner, stop, reason, cause, first_attempt, "
            "missing_since FROM task"
        ).fetchall():
            rows.setdefault(job, {})[task] = Row(
                status, attempt, runners.get(runner), stop == 1, reason, cause, first, missing is not None
            )
        waits: dict[int, list[tuple[int, str]]] = {}
        for job, other, kind in fetch("SELECT job_id, on_job, kind FROM dependency").fetchall():
            waits.setdefault(job, []).append((other, kind))
        found: dict[int, JobView] = {}
        for job, rest, array, stop_on_failure, retry, closed, engine, timeout in fetch(
            "SELECT id, default_status, array, stop_on_failure, retry, finished_at IS NOT NULL, engine, "
            "timeout FROM job"
        ).fetchall():
            if array not in self._arrays:
                self._arrays[array] = task_ids(array)
            ids, throttle = self._arrays[array]
            mine = rows.get(job, {})
            found[job] = JobView(
                job,
                {one: mine[one].status if one in mine else rest for one in ids},
                mine,
                throttle,
                json.loads(retry)["count"] if retry else 0,
                bool(stop_on_failure),
                tuple(waits.get(job, ())),
                bool(closed),
                engine,
                timeout,
            )
        fetch("COMMIT")
        return found


def is_finished(statuses: Iterable[str]) -> bool:
    return not any(one in UNFINISHED for one in statuses)


def outcome(statuses: Iterable[str]) -> str:
    """Say how a job ended, from the ends of its tasks: the worst speaks for it."""
    found = set(statuses)
    return next(one for one in ("failure", "stopped", "skipped", "success") if one in found)


def judge(kind: str, other: JobView, statuses: Mapping[int, str], task: int) -> str:
    """Say what one dependency says of a task: go, wait or skip; either, of one that was deleted."""
    if kind == "corr":
        status = statuses.get(task)
        if status is None:
            return "either"
        return "wait" if status in UNFINISHED else "go" if status == "success" else "skip"
    if not is_finished(statuses.values()):
        return "wait"
    how = outcome(statuses.values())
    if how == "skipped":
        return "skip"
    if kind == "notok":
        return "skip" if how == "success" else "go"
    if how == "success":
        return "go"
    return "go" if kind == "any" and not other.stop_on_failure else "skip"
