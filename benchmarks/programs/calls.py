"""``calls.py WHO COUNT``: have a function called COUNT times by two processes at a time; print the seconds.

What is started once is started before.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Any

SLOTS = 2
WARM_UP = 4


def work(number: int) -> int:
    return number + 1


def timed(call: Callable[[range], list[int]], count: int) -> None:
    call(range(WARM_UP))
    begun = time.monotonic()
    values = call(range(count))
    print("seconds", time.monotonic() - begun)
    assert values == [number + 1 for number in range(count)]


async def ours(count: int, workers: Any) -> None:
    from asyncjman import JobManager

    async with JobManager("submitted.sql3", parallel=SLOTS) as jm:
        view = jm.options(workers=workers)
        await view.map(work, range(WARM_UP))
        begun = time.monotonic()
        values = await view.map(work, range(count))
        print("seconds", time.monotonic() - begun)
    assert values == [number + 1 for number in range(count)]


def executor(count: int) -> None:
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(SLOTS) as pool:
        timed(lambda items: list(pool.map(work, items)), count)


def joblib(count: int) -> None:
    import joblib

    with joblib.Parallel(n_jobs=SLOTS) as parallel:
        timed(lambda items: parallel(joblib.delayed(work)(one) for one in items), count)


def submitit(count: int) -> None:
    import submitit

    pool = submitit.LocalExecutor(folder="logs")
    timed(lambda items: [job.result() for job in pool.map_array(work, items)], count)


if __name__ == "__main__":
    who, number = sys.argv[1], int(sys.argv[2])
    if who == "fresh" or who == "warm":
        asyncio.run(ours(number, who))
    else:
        {"executor": executor, "joblib": joblib, "submitit": submitit}[who](number)
