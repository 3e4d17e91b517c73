"""``jman watch`` with keys: textual reads them, and draws what changed of the lines of ``render/board``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from rich.segment import Segment
from rich.text import Text
from textual import events
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from asyncjman.api.machine import MachineReader
from asyncjman.cli.watch_views import FailuresView, JobsView, LogView, TasksView, View, WhyView
from asyncjman.errors import JmanError
from asyncjman.model.selection import Selection, format_ids, ranges_of
from asyncjman.render.board import Shown
from asyncjman.render.progress import cut
from asyncjman.render.text import use_color

if TYPE_CHECKING:
    from asyncjman.api.manager import JobManager
    from asyncjman.api.progress_reader import ProgressReader
    from asyncjman.model.progress import JobProgress, Overview

LEAST_SECONDS = 1.0
_KEYS = "q quit  ↑↓  enter tasks  l log  f failures  w why  s stop  r resubmit  / filter"
_FEW_KEYS = "q ↑↓ ↵ l:log f:fail w:why s:stop r:re /"
_BACK = "q quit  ↑↓ scroll  esc back"
_TASK_KEYS = "q quit  ↑↓  l log  w why  esc back"


class Lines(Widget):
    """Lines of text, of which only those are drawn that changed: all of them once a second would be dear."""

    DEFAULT_CSS = "Lines { width: 100%; height: 100%; }"

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[Text] = []
        self._color = use_color()

    def show(self, lines: list[Text]) -> None:
        before, self.lines = self.lines, lines
        changed = [
            Region(0, at, self.size.width, 1)
            for at, line in enumerate(lines)
            if at >= len(before) or line != before[at] or line.spans != before[at].spans
        ]
        if len(before) > len(lines):
            self.refresh()
        elif changed:
            self.refresh(*changed)

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y >= len(self.lines):
            return Strip.blank(width)
        segments = self.lines[y].render(self.app.console)
        if not self._color:
            segments = Segment.remove_color(segments)
        return Strip(segments).adjust_cell_length(width)


class WatchApp(App[None]):
    """The screen of ``jman watch``."""

    CSS = "Screen { overflow: hidden; }"
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, manager: JobManager, source: ProgressReader) -> None:
        super().__init__(ansi_color=True)
        self._manager = manager
        self._source = source
        self._progress: Overview | None = None
        self._machine = MachineReader()
        self._machine_now = self._machine.read()
        self._body = Lines()
        self._jobs = JobsView()
        self._views: list[View] = [self._jobs]
        self._note = ""
        self._question: tuple[str, Callable[[], Awaitable[str]]] | None = None
        self._typing = False
        self._tasks: set[asyncio.Future[None]] = set()
        self._being_read: set[View] = set()

    def compose(self) -> ComposeResult:
        yield self._body

    async def on_mount(self) -> None:
        self._begin(self._machine.follow_gpus())
        self._begin(self._refresh_again_and_again())

    async def on_unmount(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def on_resize(self, event: events.Resize) -> None:
        self.draw()

    @property
    def shown(self) -> list[Text]:
        """Return the lines that are on the screen."""
        return self._body.lines

    def say(self, line: str) -> None:
        """Show a line until the next key."""
        self._note = line
        self.draw()

    def draw(self) -> None:
        """Draw what is known now."""
        if self._progress is None:
            return
        width, rows = self.size
        shown = Shown(self._progress, width, max(0, rows - 1), self._machine_now)
        lines = self._views[-1].lines(shown)[: rows - 1]
        lines += [Text()] * (rows - 1 - len(lines))
        lines.append(cut(self._last_line(), width))
        self._body.show(lines)

    def _last_line(self) -> Text:
        if self._question is not None:
            return Text(f"{self._question[0]} (y/n)", "bold")
        if self._note:
            return Text(self._note, "bold")
        if self._typing or (self._jobs.filter and len(self._views) == 1):
            more = "" if self._typing else "  (esc: all)"
            return Text(f"/{self._jobs.filter}{more}", "bold")
        if len(self._views) > 1:
            return Text(_TASK_KEYS if isinstance(self._views[-1], TasksView) else _BACK, "dim")
        return Text(_KEYS if self.size.width >= len(_KEYS) else _FEW_KEYS, "dim")

    async def _refresh_again_and_again(self) -> None:
        while True:
            try:
                self._progress = await self._source.read()
                self._machine_now = self._machine.read()
                self._jobs.take(self._progress.jobs)
                self._read(self._views[-1])
            except JmanError as error:
                self._note = str(error)
            self.draw()
            await asyncio.sleep(max(LEAST_SECONDS, self._source.pause))

    # -- keys --------------------------------------------------------------------------------------------

    def on_key(self, event: events.Key) -> None:
        event.prevent_default()
        event.stop()
        self._note = ""
        if self._question is not None:
            self._answer(event.key)
        elif self._typing:
            self._type(event)
        else:
            self._press(event.key)
        self.draw()

    def _press(self, key: str) -> None:
        view, job = self._views[-1], self._jobs.chosen
        if key in ("q", "ctrl+c"):
            self.exit()
        elif key in ("escape", "backspace", "left"):
            if len(self._views) > 1:
                self._views.pop()
            else:
                self._jobs.set_filter("")
        elif key in _STEPS:
            view.move(_STEPS[key], max(1, self.size.height - 2))
            if view.is_behind:
                self._read(view)
        elif key == "slash":
            del self._views[1:]
            self._typing = True
            self._jobs.set_filter("")
        elif key == "f":
            self._open(FailuresView())
        elif job is not None:
            self._press_for(key, job)

    def _press_for(self, key: str, job: JobProgress) -> None:
        view = self._views[-1]
        if key == "enter" and not isinstance(view, TasksView):
            self._open(TasksView(job.id))
        elif key in ("l", "enter"):
            self._open(LogView(job.id, view.task_id if isinstance(view, TasksView) else None))
        elif key == "w":
            self._open(WhyView(job.id, view.task_id if isinstance(view, TasksView) else None))
        elif key == "s":
            self._question = (f"stop job {job.id} ({job.name})?", lambda: self._stop(job.id))
        elif key == "r":
            self._question = (f"resubmit job {job.id} ({job.name})?", lambda: self._resubmit(job.id))

    def _open(self, view: View) -> None:
        if type(self._views[-1]) is type(view):
            self._views.pop()
        self._views.append(view)
        self._read(view)

    def _read(self, view: View) -> None:
        """Read what a view shows; keys are taken meanwhile."""
        if view not in self._being_read:
            self._being_read.add(view)
            self._begin(self._read_and_draw(view))

    async def _read_and_draw(self, view: View) -> None:
        try:
            await view.refresh(self._manager)
        finally:
            self._being_read.discard(view)
        self.draw()

    def _answer(self, key: str) -> None:
        question, self._question = self._question, None
        if question is not None and key in ("y", "Y"):
            self._begin(question[1]())

    def _begin(self, action: Awaitable[str | None]) -> None:
        task = asyncio.ensure_future(self._do(action))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _do(self, action: Awaitable[str | None]) -> None:
        try:
            if said := await action:
                self.say(said)
        except JmanError as error:
            self.say(str(error))

    async def _stop(self, job_id: int) -> str:
        self.say(f"stopping job {job_id} ...")
        stopped = await self._manager.stop(Selection(ids=ranges_of([job_id])))
        return f"stopped job {job_id}" if stopped else f"job {job_id} has ended: nothing to stop"

    async def _resubmit(self, job_id: int) -> str:
        from asyncjman.api.resubmission_request import Resubmission

        outcome = await self._manager.run_again(Selection(ids=ranges_of([job_id])), Resubmission())
        if not outcome.done and outcome.skipped:
            return f"job {format_ids(outcome.skipped)} stays skipped: other jobs that it waits for failed"
        if not outcome.done:
            return f"nothing of job {job_id} is to be resubmitted"
        return "resubmitted " + ", ".join(f"job {one.job.id}" for one in outcome.done)

    def _type(self, event: events.Key) -> None:
        if event.key in ("enter", "escape"):
            self._typing = False
            if event.key == "escape":
                self._jobs.set_filter("")
        elif event.key == "backspace":
            self._jobs.set_filter(self._jobs.filter[:-1])
        elif event.character and event.character.isprintable():
            self._jobs.set_filter(self._jobs.filter + event.character)


_STEPS = {
    "up": -1.0,
    "k": -1.0,
    "down": 1.0,
    "j": 1.0,
    "pageup": -0.5,
    "pagedown": 0.5,
    "home": float("-inf"),
    "end": float("inf"),
}
"""How far a key moves: rows, parts of a screen (below 1), or to an end."""
