"""What many calls are given: stored once, in one file, while the loop goes on."""

from __future__ import annotations

import asyncio
import pickle
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from asyncjman.api.calls import Calls
from asyncjman.api.pickles import BIG_BYTES
from asyncjman.worker import INPUTS, Inputs

STALL_SECONDS = 0.1


class Model:
    """Has something big in it."""

    def __init__(self, weights: bytes, others: object = None) -> None:
        self.weights = weights
        self.others = others


@asynccontextmanager
async def stalls() -> AsyncIterator[list[float]]:
    """Collect how late the loop comes to what is due, in seconds.

    They are of this process alone: the time that others have of the processors does not count.
    """
    late: list[float] = []

    async def tick() -> None:
        while True:
            before = time.process_time()
            await asyncio.sleep(0.005)
            late.append(time.process_time() - before - 0.005)

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(0.02)
    late.clear()
    try:
        yield late
    finally:
        ticking.cancel()


async def prepared(folder: Path, inputs: list[Any]) -> tuple[Path, Inputs]:
    calls = Calls(folder / "submitted.sql3")
    request, _ = await calls.prepare(len, [((one,), {}) for one in inputs], name=None, array=True)
    path = Path(str(request.command[-1])) / INPUTS
    return path, Inputs(str(path))


async def test_each_task_has_its_input(folder: Path) -> None:
    path, inputs = await prepared(folder, [{"a": number} for number in range(1000)])
    assert [inputs.load(number) for number in (0, 617, 999)] == [
        (({"a": number},), {}) for number in (0, 617, 999)
    ]
    assert {one.name for one in path.parent.iterdir()} == {"function", "inputs", "logs"}


async def test_what_is_big_is_stored_once_however_deep(folder: Path) -> None:
    big = bytes(5_000_000)
    model = Model(big, [big])
    path, inputs = await prepared(folder, [(number, {"model": model}, big) for number in range(100)])
    assert path.stat().st_size < 5_100_000
    (((number, loaded, alone),), _) = inputs.load(70)
    assert number == 70
    assert alone == big
    # one object before, one object after
    assert loaded["model"].weights is alone
    assert loaded["model"].others[0] is alone


async def test_what_is_small_or_equal_only_is_left_where_it_is(folder: Path) -> None:
    ones = [b"x" * (BIG_BYTES + number) for number in (-1, 0, 0)]
    path, inputs = await prepared(folder, ones)
    assert [inputs.load(number)[0][0] for number in range(3)] == ones
    assert pickle.dumps(ones[0])[4:60] in path.read_bytes()


async def test_forty_inputs_of_two_megabytes_hold_nothing_up(folder: Path) -> None:
    inputs = [[[number, str(number)] for number in range(70_000)] for _ in range(4)] * 10
    async with stalls() as late:
        path, _ = await prepared(folder, inputs)
    assert path.stat().st_size > 40_000_000
    assert max(late) < STALL_SECONDS


async def test_twenty_thousand_inputs_hold_nothing_up(folder: Path) -> None:
    async with stalls() as late:
        _, inputs = await prepared(folder, list(range(20_000)))
    assert inputs.load(19_999) == ((19_999,), {})
    assert max(late) < STALL_SECONDS


async def test_an_array_of_numbers(folder: Path) -> None:
    numpy = pytest.importorskip("numpy", reason="no numpy here: arrays are not tried")
    array = numpy.arange(100_000)
    path, inputs = await prepared(folder, [[array, number] for number in range(50)])
    assert path.stat().st_size < 900_000
    ((loaded, _),), _ = inputs.load(49)
    assert (loaded == array).all()
