"""What `jman execute` shows while it runs, and at its end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from asyncjman.model.events import Event, JobFinished, JobSubmitted, TaskFinished, TaskRetried, TaskStarted
from asyncjman.model.job import Task
from asyncjman.model.selection import format_ids
from asyncjman.model.status import Status
from asyncjman.render.ending import Closing, closing_lines
from asyncjman.render.objects import dumps, moment, task_object
from asyncjman.render.outlet import Outlet, Room
from asyncjman.render.text import (
    colored,
    duration,
    printable,
    use_color,
)
from asyncjman.render.turns import Attempt, Labels, Turns

if TYPE_CHECKING:  # loaded when it is first read: most runs are over by then
    from asyncjman.model.progress import Overview

SUMMARY_SECONDS = 30.0
"""How often it is said how far all is, where there is no terminal."""


class Source(Protocol):
    """Where a monitor learns how far all is."""

    @property
    def pause(self) -> float:
        """Return after how many seconds there may be news."""

    async def read(self) -> Overview: ...


class Found(Protocol):
    """What was found of a jman that was killed, or that may have been."""

    @property
    def pid(self) -> int: ...
    @property
    def host(self) -> str: ...
    @property
    def tasks(self) -> int: ...
    @property
    def processes(self) -> int: ...
    @property
    def is_dead(self) -> bool: ...
    @property
    def released(self) -> bool: ...
    @property
    def job_ids(self) -> Sequence[int]: ...


class Totals(Protocol):
    """How many tasks ended in each status, and how many jobs were skipped."""

    @property
    def counts(self) -> dict[Status, int]: ...
    @property
    def skipped_jobs(self) -> int: ...


class Monitor(Protocol):
    """A verb for each thing that is shown."""

    def event(self, event: Event) -> None: ...
    def output(self, attempt: Attempt, stream: int, lines: bytes) -> Room | None: ...
    def recovered(self, found: Found) -> None: ...
    def lost(self, tasks: Sequence[tuple[int, int]]) -> None: ...
    def trouble(self, line: str) -> None: ...
    def interrupted(self, *, again: bool, running: int) -> None: ...
    async def refresh(self, source: Source) -> None: ...
    def leave(self) -> None: ...
    def close(self, totals: Totals, closing: Closing) -> None: ...


class PlainMonitor:
    """A line per event."""

    def __init__(self, outlet: Outlet, *, labels: bool = False) -> None:
        """``labels``: whether each line of output says which task wrote it, where several run."""
        self._outlet = outlet
        self._turns = Turns(self._show)
        self._labels = Labels(self._turns.running) if labels else None
        self._color = use_color()

    def event(self, event: Event) -> None:
        if line := event_line(event, color=self._color):
            self.line(line)
        self._turns.told(event)

    def output(self, attempt: Attempt, stream: int, lines: bytes) -> Room | None:
        return self._turns.output(attempt, stream, lines)

    def _show(self, attempt: Attempt, stream: int, lines: bytes) -> Room | None:
        if self._labels is not None:
            lines = self._labels.put(attempt, lines)
        self._outlet.write(stream, lines)
        return self._outlet.room(stream)

    def line(self, text: str) -> None:
        self._outlet.text(text + "\n")

    def recovered(self, found: Found) -> None:
        self.line(repaired_line(found))

    def lost(self, tasks: Sequence[tuple[int, int]]) -> None:
        for line in lost_lines(tasks):
            self.line(line)

    def trouble(self, line: str) -> None:
        self.line(line)

    def interrupted(self, *, again: bool, running: int) -> None:
        self.line(interrupted_line(running, again=again, hint="again to kill them at once"))

    async def refresh(self, source: Source) -> None:
        """Say now and then how far all is, until cancelled."""
        while True:
            await asyncio.sleep(SUMMARY_SECONDS)
            self.progress(await source.read())

    def progress(self, progress: Overview) -> None:
        from asyncjman.render.progress import summary_line

        self.line(f"progress {summary_line(progress)}")

    def leave(self) -> None:
        """Show what is held back; there is nothing on the screen to be removed."""
        self._turns.show_all()

    def close(self, totals: Totals, closing: Closing) -> None:
        self.leave()
        for line in closing_lines(closing):
            self.line(line)


class JsonMonitor(PlainMonitor):
    """Each event as a line of JSON; what jobs write goes to standard error."""

    def event(self, event: Event) -> None:
        self.line(dumps(event_object(event)))
        self._turns.told(event)

    def _show(self, attempt: Attempt, stream: int, lines: bytes) -> Room | None:
        return super()._show(attempt, 2, lines)

    def progress(self, progress: Overview) -> None:
        from asyncjman.render.objects import progress_object

        self.line(dumps({"event": "progress", **progress_object(progress)}))

    def recovered(self, found: Found) -> None:
        event = "recovered" if found.released else "unproven"
        self.line(dumps({"event": event, "pid": found.pid, "tasks": found.tasks}))

    def lost(self, tasks: Sequence[tuple[int, int]]) -> None:
        for job_id, task_id in tasks:
            self.line(dumps({"event": "lost", "job": job_id, "task": task_id or None}))

    def trouble(self, line: str) -> None:
        self.line(dumps({"event": "trouble", "message": line}))

    def interrupted(self, *, again: bool, running: int) -> None:
        self.line(dumps({"event": "interrupted", "running": running}))

    def close(self, totals: Totals, closing: Closing) -> None:
        self.leave()
        self.line(
            dumps({"event": "ended", "tasks": dict(totals.counts), "skipped_jobs": totals.skipped_jobs})
        )


def repaired_line(found: Found) -> str:
    """Say what was done about a jman that was killed, or what somebody else has to do."""
    if found.released:
        return (
            f"a jman execute (pid {found.pid}) was killed: ended {found.processes} processes that it left, "
            f"{found.tasks} tasks run again"
        )
    return unproven_line(found)


def unproven_line(found: Found) -> str:
    """Say of which jobs it can't be known whether they run, and how to end that."""
    ids, who = format_ids(found.job_ids), f"jman execute (pid {found.pid} on {found.host})"
    if found.is_dead:
        return (
            f"a {who} was killed, but its tasks of job {ids} may run on where they can't be seen from here; "
            f"once they have ended: jman stop --force {ids}"
        )
    return (
        f"job {ids} is held by a {who} that can't be seen from here; if it is dead: jman stop --force {ids}"
    )


