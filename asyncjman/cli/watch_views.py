"""What ``jman watch`` shows in turn: jobs, the tasks of one, a log, failures, why. Each gives its lines."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fnmatch import fnmatch
from typing import TYPE_CHECKING

from rich.text import Text

from asyncjman.api.logfiles import tail
from asyncjman.model.job import Job, Task
from asyncjman.model.selection import Selection, ranges_of
from asyncjman.model.status import Status
from asyncjman.render.board import Shown, board, grouped
from asyncjman.render.progress import COLORS, cut, given, label_of, short_duration
from asyncjman.render.text import arguments, printable, short_path

if TYPE_CHECKING:
    from asyncjman.api.manager import JobManager
    from asyncjman.model.progress import JobProgress

_LOG_LINES = 500


class View:
    """One of the things that are shown; this one shows lines of text, and can be scrolled."""

    def __init__(self) -> None:
        self.at = 0
        self.text: list[Text] = [Text("...")]

    @property
    def count(self) -> int:
        """Return through how many lines one can move."""
        return len(self.text)

    def move(self, step: float, page: int) -> None:
        """Go so many lines on, such a part of a page, or to an end."""
        if math.isinf(step):
            self.at = 0 if step < 0 else self.count
        else:
            self.at += int(step) if abs(step) >= 1 else int(step * page)
        self.at = max(0, min(self.at, self.count - 1))

    def lines(self, shown: Shown) -> list[Text]:
        """Return what fits the screen."""
        begin = max(0, min(self.at, len(self.text) - (shown.rows or 0)))
        return [cut(line.copy(), shown.width) for line in self.text[begin : begin + (shown.rows or 0)]]

    @property
    def is_behind(self) -> bool:
        """Tell whether what is to be seen has to be read first."""
        return False

    async def refresh(self, manager: JobManager) -> None:
        """Read what is shown once more."""


class JobsView(View):
    """Jobs with their bars, what runs, and what failed last."""

    def __init__(self) -> None:
        super().__init__()
        self.filter = ""
        self._jobs: Sequence[JobProgress] = ()
        self._chosen_id: int | None = None

    def take(self, jobs: Sequence[JobProgress]) -> None:
        """Show these jobs from now on; the one that is marked stays so."""
        self._jobs = jobs
        matching = self._matching
        ids = [job.id for job in matching]
        if self._chosen_id in ids:
            self.at = ids.index(self._chosen_id)
        self.at = max(0, min(self.at, len(ids) - 1))

    def set_filter(self, words: str) -> None:
        """Show only jobs whose id, name or status has this; it may be a glob."""
        self.filter = words
        self.take(self._jobs)

    @property
    def _matching(self) -> list[JobProgress]:
        if not self.filter:
            return list(self._jobs)
        pattern = self.filter if any(mark in self.filter for mark in "*?[") else f"*{self.filter}*"
        return [
            job
            for job in self._jobs
            if any(fnmatch(word, pattern) for word in (str(job.id), job.name, job.status))
        ]

    @property
    def count(self) -> int:
        return len(self._matching)

    def move(self, step: float, page: int) -> None:
        super().move(step, page)
        self._chosen_id = self.chosen.id if self.chosen else None

    @property
    def chosen(self) -> JobProgress | None:
        """Return the job that is marked."""
        matching = self._matching
        return matching[self.at] if 0 <= self.at < len(matching) else None

    def lines(self, shown: Shown) -> list[Text]:
        return board(shown, self._matching, self.at)


class TasksView(View):
    """The tasks of a job, a page at a time."""

    def __init__(self, job_id: int) -> None:
        super().__init__()
        self._job_id = job_id
        self._job: Job | None = None
        self._page: list[Task] = []
        self._begin = 0

    @property
    def count(self) -> int:
        return self._job.task_count if self._job else 1

    @property
    def task_id(self) -> int | None:
        """Return the task that is marked."""
        index = self.at - self._begin
        return self._page[index].task_id if 0 <= index < len(self._page) else None

    @property
    def is_behind(self) -> bool:
        margin = _PAGE // 4
        first, last = self._begin, self._begin + len(self._page)
        return (first > 0 and self.at < first + margin) or (last < self.count and self.at > last - margin)

    async def refresh(self, manager: JobManager) -> None:
        found = await manager.read([self._job_id])
        self._job = found[0] if found else None
        if self._job is None:
            self.text = [Text(f"job {self._job_id} was deleted")]
            return
        self._begin = max(0, self.at - _PAGE // 2)
        array = self._job.spec.array
        ids = array.slice(self._begin, _PAGE) if array else ()
        self._page = [task async for task in manager.tasks(self._job, ids)]

    def lines(self, shown: Shown) -> list[Text]:
        job, rows = self._job, (shown.rows or 0) - 2
        if job is None or rows <= 0:
            return super().lines(shown)
        head = cut(Text(f"job {job.id} {printable(job.spec.name)} {arguments(job)}", "bold"), shown.width)
        begin = max(0, min(self.at - rows // 2, job.task_count - rows) - self._begin)
        lines = []
        for index, task in enumerate(self._page[begin : begin + rows], self._begin + begin):
            line = cut(_task(job, task, shown.progress.time), shown.width)
            if index == self.at:
                line.pad_right(shown.width - line.cell_len)
                line.stylize("reverse")
            lines.append(line)
        return [head, Text(), *lines]


_PAGE = 100


def _task(job: Job, task: Task, now: float) -> Text:
    labels = len(label_of(job.id, job.spec.array.last)) if job.spec.array else 0
    line = Text(f"{label_of(job.id, task.task_id):<{max(labels, 8)}} ")
    line.append(f"{task.status:<9} ", COLORS[task.status])
    spent = ""
    if task.started_at is not None:
        spent = short_duration((task.finished_at or now) - task.started_at)
    line.append(f"{spent:>7} ")
    if task.reason:
        line.append(f"{printable(task.reason)}  ", COLORS[task.status])
    return line.append(given(job.spec, task.task_id))


class LogView(View):
    """The end of the logs of a task: of the one that is marked, or that speaks for the job."""

    def __init__(self, job_id: int, task_id: int | None) -> None:
        super().__init__()
        self._job_id = job_id
        self._task_id = task_id
        self._follows = True

    def move(self, step: float, page: int) -> None:
        super().move(step, page)
        self._follows = self.at >= self.count - page

    async def refresh(self, manager: JobManager) -> None:
        found = await manager.read([self._job_id])
        if not found:
            self.text = [Text(f"job {self._job_id} was deleted")]
            return
        job = found[0]
        if self._task_id is None:
            self._task_id = await _speaking_task(manager, job)
        logs = manager.logs(job, self._task_id)
        lines = [Text(f"{label_of(job.id, self._task_id)} {given(job.spec, self._task_id)}", "bold")]
        if logs is None:
            lines.append(Text("no log files: it writes to the terminal (submit with --log-dir to have some)"))
        for path in logs or ():
            lines.append(Text(short_path(path), "dim"))
            lines += [Text(printable(one.expandtabs())) for one in tail(path, _LOG_LINES)]
        self.text = lines
        if self._follows:
            self.at = len(lines)


async def _speaking_task(manager: JobManager, job: Job) -> int:
    """Return the task that a user wants to see first: one that failed, one that runs, or the first one."""
    if job.spec.array is None:
        return 0
    progress = await (await manager.progress_of_all(Selection(ids=ranges_of([job.id])))).read()
    if progress.failures:
        return progress.failures[0].task_id
    return progress.running[0].task_id if progress.running else job.spec.array.slice(0, 1)[0]


class FailuresView(View):
    """The newest failures, by what they have in common."""

    def lines(self, shown: Shown) -> list[Text]:
        names = {job.id: job for job in shown.progress.jobs}
        text = [Text("the newest failures; all by their causes: jman failures", "bold")]
        for group in grouped(shown.progress.failures):
            text += [
                Text(),
                Text(f"{len(group.tasks)} failure: {printable(group.what)}", COLORS[Status.FAILURE]),
            ]
            for one in group.tasks:
                job = names.get(one.job_id)
                what = given(job.spec, one.task_id) if job and job.spec else ""
                text.append(Text(f"  {label_of(one.job_id, one.task_id)} {what}"))
        self.text = text if len(text) > 1 else [Text("nothing failed")]
        return super().lines(shown)


class WhyView(View):
    """Why a job, or a task of it, is as it is."""

    def __init__(self, job_id: int, task_id: int | None) -> None:
        super().__init__()
        self._job_id = job_id
        self._task_id = task_id

    async def refresh(self, manager: JobManager) -> None:
        tasks = {self._job_id: [self._task_id]} if self._task_id else {}
        selection = Selection(ids=ranges_of([self._job_id]), tasks=tasks)
        found: list[Text] = []
        async for job, lines in manager.why(await manager.read([self._job_id]), selection):
            found.append(Text(f"job {job.id} {job.status}: {arguments(job)}", "bold"))
            found += [Text(f"  {printable(line)}") for line in lines]
        self.text = found or [Text(f"job {self._job_id} was deleted")]
