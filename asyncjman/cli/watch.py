"""Show how far all is, full screen: jobs, what runs, what failed last, and this machine.

Beside a running execute, or for what is on a cluster. Nothing is started by it. The last line has the keys,
which need the package textual (pip install 'asyncjman[watch]'). Where there is no terminal, it is shown once.

\b
Examples:
  jman watch            everything
  jman watch 3-5        three jobs
  jman watch > now.txt  as it is now, once
"""

from __future__ import annotations

import asyncio
import os
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

import typer

from asyncjman.cli.context import opened, refresh, say, say_none
from asyncjman.cli.globals import Globals
from asyncjman.cli.options import Named
from asyncjman.errors import EXIT_DONE

if TYPE_CHECKING:
    from asyncjman.api.manager import JobManager
    from asyncjman.api.progress_reader import ProgressReader
    from asyncjman.model.selection import Selection

LEAST_SECONDS = 1.0
"""How often it is drawn, at most, where no key is pressed."""


def watch_command(context: typer.Context, named: Named) -> int:
    globals_: Globals = context.obj
    selection = named.whole_jobs(globals_, "watch", derived_names=True)
    return asyncio.run(_watch(globals_, selection))


async def _watch(globals_: Globals, selection: Selection) -> int:
    from asyncjman.render.text import is_screen

    async with opened(globals_, asks="briefly") as manager:
        await refresh(manager, globals_)
        source = await manager.progress_of_all(selection)
        if not (await source.read()).job_count:
            say_none(globals_, selection)
        elif not is_screen():
            await _once(source)
        elif sys.stdin.isatty() and _has_textual():
            from asyncjman.cli.watch_app import WatchApp

            if not os.environ.get("NO_COLOR"):
                os.environ.pop("NO_COLOR", None)  # where it is empty, textual takes it for a yes
            app = WatchApp(manager, source)
            # no key is the mouse's, so that it goes on to select text
            await manager.during_polls(app.run_async(mouse=False), app.say)
        else:
            await _without_keys(manager, source)
    return EXIT_DONE


def _has_textual() -> bool:
    try:
        return find_spec("textual") is not None
    except ValueError:  # somebody took it out of the modules
        return False


async def _once(source: ProgressReader) -> None:
    from asyncjman.api.machine import MachineReader
    from asyncjman.render.ansi import console_of, written
    from asyncjman.render.board import Shown, board
    from asyncjman.render.table import terminal_width
    from asyncjman.render.text import use_color

    machine = await MachineReader().read_once()
    progress = await source.read()
    encoding = (sys.stdout.encoding or "ascii").lower()
    ascii_only = not encoding.startswith("utf")
    shown = Shown(progress, terminal_width() or 120, None, machine, ascii_only)
    console = console_of(sys.stdout, color=use_color())
    for line in board(shown, progress.jobs):
        line.rstrip()
        print(written(console, line))


async def _without_keys(manager: JobManager, source: ProgressReader) -> None:
    """Draw until Ctrl-C."""
    from rich.text import Text

    from asyncjman.api.machine import MachineReader
    from asyncjman.render.board import Shown, board
    from asyncjman.render.live import Painter
    from asyncjman.render.outlet import Outlet
    from asyncjman.render.progress import cut

    machine, outlet = MachineReader(), Outlet()
    painter = Painter(outlet)
    troubles: list[str] = []

    async def draw() -> None:
        while True:
            progress = await source.read()
            columns, rows = painter.console.size
            shown = Shown(progress, columns, rows - 1, machine.read(), painter.ascii_only)
            last = (
                troubles[-1]
                if troubles
                else "Ctrl-C ends it; keys need textual: pip install 'asyncjman[watch]'"
            )
            painter.draw([*board(shown, progress.jobs), cut(Text(last, "dim"), columns)])
            await asyncio.sleep(max(LEAST_SECONDS, source.pause))

    outlet.text("\x1b[?1049h\x1b[H")
    asking = asyncio.create_task(machine.follow_gpus())
    try:
        await manager.during_polls(draw(), troubles.append)
    finally:
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        outlet.text("\x1b[?1049l")
        await outlet.drain()
        for line in troubles:
            say(f"jman: {line}")
