"""Live progress on a terminal: one line for all, one for each running task."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter, deque
from collections.abc import Sequence
from typing import TextIO, cast

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from asyncjman.model.events import Event, JobFinished, TaskFinished, TaskRetried, TaskStarted
from asyncjman.model.status import Status
from asyncjman.render.ending import Closing, closing_lines
from asyncjman.render.monitor import (
    Found,
    Totals,
    Work,
    event_line,
    label,
    lost_lines,
    repaired_line,
    task_line,
)
from asyncjman.render.outlet import Outlet, OutletText, Room
from asyncjman.render.text import duration

REFRESH_SECONDS = 0.1
_SAMPLES = 200
_MOST_PENDING = 1 << 15
"""Bytes of output between two times that it is drawn, of what can wait: short lines take their time."""


class LiveMonitor:
    """Redraws ten times a second at most; what jobs write goes above it, in whole lines."""

    def __init__(self, slots: int, outlet: Outlet) -> None:
        self._slots = slots
        self._outlet = outlet
        # a file to write text to, as far as rich uses one
        self._console = Console(file=cast(TextIO, OutletText(outlet)), highlight=False, soft_wrap=False)
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._running: dict[tuple[int, int], tuple[str, float]] = {}
        self._counts: Counter[Status] = Counter()
        self._times: deque[float] = deque(maxlen=_SAMPLES)
        self._began = time.time()
        self._pending: list[bytes] = []
        self._pending_bytes = 0
        self._room: Room | None = None
        self._notes: list[str] = []
        self._live.start()

    def event(self, event: Event) -> None:
        if isinstance(event, TaskStarted):
            name = label(event.job_id, event.task_id, event.name)
            self._running[event.job_id, event.task_id] = (name, event.time)
        elif isinstance(event, TaskFinished):
            task = event.task
            self._running.pop((task.job_id, task.task_id), None)
            self._counts[task.status] += 1
            if task.started_at is not None and task.finished_at is not None:
                self._times.append(task.finished_at - task.started_at)
            if task.status is not Status.SUCCESS:
                self._notes.append(task_line(task, event.name, color=not self._console.no_color))
        elif isinstance(event, TaskRetried):
            self._running.pop((event.task.job_id, event.task.task_id), None)
            self._notes.append(event_line(event) or "")
        elif isinstance(event, JobFinished) and event.status is Status.SKIPPED:
            self._notes.append(f"skipped  {label(event.job_id, 0, event.name)}")

    def output(self, stream: int, lines: bytes) -> Room | None:
        if stream == 2 and not sys.stderr.isatty():
            self._outlet.write(2, lines)
            return self._outlet.room(2)
        self._pending.append(lines)
        self._pending_bytes += len(lines)
        if self._pending_bytes > _MOST_PENDING and self._room is None:
            self._room = asyncio.get_running_loop().create_future()
        return self._room

    def recovered(self, found: Found) -> None:
        self._notes.append(repaired_line(found))

    def lost(self, tasks: Sequence[tuple[int, int]]) -> None:
        self._notes += lost_lines(tasks)

    def trouble(self, line: str) -> None:
        self._notes.append(line)

    def interrupted(self, *, again: bool, running: int) -> None:
        how = "killing" if again else "stopping"
        self._notes.append(f"{how} {running} running tasks; Ctrl-C again kills them at once")

    async def refresh(self, work: Work) -> None:
        """Redraw until cancelled."""
        while True:
            if self._outlet.is_idle:  # else the terminal is behind, or was stopped
                self._draw(work.left)
            await asyncio.sleep(REFRESH_SECONDS)

    def close(self, totals: Totals, closing: Closing) -> None:
        self._print_above()
        self._live.stop()
        for line in closing_lines(closing):
            self._outlet.text(line + "\n")

    def _draw(self, left: int) -> None:
        self._print_above()
        now = time.time()
        lines = [Text(self._overall(left, now), no_wrap=True, overflow="ellipsis")]
        room = max(1, self._console.size.height - 3)
        shown = sorted(self._running.values(), key=lambda one: one[1])[:room]
        for name, started in shown:
            lines.append(Text(f"  {duration(now - started):>6} {name}", no_wrap=True, overflow="ellipsis"))
        if len(self._running) > len(shown):
            lines.append(Text(f"  and {len(self._running) - len(shown)} more"))
        self._live.update(Group(*lines), refresh=True)

    def _print_above(self) -> None:
        """Print whole lines above the display."""
        pending, self._pending, self._pending_bytes = self._pending, [], 0
        if self._room is not None:
            self._room.set_result(None)
            self._room = None
        notes, self._notes = self._notes, []
        written = [lines.decode("utf-8", "backslashreplace").removesuffix("\n") for lines in pending]
        for lines in written + notes:
            self._console.print(Text.from_ansi(lines), soft_wrap=True)

    def _overall(self, left: int, now: float) -> str:
        done = sum(self._counts.values())
        failed = self._counts[Status.FAILURE]
        running = len(self._running)
        rate = done / max(now - self._began, 0.001)
        parts = [f"{done} done", f"{running} running", f"{max(left - running, 0)} waiting", f"{rate:.1f}/s"]
        if failed:
            parts.insert(1, f"{failed} failed")
        if span := self._time_left(left):
            parts.append(f"{span} left")
        return ", ".join(parts)

    def _time_left(self, left: int) -> str:
        """Say how long the rest takes, as a range: by the quick and by the slow quarter of the tasks."""
        if len(self._times) < 3 or not left:
            return ""
        times = sorted(self._times)
        low, high = times[len(times) // 4], times[len(times) * 3 // 4]
        turns = left / self._slots
        early, late = duration(low * turns), duration(high * turns)
        return early if early == late else f"{early} to {late}"
