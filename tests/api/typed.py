"""What a type checker says of programs: each line that is wrong is told, and no other one.

Nothing here is run. ``mypy`` reads it with all else, and warns of each ``type: ignore`` that is not needed.
"""

from __future__ import annotations

import itertools
from datetime import timedelta
from pathlib import Path
from typing import assert_type

from asyncjman import CallHandle, JobHandle, JobManager, JobResult, Resources, Retry, sync


def evaluate(path: str, folds: int = 1) -> float:
    return len(path) / folds


def train(rate: float, seed: int) -> str:
    return f"{rate} {seed}"


async def fetch(url: str) -> bytes:
    return url.encode()


async def functions(jm: JobManager) -> None:
    handle = await jm.start(evaluate, "model.bin", folds=5)
    assert_type(handle, CallHandle[float])
    assert_type(await handle, float)
    assert_type(await handle.value(), float)
    assert_type(await handle.wait(), JobResult)
    assert_type(await jm.call(evaluate, "model.bin"), float)
    assert_type(await jm.call(fetch, "address"), bytes)
    assert_type(await jm.map(evaluate, ["a", "b"]), list[float])
    assert_type(await jm.map(fetch, ["a", "b"]), list[bytes])
    assert_type(await jm.map(evaluate, ["a"], return_exceptions=True), list[float | Exception])
    assert_type(await jm.starmap(train, itertools.product([0.1], [1, 2])), list[str])
    async for score in jm.imap(evaluate, (str(number) for number in range(3)), ordered=False):
        assert_type(score, float)
    name = await jm.start(str, 5)
    assert_type(await jm.call(evaluate, name.as_argument()), float)

    await jm.start(evaluate, 5)  # type: ignore[call-overload]
    await jm.start(evaluate, "model.bin", fold=5)  # type: ignore[arg-type,call-arg]
    await jm.start(evaluate)  # type: ignore[call-overload]
    await jm.call(evaluate, "model.bin", folds="5")  # type: ignore[arg-type]
    await jm.map(evaluate, [1, 2])  # type: ignore[arg-type]
    await jm.starmap(train, [(1, "a")])  # type: ignore[arg-type]
    await jm.map(evaluate, ["a"], chunks=2)  # type: ignore[call-overload]
    wrong: int = await jm.call(evaluate, "model.bin")  # type: ignore[call-overload]
    print(wrong)


async def jobs(jm: JobManager) -> None:
    prep = await jm.submit(["python", Path("prep.py")])
    assert_type(prep, JobHandle)
    assert_type(await prep, JobResult)
    for array in (8, "1-8%2", range(1, 9)):
        await jm.submit(["python", "train.py"], array=array, after_ok=prep, timeout=timedelta(hours=2))
    await jm.submit(["true"], after_ok=[prep, 2], retry=Retry(2), timeout="2h", resources=Resources(cpus=2))
    view = jm.options(name="eval", timeout="10m", retry=1, log_dir="logs", after_ok=[prep], workers="warm")
    assert_type(await view.map(evaluate, ["a"]), list[float])

    await jm.submit(["true"], timeot=5)  # type: ignore[call-arg]
    await jm.submit(["true"], array=1.5)  # type: ignore[arg-type]
    jm.options(workers="hot")  # type: ignore[arg-type]
    jm.options(on_cancel="go on")  # type: ignore[arg-type]
    jm.options(nmae="a")  # type: ignore[call-arg]
    JobManager(on_exit="stay")  # type: ignore[arg-type]
    Resources(cpu=2)  # type: ignore[call-arg]


def without_async(jm: sync.JobManager) -> None:
    handle = jm.start(evaluate, "model.bin", folds=5)
    assert_type(handle.value(), float)
    assert_type(jm.call(evaluate, "model.bin"), float)
    assert_type(jm.map(evaluate, ["a"]), list[float])
    assert_type(list(jm.imap(evaluate, ["a"])), list[float])
    assert_type(jm.as_executor().submit(evaluate, "a").result(), float)
    jm.call(evaluate, 5)  # type: ignore[call-overload]
