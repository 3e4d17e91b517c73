"""Starts that take long, come late, or that nobody waits for any more."""

from __future__ import annotations

import asyncio
import errno
import math
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from asyncjman.engines.base import Launched, LaunchFailed, Why
from asyncjman.engines.local import LocalEngine, spawner
from asyncjman.engines.local.console import LinePipe
from asyncjman.engines.local.spawn import prepared
from tests.engines.local_tools import LIMIT, Runner, gone, request, runs


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have all starts but the first made in threads."""
    monkeypatch.setattr(spawner, "SLOW_SECONDS", -1.0)
    monkeypatch.setattr(spawner, "FIRST_PAUSE", 1000.0)
    monkeypatch.setattr(spawner, "LONGEST_PAUSE", 1000.0)


async def test_the_event_loop_goes_on_while_a_process_starts(
    slow: None, runner: Runner, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await runner.run("true", folder=folder)
    may_start = threading.Event()
    hold_up(monkeypatch, may_start)
    one = asyncio.ensure_future(runner.launch("true", folder=folder))
    other = asyncio.ensure_future(runner.launch("true", folder=folder))
    await asyncio.wait([one, other], timeout=0)
    assert not one.done() and not other.done()
    may_start.set()
    assert {await one, await other} == {(await runner.next()).native_id, (await runner.next()).native_id}


async def test_a_start_that_waited_too_long_is_not_made(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its task may have been stopped meanwhile, or be another process's: who asked for it looks again."""
    monkeypatch.setattr(spawner, "MOST_THREADS", 1)
    monkeypatch.setattr(spawner, "MOST_SECONDS", 0.05)
    runner.engine._spawner = spawner.Spawner()
    runner.engine._spawner._slow_until = math.inf
    may_start = threading.Event()
    started = hold_up(monkeypatch, may_start)
    slow = asyncio.ensure_future(runner.launch("true"))
    other = asyncio.ensure_future(runner.engine.launch([request("true")]))
    await asyncio.wait([slow, other], timeout=0.1)
    may_start.set()
    (answer,) = await other
    assert isinstance(answer, LaunchFailed) and answer.why is Why.LATER
    assert (await runner.next()).native_id == await slow and len(started) == 1


async def test_no_start_is_late_for_ever(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all is slow, its thread may come late each time."""
    monkeypatch.setattr(spawner, "MOST_SECONDS", 1e-9)
    runner.engine._spawner = spawner.Spawner()
    async with asyncio.timeout(LIMIT):
        while not isinstance((await runner.engine.launch([request("true")]))[0], Launched):
            pass
    await runner.next()


async def test_a_start_that_nobody_waits_for_any_more_is_undone(
    slow: None, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = Runner()
    await runner.open()
    await runner.run("true", folder=folder)
    may_start = threading.Event()
    started = hold_up(monkeypatch, may_start)
    launch = asyncio.ensure_future(runner.launch("sleep", "1000", folder=folder))
    await asyncio.wait([launch], timeout=0)
    launch.cancel()
    await asyncio.wait([launch])
    closing = asyncio.ensure_future(runner.engine.close())
    await asyncio.wait([closing], timeout=0)
    assert not closing.done()
    may_start.set()
    async with asyncio.timeout(LIMIT):
        await closing
    assert len(started) == 1 and not any(runs(pid) for pid in started)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_start_that_is_cancelled_as_it_comes(
    slow: None, runner: Runner, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    await runner.run("true")
    began: list[int] = []
    begin = LocalEngine._on_spawned

    def on_spawned(engine: LocalEngine, process: Any, pid: int) -> None:
        begin(engine, process, pid)
        began.append(pid)
        if when == "before":  # who waits is to be woken
            launch.cancel()
        else:
            asyncio.get_running_loop().call_soon(launch.cancel)

    monkeypatch.setattr(LocalEngine, "_on_spawned", on_spawned)
    launch = asyncio.ensure_future(runner.launch("sleep", "1000"))
    with pytest.raises(asyncio.CancelledError):
        await launch
    async with asyncio.timeout(LIMIT):
        await runner.engine.close()
    assert len(began) == 1 and not runs(began[0])


async def test_a_process_whose_output_can_not_be_read_is_ended(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is started once more, when there is memory: not while the first one runs."""
    started = hold_up(monkeypatch, threading.Event(), 0.0)
    descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    def start(pipe: LinePipe) -> None:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    monkeypatch.setattr(LinePipe, "start", start)
    (answer,) = await runner.engine.launch([request("sleep", "1000")])
    assert isinstance(answer, LaunchFailed) and answer.why is Why.LIMIT
    await gone(started)
    await runner.engine.close()
    assert len(started) == 1 and len(os.listdir("/proc/self/fd")) <= descriptors  # noqa: PTH208


@pytest.mark.parametrize("variables", [{"A": "x\0y"}, {"A=B": "x"}])
@pytest.mark.parametrize("argv", [("true",), ("true", "\0")])
async def test_what_no_process_can_have_leaves_nothing_open(
    runner: Runner, variables: dict[str, str], argv: tuple[str, ...]
) -> None:
    await runner.run("true")
    descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    wrong = request(*argv)
    wrong.spec = replace(wrong.spec, environment=variables)
    (answer,) = await runner.engine.launch([wrong])
    assert isinstance(answer, LaunchFailed) and answer.why is Why.REFUSED
    assert len(os.listdir("/proc/self/fd")) == descriptors  # noqa: PTH208


def hold_up(monkeypatch: pytest.MonkeyPatch, may_start: threading.Event, most: float = LIMIT) -> list[int]:
    """Have no process start before the event; return a list of those that have."""
    started: list[int] = []

    def held_up(*args: Any) -> Callable[[], int]:
        start = prepared(*args)

        def late() -> int:
            may_start.wait(most)
            started.append(start())
            return started[-1]

        return late

    monkeypatch.setattr("asyncjman.engines.local.ready.prepared", held_up)
    return started
