"""Where processes are started: here, or in threads."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator

import pytest

from asyncjman.engines.local import spawner
from asyncjman.engines.local.spawner import Spawner


class Starts:
    """What was started: nothing real, each with the next number."""

    def __init__(self) -> None:
        self.spawner = Spawner()
        self.here: list[bool] = []
        """Whether it was started in this thread, of each."""
        self.began: list[int] = []

    async def make(self, error: OSError | None = None) -> int:
        def call() -> int:
            self.here.append(threading.current_thread() is threading.main_thread())
            if error is not None:
                raise error
            return len(self.here)

        if self.spawner.is_quick:
            return self.spawner.at_once(call)
        return await self.spawner.start(call, on_start=self.began.append, on_left=lambda pid: None)


@pytest.fixture
async def starts() -> AsyncIterator[Starts]:
    one = Starts()
    yield one
    await one.spawner.close()


async def test_what_starts_quickly_starts_here(starts: Starts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spawner, "SLOW_SECONDS", 1000.0)
    assert [await starts.make() for _ in range(3)] == [1, 2, 3]
    assert starts.here == [True] * 3


async def test_after_a_slow_start_threads_make_the_next_ones(
    starts: Starts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spawner, "SLOW_SECONDS", -1.0)
    assert [await starts.make() for _ in range(3)] == [1, 2, 3]
    assert starts.here == [True, False, False]
    assert starts.began == [2, 3]


async def test_it_is_tried_here_now_and_then(starts: Starts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spawner, "SLOW_SECONDS", -1.0)
    monkeypatch.setattr(starts.spawner, "_pause", 0.0)
    assert [await starts.make() for _ in range(2)] == [1, 2]
    assert starts.here == [True, True]


async def test_behind_one_that_is_stuck_it_is_not_tried_here(
    starts: Starts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spawner, "SLOW_SECONDS", -1.0)
    await starts.make()
    may_go = threading.Event()
    stuck = starts.spawner.start(
        lambda: 7 if may_go.wait(20) else 0, on_start=starts.began.append, on_left=lambda pid: None
    )
    monkeypatch.setattr(starts.spawner, "_slow_until", 0.0)
    assert await starts.make() == 2
    assert starts.here == [True, False]
    may_go.set()
    assert await stuck == 7
    monkeypatch.setattr(starts.spawner, "_slow_until", 0.0)
    assert await starts.make() == 3
    assert starts.here == [True, False, True]


@pytest.mark.parametrize("slow", [False, True])
async def test_what_can_not_be_started(starts: Starts, monkeypatch: pytest.MonkeyPatch, slow: bool) -> None:
    monkeypatch.setattr(spawner, "SLOW_SECONDS", -1.0 if slow else 1000.0)
    await starts.make()
    with pytest.raises(OSError, match="in the way"):
        await starts.make(OSError("in the way"))
    assert starts.here == [True, not slow] and starts.began == []


async def test_where_no_thread_can_be_had_it_starts_here(
    starts: Starts, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(spawner, "SLOW_SECONDS", -1.0)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert [await starts.make() for _ in range(2)] == [1, 2]
    assert starts.here == [True, True]
