"""How far jobs are, in lines of a terminal: pure, of a ``Overview`` and the size that there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from asyncjman.model.job import JobSpec
from asyncjman.model.progress import FailedTask, JobProgress, Overview, RunningTask, TimeLeft, done_of
from asyncjman.model.selection import format_ids
from asyncjman.model.status import Status
from asyncjman.render.text import colored, command_line, duration, printable, size

COLORS = {
    Status.SUBMITTED: "",
    Status.WAITING: "yellow",
    Status.QUEUED: "cyan",
    Status.EXECUTING: "blue",
    Status.SUCCESS: "green",
    Status.FAILURE: "red",
    Status.STOPPED: "magenta",
    Status.SKIPPED: "yellow",
}
_ON_BAR = (
    Status.SUCCESS,
    Status.FAILURE,
    Status.STOPPED,
    Status.SKIPPED,
    Status.EXECUTING,
)
"""What is seen on a bar, from its left end."""
_NARROW = 60
_MOST_NAME = 24
_MOST_BAR = 30
_LEAST_NOTES = 9
"""In fewer columns nothing of what is not a success is said: the end of the line would be cut."""
_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "m"), (1.0, "s"))


def overall(progress: Overview, elapsed: float | None, width: int, *, ascii_only: bool = False) -> list[Text]:
    """Return the bar of all tasks, and below it how many are in each status and how long the rest takes."""
    counts = f" {percent(progress.done, progress.total)} {progress.done}/{progress.total}"
    line = bar(progress.counts, max(1, width - len(counts)), ascii_only=ascii_only)
    line.append(counts, "bold")
    states, pace = by_status(progress.counts), pace_of(progress, elapsed)
    if states.cell_len + len(pace) + 2 <= width:
        return [line, states.append(f"{'  ' if states and pace else ''}{pace}", "dim")]
    return [line, *_wrapped(progress.counts, width), *([cut(Text(pace, "dim"), width)] if pace else [])]


def _wrapped(counts: Mapping[Status, int], width: int) -> list[Text]:
    """Say how many tasks are in each status, in as many lines as that takes."""
    lines: list[Text] = []
    for part in _by_status(counts):
        if lines and lines[-1].cell_len + part.cell_len + 3 <= width:
            lines[-1].append(", ").append_text(part)
        else:
            lines.append(part)
    return lines


def bar(counts: Mapping[Status, int], width: int, *, ascii_only: bool = False) -> Text:
    """Draw how many tasks are in each status: what ended and what runs in its colour, the rest dim."""
    total = sum(counts.values())
    found, drawn, so_far = Text(), 0, 0
    ended, runs, rest = "#=-" if ascii_only else "━╍─"
    for status in _ON_BAR:
        so_far += counts.get(status, 0)
        end = width * so_far // total if total else 0
        if counts.get(status, 0) and end == drawn and drawn < width and status is Status.FAILURE:
            end += 1  # one failure of a million is seen
        if end > drawn:
            mark = runs if status is Status.EXECUTING else ended
            found.append(mark * (end - drawn), COLORS[status])
            drawn = end
    return found.append(rest * (width - drawn), "bright_black")


def by_status(counts: Mapping[Status, int]) -> Text:
    """Say how many tasks are in each status, in its colour."""
    return Text(", ").join(_by_status(counts))


def _by_status(counts: Mapping[Status, int]) -> list[Text]:
    return [
        Text(f"{counts[status]} {status}", COLORS[status]) for status in _BY_WEIGHT if counts.get(status, 0)
    ]


_BY_WEIGHT = (
    Status.FAILURE,
    Status.EXECUTING,
    Status.SUCCESS,
    Status.STOPPED,
    Status.SKIPPED,
    Status.QUEUED,
    Status.SUBMITTED,
    Status.WAITING,
)
"""What matters most comes first: a narrow line is cut at its end."""


def percent(done: int, total: int) -> str:
    """Say how much is done; 100 % only when all is."""
    return f"{100 * done // total if total else 100} %"


def pace_of(progress: Overview, elapsed: float | None) -> str:
    """Say how long it has been going on, how fast it is, and how long the rest takes."""
    parts = [] if elapsed is None else [short_duration(elapsed)]
    if progress.rate:
        parts.append(rate_in_words(progress.rate))
    if progress.left is not None:
        parts.append(f"{left_in_words(progress.left)} left")
    return ", ".join(parts)


def rate_in_words(per_second: float) -> str:
    """Write a rate so that it has a digit or two: ``2.5/s``, ``12/m``, ``3.1/h``.

    >>> rate_in_words(1200.4), rate_in_words(0.05), rate_in_words(0.999)
    ('1200/s', '3.0/m', '1.0/s')
    """
    for seconds, unit in ((1.0, "s"), (60.0, "m"), (3600.0, "h")):
        if round(per_second * seconds, 1) >= 1 or unit == "h":
            break
    value = per_second * seconds
    return f"{value:.1f}/{unit}" if value < 10 else f"{value:.0f}/{unit}"


def left_in_words(left: TimeLeft) -> str:
    """Write one figure; where it is not sure at all, a range.

    >>> left_in_words(TimeLeft(725, 700, 750)), left_in_words(TimeLeft(3600, 1800, 5400))
    ('~12 m', '30 m to 1.5 h')
    """
    if not left.is_wide:
        return f"~{_rough(left.seconds)}"
    low, high = _rough(left.low), _rough(left.high)
    return f"~{low}" if low == high else f"{low} to {high}"


def _rough(seconds: float) -> str:
    for length, unit in _UNITS:
        if seconds >= length:
            value = seconds / length
            if unit in "dh" and value < 10:
                return f"{value:.1f}".removesuffix(".0") + f" {unit}"
            return f"{value:.0f} {unit}"
    return "1 s"


def short_duration(seconds: float) -> str:
    """Write a time span in whole seconds, as it is seen running: ``7s``, ``3m05s``, ``2h07m``."""
    return f"{int(seconds)}s" if seconds < 60 else duration(seconds)


def job_lines(progress: Overview, width: int, rows: int, *, ascii_only: bool = False) -> list[Text]:
    """Return a line for each job, with its bar: as many as fit, those that matter most now."""
    if rows <= 0 or progress.job_count < 2 or not progress.jobs:
        return []
    shown = _chosen(progress.jobs, rows if progress.job_count <= rows else rows - 1)
    shape = JobColumns(shown, width)
    lines = [shape.line(job, ascii_only=ascii_only) for job in shown]
    if more := progress.job_count - len(shown):
        lines.append(Text(cut_words(f"and {more} more job{'s' if more != 1 else ''}", width), "dim"))
    return lines


def _chosen(jobs: Sequence[JobProgress], count: int) -> list[JobProgress]:
    def weight(job: JobProgress) -> tuple[int, int]:
        if any(job.counts.get(one) for one in (Status.EXECUTING, Status.QUEUED)):
            return 0, job.id
        if job.done < job.total:
            return 1, job.id
        return (2 if job.counts.get(Status.FAILURE) else 3), -job.id

    return sorted(sorted(jobs, key=weight)[: max(0, count)], key=lambda job: job.id)


class JobColumns:
    """The columns of the lines of jobs."""

    def __init__(self, jobs: Sequence[JobProgress], width: int) -> None:
        self._width = width
        self._id = max(len(str(job.id)) for job in jobs)
        self._counts = max(len(f"{job.done}/{job.total}") for job in jobs)
        room = width - self._id - self._counts - 3
        names = max(cell_len(printable(job.name)) for job in jobs)
        self._bar = max(3, min(_MOST_BAR, room // 3))
        self._name = max(0, min(_MOST_NAME, names, room - self._bar))

    def line(self, job: JobProgress, *, ascii_only: bool) -> Text:
        line = Text(f"{job.id:>{self._id}} ")
        line.append(_fit(printable(job.name), self._name) + " ")
        line.append_text(bar(job.counts, self._bar, ascii_only=ascii_only))
        line.append(f" {f'{job.done}/{job.total}':>{self._counts}}", COLORS[job.status])
        notes, room = self._notes(job), self._width - line.cell_len - 2
        if notes and room >= min(notes.cell_len, _LEAST_NOTES):
            line.append("  ").append_text(notes)
        return cut(line, self._width)

    def _notes(self, job: JobProgress) -> Text:
        counts: dict[Status, int] = {
            status: count for status, count in job.counts.items() if status is not Status.SUCCESS
        }
        if not counts:
            return Text()
        found = Text(job.status, COLORS[job.status]) if job.total == 1 else by_status(counts)
        if job.waits_for and job.counts.get(Status.WAITING) == job.total:
            found.append(f" for {format_ids(job.waits_for)}", COLORS[Status.WAITING])
        return found


def running_lines(progress: Overview, width: int, rows: int) -> list[Text]:
    """Return a line for each task that runs, the longest first: as many as fit."""
    if rows <= 0 or not progress.running:
        return []
    fit = rows if progress.executing <= rows else rows - 1
    shown = progress.running[: max(0, fit)]
    specs = {job.id: job.spec for job in progress.jobs}
    labels = max((len(label_of(task.job_id, task.task_id)) for task in shown), default=0)
    with_host = len({task.host for task in progress.running}) > 1 or any(not one.is_local for one in shown)
    lines = [_running(task, specs, progress.time, labels, width, with_host=with_host) for task in shown]
    if (more := progress.executing - len(shown)) > 0:
        lines.append(Text(cut_words(f"and {more} more that run", width), "dim"))
    return lines


def _running(
    task: RunningTask,
    specs: Mapping[int, JobSpec | None],
    now: float,
    labels: int,
    width: int,
    *,
    with_host: bool,
) -> Text:
    line = Text(f"{short_duration(max(0.0, now - task.started_at)):>6} ", COLORS[Status.EXECUTING])
    line.append(f"{label_of(task.job_id, task.task_id):<{labels}} ", "default")
    tail = f" {printable(task.host)}" if with_host else ""
    if task.gpus:
        tail += f" GPU {printable(task.gpus)}"
    if task.memory:
        tail += f" {size(task.memory)}"
    if cell_len(tail) > width // 3:
        tail = ""
    spec = specs.get(task.job_id)
    what = f"{printable(spec.name)} {given(spec, task.task_id)}".lstrip() if spec is not None else ""
    line.append(_fit(what, max(0, width - line.cell_len - cell_len(tail))), "default")
    return cut(line.append(tail, "dim"), width)


def given(spec: JobSpec, task_id: int) -> str:
    """Write what tells a task from others: its parameters, its line of a command file, or its command."""
    parameters = spec.parameters(task_id) if task_id else {}
    if not parameters:
        return command_line(spec.argv(task_id))
    if parameters.keys() == {"command"}:
        return printable(parameters["command"])
    return command_line(f"{name}={value}" for name, value in parameters.items())


def failure_line(failed: FailedTask, job: JobProgress | None, *, color: bool) -> str:
    """Say in one line that a task failed, and why."""
    word = colored("failure ", Status.FAILURE) if color else "failure "
    what = ""
    if job is not None:
        with_parameters = job.spec is not None and job.spec.sweep is not None
        what = f" {printable(job.name)}" + (
            f" {given(job.spec, failed.task_id)}" if with_parameters and job.spec is not None else ""
        )
    return f"{word} {label_of(failed.job_id, failed.task_id)}{what}: {printable(failed.what)}"


def label_of(job_id: int, task_id: int) -> str:
    """Name a task: ``3.7``, or ``3`` where the job has but one."""
    return f"{job_id}.{task_id}" if task_id else str(job_id)


def screen(
    progress: Overview, elapsed: float | None, width: int, rows: int, *, ascii_only: bool = False
) -> list[Text]:
    """Return all lines: the overall ones, jobs and running tasks, in so many rows at most."""
    lines = overall(progress, elapsed, width, ascii_only=ascii_only)[: max(1, rows)]
    room = rows - len(lines)
    jobs = progress.job_count if progress.job_count > 1 else 0
    for_running = min(progress.executing, max(room - jobs, room // 2))
    lines += job_lines(progress, width, room - for_running, ascii_only=ascii_only)
    return lines + running_lines(progress, width, rows - len(lines))


def summary_line(progress: Overview) -> str:
    """Say it all in one line, where there is no terminal."""
    parts = [f"{done_of(progress.counts)}/{progress.total} ended"]
    parts += [part for part in (by_status(progress.counts).plain, pace_of(progress, None)) if part]
    return ", ".join(parts)


def _fit(words: str, width: int) -> str:
    """Cut or fill a text to so many columns."""
    if cell_len(words) > width:
        words = cut_words(words, width)
    return set_cell_size(words, width)


def cut_words(words: str, width: int) -> str:
    """Cut a text to so many columns."""
    if cell_len(words) <= width:
        return words
    return set_cell_size(words, width - 1).rstrip() + "…" if width > 0 else ""


def cut(line: Text, width: int) -> Text:
    """Cut a line to so many columns."""
    line.truncate(width, overflow="ellipsis")
    line.no_wrap = True
    return line
