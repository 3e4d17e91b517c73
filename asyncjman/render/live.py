"""Live progress on a terminal: what is said scrolls, and below it stands how far all is."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from select import select
from typing import TextIO, cast

from rich.text import Text

from asyncjman.model.events import Event, TaskFinished, TaskStarted
from asyncjman.model.job import JobSpec, Task
from asyncjman.model.progress import Overview, with_signature
from asyncjman.model.status import Status
from asyncjman.render.ansi import console_of, written
from asyncjman.render.ending import Closing, closing_lines
from asyncjman.render.monitor import (
    Found,
    Source,
    Totals,
    event_line,
    interrupted_line,
    lost_lines,
    repaired_line,
    task_line,
)
from asyncjman.render.outlet import Outlet, OutletText, Room
from asyncjman.render.progress import given, screen
from asyncjman.render.region import Region
from asyncjman.render.text import as_shown, use_color
from asyncjman.render.turns import Attempt, Labels, Turns

REFRESH_SECONDS = 0.1
_MOST_PENDING = 1 << 15
"""Bytes of output between two times that it is drawn, of what can wait: short lines take their time."""
_LEAST_ABOVE = 3
"""So many rows at least are left to what scrolls."""


class Painter:
    """Draws lines at the bottom of the terminal, and prints others above them."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self.has_color = use_color()
        # a file to write text to, as far as rich uses one
        self.console = console_of(cast(TextIO, OutletText(outlet)), color=self.has_color)
        self._region = Region()
        self._began = time.monotonic()
        self._drawn: tuple[object, ...] = ()
        self._is_aside = False

    @property
    def ascii_only(self) -> bool:
        return self.console.options.ascii_only

    def paint(self, progress: Overview | None, above: Sequence[str]) -> None:
        """Draw how far all is, where that changed; print whole lines above it."""
        if self._is_aside:
            self._is_aside, self._drawn = False, ()
            self._region.forget()
        columns, rows = self.console.size
        elapsed = time.monotonic() - self._began
        state = (progress, int(elapsed), columns, rows)
        if state == self._drawn and not above:
            return
        self._drawn = state
        lines: list[Text] = []
        if progress is not None and rows > 1:
            now = replace(progress, time=time.time())
            room = max(1, rows - _LEAST_ABOVE)
            lines = screen(now, elapsed, columns, room, ascii_only=self.ascii_only)
        drawn = [self._ansi(line) for line in lines]
        scrolled = [row for one in above for row in self._rows(one)]
        self._outlet.text(self._region.frame(drawn, (columns, rows), scrolled))

    def draw(self, lines: Sequence[Text]) -> None:
        """Draw these lines, none wider than the terminal."""
        drawn = [self._ansi(line) for line in lines]
        columns, rows = self.console.size
        self._outlet.text(self._region.frame(drawn, (columns, rows)))

    def clear(self) -> None:
        """Remove what is drawn: what is written next stands in its place."""
        self._drawn = ()
        self._outlet.text(self._region.clear())

    def step_aside(self) -> None:
        """Remove what is drawn at once, where the terminal takes it: a shell writes there now.

        This may come in the middle of a drawing; the next one draws all anew.
        """
        takes_it = self._outlet.is_idle and select([], [sys.stdout], [], 0)[1]
        if (text := self._region.clear()) and takes_it:
            with suppress(OSError):
                os.write(sys.stdout.fileno(), text.encode())
        self._is_aside = True

    def _rows(self, lines: str) -> list[str]:
        """Return lines that tasks wrote without what moves the cursor, for which rich takes its time."""
        rows = lines.split("\n")
        return rows if all(map(str.isprintable, rows)) else self._ansi(Text.from_ansi(lines)).split("\n")

    def _ansi(self, text: Text) -> str:
        return written(self.console, text)


