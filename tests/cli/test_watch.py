"""``jman watch``: everything on one screen, with keys, beside what runs; nothing is started by it."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest
from textual.pilot import Pilot

from asyncjman import JobManager
from asyncjman.cli.watch_app import WatchApp
from asyncjman.model.selection import Selection
from tests.cli.screens import assert_golden
from tests.cli.terminal import Terminal, on_terminal
from tests.cli.tools import Jman


@pytest.fixture
def mixed(jman: Jman) -> Jman:
    """An array with failures, a job that was skipped by that, one that has not run."""
    jman.submit(
        "-n", "train", "-l", "logs", "-t", "6", "sh", "-c", "echo said; [ $SGE_TASK_ID != 4 ] || exit 5"
    )
    jman.submit("-n", "merge", "--after-ok", "1", "true")
    jman("execute", "-p", "2", code=1)
    jman.submit("-n", "later", "sleep", "1000")
    return jman


def test_once_where_there_is_no_terminal(mixed: Jman) -> None:
    done = mixed("watch")
    assert "\x1b" not in done.out
    assert_golden("watch-once", done.lines)
    assert mixed.status() == {1: "failure", 2: "skipped", 3: "submitted"}
    assert "1 train" not in mixed("watch", "2", "3").out
    assert mixed("watch", "99", code=2).err


def text_of(app: WatchApp) -> str:
    return "\n".join(line.plain for line in app.shown)


async def until(pilot: Pilot[None], app: WatchApp, *words: str) -> str:
    async with asyncio.timeout(20):
        while not all(word in text_of(app) for word in words):
            await pilot.pause(0.02)
    return text_of(app)


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (40, 20)], ids=["80x24", "40x20"])
async def test_keys(mixed: Jman, columns: int, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mixed.folder)
    async with JobManager(Path("submitted.sql3"), run=False) as jm:
        app = WatchApp(jm, await jm.progress_of_all(Selection()))
        async with app.run_test(size=(columns, rows)) as pilot:
            await until(pilot, app, "train", "exit status 5")
            lines = text_of(app).splitlines()
            assert_golden(f"watch-{columns}x{rows}", [line for line in lines if "processors" not in line])
            assert max(len(line.rstrip()) for line in lines) <= columns
            await pilot.press("enter")
            await until(pilot, app, "1.4      failure", "1.6      success")
            await pilot.press("down", "down", "down", "l")
            await until(pilot, app, "logs/train.o1.4", "said")
            await pilot.press("escape", "escape", "w")
            await until(pilot, app, "job 1 failure")
            await pilot.press("escape", "f")
            await until(pilot, app, "1 failure: exit status 5", "  1.4 ")
            await pilot.press("escape", "slash", *"lat", "enter")
            await until(pilot, app, "later", "/lat")
            assert "merge" not in text_of(app)
            await pilot.press("s")
            await until(pilot, app, "stop job 3 (later)? (y/n)")
            await pilot.press("n")
            assert (await jm.read([3]))[0].status == "submitted", "it was not confirmed"
            await pilot.press("s", "y")
            await until(pilot, app, "stopped job 3")
            await pilot.press("r", "y")
            await until(pilot, app, "resubmitted job 3")
            assert (await jm.read([3]))[0].status == "submitted"
            await pilot.press("escape")
            await until(pilot, app, "merge")
            await pilot.press("q")
        assert not app.is_running
        statuses = [job.status async for job in jm.select()]
        assert statuses == ["failure", "skipped", "submitted"], "nothing was started"


def test_on_a_terminal(mixed: Jman) -> None:
    terminal = on_terminal(mixed, "watch", env={"TERM": "xterm-256color"})
    terminal.read_until(b"train")
    terminal.type(b"q")
    code, _ = terminal.finish()
    assert code == 0


WITHOUT_TEXTUAL = """
import sys
sys.modules["textual"] = None
import asyncjman.cli.start
asyncjman.cli.start.main()
"""


def test_without_textual(mixed: Jman) -> None:
    words = [sys.executable, "-c", WITHOUT_TEXTUAL, "watch"]
    terminal = Terminal(words, mixed.folder, mixed.environment())
    terminal.read_until(b"keys need textual")
    terminal.type(b"\x03")
    code, text = terminal.finish()
    assert code == 130
    assert text.rstrip().endswith("\x1b[?1049l"), "the screen is as it was before"
