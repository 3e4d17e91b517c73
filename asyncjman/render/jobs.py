"""Jobs and tasks as rows of a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from asyncjman.model.graph import Dependency, Kind
from asyncjman.model.job import Job, Task
from asyncjman.model.status import FINISHED, Status
from asyncjman.render import text
from asyncjman.render.table import Column, Table

_COLUMNS = (
    Column("job-id", right=True, least=6),
    Column("grid-id", right=True, least=7, spare=True),
    Column("queue", least=5),
    Column("status", least=9),
    Column("tasks", least=5, spare=True),
    Column("age"),
    Column("host", spare=True),
    Column("submitted", least=8, spare=True),
    Column("started", least=8, spare=True),
    Column("finished", least=8, spare=True),
    Column("time", right=True, least=6, spare=True),
    Column("cpu", right=True, least=6, spare=True),
    Column("memory", right=True, least=8, spare=True),
    Column("attempt", right=True, spare=True),
    Column("name", spare=True),
    Column("dependencies", spare=True),
    Column("folder", spare=True),
    Column("logs", spare=True),
    Column("environment", spare=True),
    Column("commit", spare=True),
    Column("reason", spare=True),
    Column("arguments", least=9),
)
_STATUS_COLUMN = 3


@dataclass(frozen=True, slots=True)
class Details:
    """What is asked for besides the usual columns."""

    times: bool = False
    dependencies: bool = False
    long: bool = False
    tasks: bool = False


class JobTable:
    """The table that ``jman list`` prints."""

    def __init__(
        self, jobs: Sequence[Job], details: Details, now: float, width: int | None, color: bool
    ) -> None:
        self._details = details
        self._now = now
        self._full_times = width is None
        self._color = color
        self._rows = {job.id: self._job_row(job) for job in jobs}
        rows = list(self._rows.values())
        if details.tasks:
            # tasks come one by one: room is kept for the widest that there can be
            rows += [self._widest_task(job) for job in jobs if job.spec.array]
        self._table = Table(_COLUMNS, rows, width)

    def head(self) -> Iterator[str]:
        return self._table.head()

    def job(self, job: Job) -> str:
        return self._line(self._rows[job.id], job.status)

    def task(self, job: Job, task: Task) -> str:
        return self._line(self._task_row(job, task), task.status)

    def _line(self, row: Sequence[str], status: Status) -> str:
        if not self._color:
            return self._table.line(row)
        return self._table.line(
            row, lambda column, cell: text.colored(cell, status) if column == _STATUS_COLUMN else cell
        )

    def _job_row(self, job: Job) -> tuple[str, ...]:
        spec, more = job.spec, self._details
        return (
            str(job.id),
            ",".join(job.native_ids),
            text.printable(spec.queue),
            f"{job.status} ({job.engine_state})" if job.engine_state else job.status,
            task_counts(job),
            text.age(self._now - job.submitted_at),
            text.printable(job.host or "") if job.native_id else "",
            *self._times(job, more),
            str(job.attempt) if more.times and job.attempt > 1 else "",
            text.printable(spec.name),
            dependencies(spec.dependencies) if more.dependencies or more.long else "",
            text.printable(spec.exec_dir) if more.long else "",
            text.printable(spec.log_dir or "") if more.long else "",
            text.command_line(f"{key}={value}" for key, value in spec.environment.items())
            if more.long
            else "",
            commit(job) if more.long else "",
            text.printable(job.reason or "") if more.long or more.tasks else "",
            text.arguments(job),
        )

    def _task_row(self, job: Job, task: Task) -> tuple[str, ...]:
        more = self._details
        times = self._times(task, more)
        attempt = str(task.attempt) if more.times and task.attempt > 1 else ""
        reason = text.printable(task.reason or "")
        blank = ("",) * 6
        given = text.command_line(
            f"{name}={value}" for name, value in job.spec.parameters(task.task_id).items()
        )
        number = f"{job.id}.{task.task_id}"
        host = text.printable(task.host or "") if job.native_id else ""
        return (number, "", "", task.status, "", "", host, *times, attempt, *blank, reason, given)

    def _widest_task(self, job: Job) -> tuple[str, ...]:
        assert job.spec.array is not None
        row = [""] * len(_COLUMNS)
        row[0] = f"{job.id}.{job.spec.array.last}"
        row[-2] = "killed by SIGKILL"
        return tuple(row)

    def _times(self, what: Job | Task, more: Details) -> tuple[str, ...]:
        if not more.times:
            return ("",) * 6
        start, end = what.started_at, what.finished_at
        spent = (end if end is not None else self._now) - start if start is not None else None
        return (
            self._clock(what.submitted_at) if isinstance(what, Job) else "",
            self._clock(start),
            self._clock(end),
            text.duration(spent) if spent is not None else "",
            text.duration(what.cpu_seconds) if what.cpu_seconds is not None else "",
            text.size(what.peak_memory_bytes) if what.peak_memory_bytes else "",
        )

    def _clock(self, moment: float | None) -> str:
        return text.clock(moment) if self._full_times else text.short_clock(moment, self._now)


def task_counts(job: Job) -> str:
    """Say how far an array is: ``7/10, 1 failure``; empty for a job with no array."""
    if job.spec.array is None:
        return ""
    done = sum(count for status, count in job.counts.items() if status in FINISHED)
    notes = [
        f"{count} {status}"
        for status in (Status.EXECUTING, Status.FAILURE, Status.STOPPED, Status.SKIPPED)
        if (count := job.counts.get(status, 0))
    ]
    return ", ".join([f"{done}/{job.task_count}", *notes])


def dependencies(some: Sequence[Dependency]) -> str:
    """Write dependencies: plain ids for those of the kind any, ``ok:3`` for others."""
    return ",".join(str(one.job_id) if one.kind is Kind.ANY else f"{one.kind}:{one.job_id}" for one in some)


def commit(job: Job) -> str:
    """Write the git commit, with a + where the folder was dirty."""
    return (job.spec.git_commit or "")[:10] + ("+" if job.spec.git_dirty else "")
