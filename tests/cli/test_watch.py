"""``jman watch``: everything on one screen, with keys, beside what runs; nothing is started by it."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest
from textual.pilot import Pilot

from asyncjman import JobManager
from asyncjman.cli.watch_app import WatchApp
from asyncjman.model.progress import Gpu, Machine, Overview, RunnerSeen
from asyncjman.model.selection import Selection
from asyncjman.render.board import Shown, board
from tests.cli.screens import assert_golden
from tests.cli.terminal import Terminal, on_terminal
from tests.cli.tools import Jman, pid_in, wait_dead, wait_until


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


def without_machine(lines: list[str]) -> list[str]:
    """Return the lines without those that say what this machine has."""
    return [line for line in lines if " processors " not in line and not line.startswith(("GPU ", "memory "))]


def test_once_where_there_is_no_terminal(mixed: Jman) -> None:
    done = mixed("watch")
    assert "\x1b" not in done.out
    assert_golden("watch-once", without_machine(done.lines))
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
            assert_golden(f"watch-{columns}x{rows}", without_machine(lines))
            assert max(len(line.rstrip()) for line in lines) <= columns
            await pilot.press("enter")
            await until(pilot, app, "1.4      failure", "1.6      success", "l log  w why")
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
            await pilot.press("escape", "home", "down")
            await until(pilot, app, "merge")
            await pilot.press("r", "y")
            await until(pilot, app, "job 2 stays skipped")
            await pilot.press("q")
        assert not app.is_running
        statuses = [job.status async for job in jm.select()]
        assert statuses == ["failure", "skipped", "submitted"], "nothing was started"


@pytest.fixture
def large(jman: Jman) -> Jman:
    jman.submit("-n", "large", "-t", "99998-1000000", "true")
    return jman


async def test_tasks_of_a_large_array_stand_in_columns(large: Jman, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(large.folder)
    async with JobManager(Path("submitted.sql3"), run=False) as jm:
        app = WatchApp(jm, await jm.progress_of_all(Selection()))
        async with app.run_test(size=(80, 24)) as pilot:
            await until(pilot, app, "large")
            await pilot.press("enter")
            await until(pilot, app, "1.99998 ")
            await pilot.press("end")
            last = next(
                line for line in (await until(pilot, app, "1.1000000")).splitlines() if "1.1000000" in line
            )
            await pilot.press("home")
            first = next(
                line for line in (await until(pilot, app, "1.99998 ")).splitlines() if "1.99998 " in line
            )
    assert first.index("submitted") == last.index("submitted")


def test_on_a_terminal(mixed: Jman) -> None:
    terminal = on_terminal(mixed, "watch", env={"TERM": "xterm-256color"})
    terminal.read_until(b"train")
    terminal.type(b"q")
    code, _ = terminal.finish()
    assert code == 0
    assert b"\x1b[?1000h" not in terminal.data, "the mouse selects text, as ever"


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


def fake_nvidia_smi(folder: Path, script: str) -> str:
    """Make a program of that name; return the PATH that it is in."""
    program = folder / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}")
    program.chmod(0o755)
    return f"{program.parent}{os.pathsep}{os.environ['PATH']}"


def test_gpus_of_the_machine_and_of_a_task(jman: Jman) -> None:
    told = "printf '%s\\n' '0, 35, 1024, 40960' '1, [N/A], 0, 40960' '2, 100, [N/A], [N/A]'"
    asked = "--query-gpu=index,utilization.gpu,memory.used,memory.total"
    path = fake_nvidia_smi(jman.folder, f'[ "$1" = {asked} ] && {told}')
    jman.submit("-n", "train", "-s", "CUDA_VISIBLE_DEVICES=0,2", "sh", "-c", ": > at; read x < go")
    os.mkfifo(jman.folder / "go")
    process = jman.start("execute")
    wait_until((jman.folder / "at").exists)
    lines = jman.fresh("watch", env={"PATH": path}).lines
    assert "GPU 0  35 % 1.0 GiB of 40.0 GiB   GPU 1 0 B of 40.0 GiB   GPU 2 100 %" in lines
    (task,) = [line for line in lines if "read x" in line]
    assert " GPU 0,2" in task
    (jman.folder / "go").write_text("x\n")
    assert process.wait(60) == 0
    for script in ("exit 9", "echo No devices were found"):
        (jman.folder / "bin" / "nvidia-smi").write_text(f"#!/bin/sh\n{script}")
        assert "GPU" not in jman.fresh("watch", env={"PATH": path}).out


def test_where_a_detached_execute_writes_is_not_cut() -> None:
    runner = RunnerSeen(4711, "a-host", 8, "/data/submitted.sql3.execute-4711.out", 0.0)
    head = "jman execute (pid 4711 on a-host)"
    for width, *some in (
        (120, f"{head}, 8 at once, output in /data/submitted.sql3.execute-4711.out"),
        (80, f"{head}, 8 at once", "output in /data/submitted.sql3.execute-4711.out"),
    ):
        lines = [line.plain for line in board(Shown(Overview(0.0, {}, runners=[runner]), width, 24), ())]
        assert lines[: len(some)] == some


def test_more_gpus_than_there_is_room_for() -> None:
    machine = Machine(8, 5.0, 1 << 30, 1 << 34, tuple(Gpu(at, 7, 1 << 30, 80 << 30) for at in range(8)))
    gpu = "GPU {}   7 % 1.0 GiB of 80.0 GiB".format
    for width, *some in (
        (
            80,
            "8 processors 5 % busy, memory 1.0 GiB of 16.0 GiB",
            "8 GPUs 7 % busy, memory 8.0 GiB of 640 GiB",
        ),
        (40, "8 processors 5 % busy", "memory 1.0 GiB of 16.0 GiB", "8 GPUs 7 % busy"),
        (120, f"{gpu(6)}   {gpu(7)}"),
    ):
        lines = [line.plain for line in board(Shown(Overview(0.0, {}), width, 23, machine), ())]
        assert max(map(len, lines)) <= width
        assert set(some) <= {*lines}, lines


async def test_nobody_waits_for_gpus(mixed: Jman, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mixed.folder)
    monkeypatch.setenv("PATH", fake_nvidia_smi(mixed.folder, "echo $$ > asked; exec sleep 1000"))
    async with JobManager(Path("submitted.sql3"), run=False) as jm:
        app = WatchApp(jm, await jm.progress_of_all(Selection()))
        async with app.run_test(size=(80, 24)) as pilot:
            await until(pilot, app, "train", "exit status 5", "processors")
            pid = await asyncio.to_thread(pid_in, mixed.folder / "asked")
            await pilot.press("w")
            await until(pilot, app, "job 1 failure")
            await pilot.press("q")
    wait_dead(pid)