def interrupted_line(running: int, *, again: bool, hint: str) -> str:
    """Say that what runs is ended; ``hint``: what one can do where that is too slow."""
    tasks = f"{running} running task{'s' if running != 1 else ''}"
    return f"killing {tasks}" if again else f"stopping {tasks}; {hint}"


def lost_lines(tasks: Sequence[tuple[int, int]]) -> list[str]:
    """Say which tasks others took from this jman: it ends what runs of them."""
    names = (label(job_id, task_id, "") for job_id, task_id in tasks)
    return [f"task {name} was taken from this jman, as jman stop --force does: it is ended" for name in names]


def label(job_id: int, task_id: int, name: str) -> str:
    """Name a task for a person: ``3.7 train.py``."""
    number = f"{job_id}.{task_id}" if task_id else str(job_id)
    return f"{number} {printable(name)}".rstrip()


def event_line(event: Event, *, color: bool) -> str | None:
    """Say an event in one line."""
    if isinstance(event, TaskStarted):
        return f"started  {label(event.job_id, event.task_id, event.name)}"
    if isinstance(event, TaskFinished):
        return task_line(event.task, event.name, color=color)
    if isinstance(event, TaskRetried):
        return task_line(event.task, event.name, "retry", color=color)
    if isinstance(event, JobFinished) and event.status is Status.SKIPPED:
        return f"{_word('skipped', event.status, color=color)} {label(event.job_id, 0, event.name)}"
    return None


def task_line(task: Task, name: str, word: str | None = None, *, color: bool) -> str:
    """Say how a task ended in one line; ``word``: what is said instead of its status."""
    spent = ""
    if task.started_at is not None and task.finished_at is not None:
        spent = f" after {duration(task.finished_at - task.started_at)}"
    said = _word(word or task.status, task.status, color=color)
    reason = f": {printable(task.reason)}" if task.reason and task.status is not Status.STOPPED else ""
    return f"{said} {label(task.job_id, task.task_id, name)}{spent}{reason}"


def _word(word: str, status: Status, *, color: bool) -> str:
    return colored(f"{word:<8}", status) if color else f"{word:<8}"


def event_object(event: Event) -> dict[str, object]:
    """Return an event as JSON shows it."""
    common: dict[str, object] = {"time": moment(event.time), "job": event.job_id}
    match event:
        case TaskStarted():
            return {
                "event": "task_started",
                **common,
                "task": event.task_id or None,
                "attempt": event.attempt,
            }
        case TaskFinished():
            return {"event": "task_finished", **common, "task": task_object(event.task, None)}
        case TaskRetried():
            return {"event": "task_retried", **common, "task": task_object(event.task, None)}
        case JobFinished():
            return {"event": "job_finished", **common, "status": event.status}
        case JobSubmitted():
            return {"event": "job_submitted", **common}
    return common
