"""What tasks write, in its turn: after the line that tells of their start, and before that of their end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from asyncjman.model.events import Event, TaskFinished, TaskRetried, TaskStarted
from asyncjman.render.outlet import LIMIT, Room

Attempt = tuple[int, int, int]
"""Job id, task id, and the number of the attempt."""
Show = Callable[[Attempt, int, bytes], Room | None]
"""Takes what an attempt wrote: 1 for output or 2 for errors, and whole lines."""


class Turns:
    """Holds back what was written by tasks of whose start nothing was said yet."""

    def __init__(self, show: Show) -> None:
        self._show = show
        self.running: set[Attempt] = set()
        """What has started, and not ended, as far as that was told."""
        self._held: dict[Attempt, list[tuple[int, bytes]]] = {}
        self._held_bytes = 0
        self._room: Room | None = None

    def output(self, attempt: Attempt, stream: int, lines: bytes) -> Room | None:
        """Show what an attempt wrote, or hold it back; return what to wait for before there is more."""
        if attempt in self.running:
            return self._show(attempt, stream, lines)
        self._held.setdefault(attempt, []).append((stream, lines))
        self._held_bytes += len(lines)
        if self._held_bytes > LIMIT and self._room is None:
            self._room = asyncio.get_running_loop().create_future()
        return self._room

    def told(self, event: Event) -> None:
        """Take note that an event was told, and show what waited for it."""
        if isinstance(event, TaskStarted):
            attempt = (event.job_id, event.task_id, event.attempt)
            self.running.add(attempt)
            for stream, lines in self._held.pop(attempt, ()):
                self._held_bytes -= len(lines)
                self._show(attempt, stream, lines)
            if self._held_bytes <= LIMIT:
                self._make_room()
        elif isinstance(event, TaskFinished | TaskRetried):
            task = event.task
            self.running.discard((task.job_id, task.task_id, task.attempt))

    def show_all(self) -> None:
        """Show what is held back: of its start nothing will be told any more."""
        for attempt, pieces in self._held.items():
            for stream, lines in pieces:
                self._show(attempt, stream, lines)
        self._held.clear()
        self._held_bytes = 0
        self._make_room()

    def _make_room(self) -> None:
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)


class Labels:
    """Says before each line which task wrote it, once more than one runs."""

    def __init__(self, running: set[Attempt]) -> None:
        self._running = running
        self._labelled: set[Attempt] = set()

    def put(self, attempt: Attempt, lines: bytes) -> bytes:
        """Return the lines with labels: ``1.3 | ...``. What has one keeps it until its end."""
        if attempt not in self._labelled:
            if len(self._running) < 2:
                return lines
            self._labelled &= self._running
            self._labelled.add(attempt)
        job_id, task_id, _ = attempt
        label = (f"{job_id}.{task_id}" if task_id else str(job_id)).encode() + b" | "
        return label + lines[:-1].replace(b"\n", b"\n" + label) + lines[-1:]
