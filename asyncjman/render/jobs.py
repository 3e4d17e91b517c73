"""Jobs and tasks as rows of a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from asyncjman.model.job import Job, Task
from asyncjman.model.status import FINISHED, Status
from asyncjman.render import text
from asyncjman.render.table import Column, Table

TYPE_CHECKING = False  # what is not needed here is not loaded: jman list starts sooner
if TYPE_CHECKING:
    from asyncjman.model.graph import Dependency

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
    Column("reason", spare=True),
    Column("arguments", least=9),
)
_NARROW = (Column("job-id", right=True, least=6), Column("status", least=9), Column("name or command"))
_NARROW_WIDTH = 60
"""On a terminal that is narrower only what is needed most is shown."""
_ID, _STATUS, _COUNTS, _NAME, _REASON, _ARGUMENTS = 0, 3, 4, 14, 16, 17
_INDENT = "        "


class Details:
    """What is asked for besides the usual columns."""

    def __init__(self, *, times: bool, dependencies: bool, long: bool, tasks: bool) -> None:
        self.times = times
        self.dependencies = dependencies
        self.long = long
        self.tasks = tasks


class JobTable:
    """The table that ``jman list`` prints, or a page of it, after the page ``before``.

    With ``details.long`` each job has lines below its row.
    """

    _table: Table

    def __init__(
        self,
        jobs: Sequence[Job],
        details: Details,
        now: float,
        width: int | None,
        color: bool,
        before: JobTable | None = None,
    ) -> None:
        self._details = details
        self._width = width
        self._is_narrow = width is not None and width < _NARROW_WIDTH
        self._now = now
        self._full_times = width is None
        self._color = color
        self._rows = {job.id: self._job_row(job) for job in jobs}
        rows = list(self._rows.values())
        if details.tasks:
            # tasks come one by one: room is kept for the widest that there can be
            rows += [self._widest_task(job) for job in jobs if job.spec.array]
        known = None if before is None else before._table
        if self._is_narrow:
            self._table = Table(_NARROW, [_narrowed(row) for row in rows], width, known)
        else:
            self._table = Table(_COLUMNS, rows, width, known)

    def head(self) -> Iterator[str]:
        """Yield the titles; nothing where those of the page before are as good."""
        if self._table.has_new_columns:
            yield from self._table.head()

    def job(self, job: Job) -> str:
        line = self._line(self._rows[job.id], job.status)
        return "\n".join([line, *self._below(job)]) if self._details.long else line

    def task(self, job: Job, task: Task) -> str:
        return self._line(self._task_row(job, task), task.status)

    def _line(self, row: Sequence[str], status: Status) -> str:
        cells, at = (_narrowed(row), 1) if self._is_narrow else (row, _STATUS)
        if not self._color:
            return self._table.line(cells)
        return self._table.line(
            cells, lambda column, cell: text.colored(cell, status) if column == at else cell
        )

    def _below(self, job: Job) -> Iterator[str]:
        """Yield what else is known of a job, a line for each."""
        spec = job.spec
        known = {
            "waits for": dependencies(spec.dependencies),
            "folder": text.printable(spec.exec_dir),
            "logs": text.printable(spec.log_dir or ""),
            "environment": text.command_line(f"{key}={value}" for key, value in spec.environment.items()),
            "commit": commit(job),
            "reason": text.printable(job.reason or ""),
        }
        for title, value in known.items():
            if value:
                yield from self._wrapped(f"{title}: {value}")

    def _wrapped(self, line: str) -> list[str]:
        if self._width is None:
            return [_INDENT + line]
        import textwrap

        deeper = f"{_INDENT}  "
        return textwrap.wrap(
            line,
            max(self._width, 20),
            initial_indent=_INDENT,
            subsequent_indent=deeper,
            break_on_hyphens=False,
        )

    def _job_row(self, job: Job) -> tuple[str, ...]:
        spec, more = job.spec, self._details
        return (
            str(job.id),
            ",".join(job.native_ids),
            text.printable(spec.queue),
            _status(job, job.engine_state),
            task_counts(job),
            text.age(self._now - job.submitted_at),
            text.printable(job.host or "") if job.native_id else "",
            *self._times(job, more),
            str(job.attempt) if job.attempt > 1 else "",
            text.printable(spec.name),
            dependencies(spec.dependencies) if more.dependencies else "",
            _reason(job) if more.tasks else "",
            text.arguments(job),
        )

    def _task_row(self, job: Job, task: Task) -> tuple[str, ...]:
        more = self._details
        times = self._times(task, more)
        attempt = str(task.attempt) if task.attempt > 1 else ""
        given = text.command_line(
            f"{name}={value}" for name, value in job.spec.parameters(task.task_id).items()
        )
        number = f"{job.id}.{task.task_id}"
        host = text.printable(task.host or "") if job.native_id else ""
        status = _status(task, None)
        return (number, "", "", status, "", "", host, *times, attempt, "", "", _reason(task), given)

    def _widest_task(self, job: Job) -> tuple[str, ...]:
        assert job.spec.array is not None
        row = [""] * len(_COLUMNS)
        row[_ID] = f"{job.id}.{job.spec.array.last}"
        row[_STATUS] = f"{Status.FAILURE} (255)" if job.counts.get(Status.FAILURE) else ""
        row[_REASON] = "killed by SIGKILL" if _reason(job) else ""
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


def _status(what: Job | Task, engine_state: str | None) -> str:
    """Write the status, with what the cluster says beyond it, or with the exit status of a failure."""
    if engine_state:
        return f"{what.status} ({engine_state})"
    is_single = isinstance(what, Task) or what.spec.array is None
    if is_single and what.status is Status.FAILURE and what.exit_status:
        return f"{what.status} ({what.exit_status})"
    return what.status


def _reason(what: Job | Task) -> str:
    """Write why it is so, where its status doesn't say it all."""
    if isinstance(what, Job) and what.spec.array is not None and what.status is not Status.FAILURE:
        return ""  # of an earlier task, while the array goes on
    is_told = what.reason == f"exit status {what.exit_status}"
    return "" if is_told else text.printable(what.reason or "")


def _narrowed(row: Sequence[str]) -> tuple[str, str, str]:
    """Return a row with what is needed most."""
    return row[_ID], f"{row[_STATUS]} {row[_COUNTS]}".strip(), row[_NAME] or row[_ARGUMENTS]


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
    from asyncjman.model.graph import Kind

    return ",".join(str(one.job_id) if one.kind is Kind.ANY else f"{one.kind}:{one.job_id}" for one in some)


def commit(job: Job) -> str:
    """Write the git commit, with a + where the folder was dirty."""
    return (job.spec.git_commit or "")[:10] + ("+" if job.spec.git_dirty else "")
