"""Compares what was seen with what may be. Each rule errs on the side of what it can't know.

Starts before their time are the one difficult thing. A task writes its first line some time after it was
decided to start it, so that its dependencies may have changed in between. The oracle asks: was there a moment
at which they may have allowed it? That moment lies

- after whatever made the task open: its submission, or the resubmission that had it run again (if that opened
  also what it waits for, then before it or at the same moment);
- after the call of the execute that started it, and after the begin of the attempt before;
- not more than ``STALE_SECONDS`` before the line, not counting how long that execute was suspended: so long
  may it not have heard of what another process did.

Of a dependency it is known that it has not ended while a task of it is between its lines, and from the return
of the command that reset it until another process of it has ended.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from signal import SIGCONT, SIGSTOP
from typing import Any

from tests.faults.model.driver import History, listing_of
from tests.faults.model.journal import CommandLine, Line, TaskLine
from tests.faults.model.plan import Delete, Execute, Job
from tests.faults.model.standing import Standing
from tests.faults.model.states import brings_back, concerns
from tests.faults.model.track import Track, Tracker, Violation

STALE_SECONDS = 5.0


class Oracle:
    """Looks at one history."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._jobs = history.jobs
        self._lines = history.lines
        self._moments = [one.moment for one in history.lines]
        self.standings: dict[int, Standing] = {}
        self.violations: list[Violation] = []
        self.listings = {
            one.number: listing for one in history.commands if (listing := listing_of(one)) is not None
        }
        self.windows: dict[int, tuple[int, int]] = {}
        self._suspended: dict[int, float] = defaultdict(float)
        self._commands: list[CommandLine] = []
        self._tasks: dict[tuple[int, int], list[TaskLine]] = defaultdict(list)
        self._sort_lines()

    def _sort_lines(self) -> None:
        stopped: dict[int, float] = {}
        for line in self._lines:
            if isinstance(line, TaskLine):
                self._tasks[line.job, line.task].append(line)
                continue
            if line.what == "signal" and line.value in (SIGSTOP, SIGCONT):
                if line.value == SIGSTOP:
                    stopped[line.command] = line.moment
                else:
                    self._suspended[line.command] += line.moment - stopped.pop(line.command, line.moment)
                continue
            self._commands.append(line)
            if line.what == "call":
                self.windows[line.command] = (line.at, len(self._lines))
            elif line.what == "return":
                self.windows[line.command] = (self.windows[line.command][0], line.at)

    def judge(self) -> list[Violation]:
        """Return all that can't be."""
        for _, job in sorted(self._jobs.items()):
            self._follow(job)
        return self.violations

    # -- task by task ---------------------------------------------------------------------------------

    def _follow(self, job: Job) -> None:
        lines = self._lines_of(job)
        ticks = sorted({place for need in job.needs for place in self.standings[need.on].changes()})
        tracks = {}
        for task in job.tasks:
            tracker = self._tracker(job, task)
            places = iter([*ticks, len(self._lines)])
            tick = next(places)
            for line in self._with_own(lines, job, task):
                while tick < line.at:
                    tracker.tick(tick)
                    tick = next(places)
                tracker.line(line)
            tracks[task] = tracker.track
            self.violations += tracker.violations
        self.standings[job.number] = self._standing(job, tracks)

    def _lines_of(self, job: Job) -> list[CommandLine]:
        """Return the lines of commands that may do something to a job."""
        executes = {one.execute for task in job.tasks for one in self._tasks[job.number, task]}
        chosen = set()
        for one in self._history.commands:
            if isinstance(one.operation, Execute):
                signalled = bool(one.signals)  # what it had begun may have ended before it wrote a line
                if one.number in executes or signalled or job.timeout:
                    chosen.add(one.number)
            elif any(concerns(one.operation, one.jobs, job.number, task) for task in job.tasks) or (
                brings_back(one.operation, one.jobs, job.number, self._jobs)
            ):
                chosen.add(one.number)
        return [line for line in self._commands if line.command in chosen]

    def _with_own(self, lines: list[CommandLine], job: Job, task: int) -> list[Line]:
        return sorted([*lines, *self._tasks[job.number, task]], key=lambda one: one.at)

    def _tracker(self, job: Job, task: int) -> Tracker:
        begins = [one for one in self._tasks[job.number, task] if one.what == "begin"]
        skips: dict[int, int] = {}

        def shown(number: int) -> str | None:
            listing = self.listings.get(number)
            return shown_of(listing, job.number, task) if listing is not None else None

        def hindrance(line: TaskLine, opener: int) -> str:
            return self._hindrance(job, line, begins, opener)

        def may_skip(opener: int, at: int) -> bool:
            if opener not in skips:
                skips[opener] = self._first_skip(job, task, opener)
            return skips[opener] <= at

        return Tracker(job, task, self._jobs, self._history.commands, shown, hindrance, may_skip)

    def _standing(self, job: Job, tracks: dict[int, Track]) -> Standing:
        commands = self._history.commands
        deletes = [
            self.windows[one.number][0]
            for one in commands
            if isinstance(one.operation, Delete) and one.jobs and job.number in one.jobs
        ]
        windows = {
            one.number: self.windows[one.number]
            for one in commands
            if any(concerns(one.operation, one.jobs, job.number, task) for task in job.tasks)
            or brings_back(one.operation, one.jobs, job.number, self._jobs)
        }
        return Standing(job, tracks, min(deletes, default=None), windows)

    # -- dependencies ---------------------------------------------------------------------------------

    def _hindrance(self, job: Job, line: TaskLine, begins: list[TaskLine], opener: int) -> str:
        first, last = self.windows.get(opener, (0, 0))
        earliest = max(first, self.windows[line.execute][0], self._not_before(job, line, begins))
        for need in job.needs:
            other = self.standings[need.on]
            if not other.may_let_go(need.kind, line.task, earliest, line.at, opener, last):
                seen = other.words(earliest, line.at)
                return f"{need.kind} {need.on}, which from line {earliest} on was {seen}"
        return ""

    def _not_before(self, job: Job, line: TaskLine, begins: list[TaskLine]) -> int:
        """Return the place before which it can't have been decided that this attempt starts."""
        index = begins.index(line)
        before = begins[index - 1] if index else None
        if before and before.execute == line.execute and job.retries:
            # an attempt that follows one that failed has the permission of the first
            return self._not_before(job, before, begins)
        stale = line.moment - STALE_SECONDS - self._suspended[line.execute]
        return max(before.at if before else 0, bisect_left(self._moments, stale))

    def _first_skip(self, job: Job, task: int, opener: int) -> int:
        """Return the first place where a task may be skipped that a command has opened."""
        first, _ = self.windows.get(opener, (0, 0))
        found = [self.standings[need.on].first_skip(need.kind, task, first, opener) for need in job.needs]
        return min((one for one in found if one is not None), default=len(self._lines))


def shown_of(listing: dict[int, dict[str, Any]], job: int, task: int) -> str:
    """Return what a listing says of a task."""
    if job not in listing:
        return "no job"
    tasks = listing[job]["tasks"]
    if isinstance(tasks, dict):  # counts only
        kinds = [status for status, count in tasks.items() if count]
        return "present" if len(kinds) != 1 else f"all {kinds[0]}"
    for one in tasks:
        if (one["id"] or 0) == task:
            return str(one["status"])
    return "no task"
