"""How far jobs are that others run, while somebody waits for them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

from asyncjman.model.progress import FailedTask, Overview
from asyncjman.render.monitor import SUMMARY_SECONDS, Source


class Follower(Protocol):
    """Shows how far all is, until cancelled."""

    def say(self, line: str) -> None: ...
    async def follow(self, source: Source) -> None: ...
    def leave(self) -> None: ...


class PlainFollower:
    """A line now and then."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say

    async def follow(self, source: Source) -> None:
        from asyncjman.render.progress import summary_line

        while True:
            await asyncio.sleep(SUMMARY_SECONDS)
            self.say(f"progress {summary_line(await source.read())}")

    def leave(self) -> None:
        """Nothing is on the screen to be removed."""


class LiveFollower:
    """The same display as that of execute; what fails meanwhile scrolls above it."""

    def __init__(self) -> None:
        from asyncjman.render.live import Painter
        from asyncjman.render.outlet import Outlet

        self._outlet = Outlet()
        self._painter = Painter(self._outlet)
        self._lines: list[str] = []
        self._told: set[tuple[int, int, int]] = set()
        self._progress: Overview | None = None

    def step_aside(self) -> None:
        """Remove what is drawn, as long as this process is suspended."""
        self._painter.step_aside()

    def say(self, line: str) -> None:
        self._lines.append(line)

    async def follow(self, source: Source) -> None:
        from asyncjman.render.live import REFRESH_SECONDS

        read_at = -1.0
        while True:
            if time.monotonic() - read_at >= source.pause:
                self._take(await source.read())
                read_at = time.monotonic()
            if self._outlet.is_idle:
                self._draw()
            await asyncio.sleep(REFRESH_SECONDS)

    def leave(self) -> None:
        self._progress = None
        self._draw()
        self._painter.clear()
        deadline = time.monotonic() + 1
        while not self._outlet.is_idle and time.monotonic() < deadline:
            time.sleep(0.005)  # what is printed next does not go through the outlet

    def _take(self, progress: Overview) -> None:
        from asyncjman.render.progress import failure_line

        self._progress = progress
        names = {job.id: job for job in progress.jobs}
        for failed in reversed(progress.failures):
            if (key := _key(failed)) not in self._told:
                self._told.add(key)
                self._lines.append(
                    failure_line(failed, names.get(failed.job_id), color=self._painter.has_color)
                )

    def _draw(self) -> None:
        lines, self._lines = self._lines, []
        self._painter.paint(self._progress, lines)


def _key(failed: FailedTask) -> tuple[int, int, int]:
    return failed.job_id, failed.task_id, failed.attempt