class LiveMonitor:
    """Redraws ten times a second at most; what jobs write goes above it, in whole lines."""

    def __init__(self, outlet: Outlet, *, labels: bool = True) -> None:
        """``labels``: whether each line of output says which task wrote it, where several run."""
        self._outlet = outlet
        self._painter = Painter(outlet)
        self._turns = Turns(self._show)
        self._labels = Labels(self._turns.running) if labels else None
        self._progress: Overview | None = None
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._room: Room | None = None
        self._specs: dict[int, JobSpec | None] = {}

    def step_aside(self) -> None:
        """Remove what is drawn, as long as this process is suspended."""
        self._painter.step_aside()

    def event(self, event: Event) -> None:
        self._turns.told(event)
        if isinstance(event, TaskFinished):
            if event.task.status is not Status.SUCCESS:
                name = self._named(event.job_id, event.task.task_id, event.name)
                self._note(task_line(_told(event.task), name, color=self._painter.has_color))
        elif not isinstance(event, TaskStarted) and (
            line := event_line(event, color=self._painter.has_color)
        ):
            self._note(line)

    def output(self, attempt: Attempt, stream: int, lines: bytes) -> Room | None:
        return self._turns.output(attempt, stream, lines)

    def _show(self, attempt: Attempt, stream: int, lines: bytes) -> Room | None:
        if stream == 2 and not sys.stderr.isatty():
            self._outlet.write(2, lines)
            return self._outlet.room(2)
        if b"\r" in lines:
            lines = as_shown(lines)
        if self._labels is not None:
            lines = self._labels.put(attempt, lines)
        self._pending.append(lines)
        self._pending_bytes += len(lines)
        if self._pending_bytes > _MOST_PENDING and self._room is None:
            self._room = asyncio.get_running_loop().create_future()
        return self._room

    def recovered(self, found: Found) -> None:
        self._note(repaired_line(found))

    def lost(self, tasks: Sequence[tuple[int, int]]) -> None:
        for line in lost_lines(tasks):
            self._note(line)

    def trouble(self, line: str) -> None:
        self._note(line)

    def interrupted(self, *, again: bool, running: int) -> None:
        hint = "Ctrl-C again kills them at once"
        self._note(interrupted_line(running, again=again, hint=hint))

    async def refresh(self, source: Source) -> None:
        """Redraw until cancelled."""
        read_at = -1.0
        while True:
            if time.monotonic() - read_at >= source.pause:
                self._take(await source.read())
                read_at = time.monotonic()
            if self._outlet.is_idle:  # else the terminal is behind, or was stopped
                self._draw()
            await asyncio.sleep(REFRESH_SECONDS)

    def leave(self) -> None:
        """Print what is pending, and leave a clean terminal."""
        self._turns.show_all()
        self._progress = None
        self._draw()
        self._painter.clear()

    def close(self, totals: Totals, closing: Closing) -> None:
        self.leave()
        for line in closing_lines(closing):
            self._outlet.text(line + "\n")

    def _take(self, progress: Overview) -> None:
        self._progress = progress
        self._specs.update({job.id: job.spec for job in progress.jobs})

    def _named(self, job_id: int, task_id: int, name: str) -> str:
        """Return the name of a task with its parameters, where it has some."""
        spec = self._specs.get(job_id)
        return f"{name} {given(spec, task_id)}" if spec is not None and spec.sweep is not None else name

    def _note(self, line: str) -> None:
        self._pending.append(line.encode("utf-8", "surrogateescape") + b"\n")

    def _draw(self) -> None:
        pending, self._pending, self._pending_bytes = self._pending, [], 0
        if self._room is not None:
            self._room.set_result(None)
            self._room = None
        above = [lines.decode("utf-8", "backslashreplace").removesuffix("\n") for lines in pending]
        self._painter.paint(self._progress, above)


def _told(task: Task) -> Task:
    """Return a task whose reason says, where it failed, what its standard error has of it."""
    if task.status is not Status.FAILURE or not task.errors:
        return task
    from asyncjman.model.failure import Cause
    from asyncjman.model.signature import signature_of

    signature = signature_of(task.cause or Cause.EXIT, task.reason, task.errors)
    return replace(task, reason=with_signature(task.reason or "", signature.text))
