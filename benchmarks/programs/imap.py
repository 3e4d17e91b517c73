"""``imap.py COUNT CHUNK``: have a function called COUNT times by ``imap``, by two warm processes.

Prints the seconds, the longest time for which the event loop stood, and by how many bytes memory grew after
the first tenth.
"""

from __future__ import annotations

import asyncio
import sys
import time

import psutil

from asyncjman import JobManager

TICK_SECONDS = 0.005


def work(number: int) -> int:
    return number + 1


async def watch(stalls: list[float]) -> None:
    """Keep the longest time by which the loop was late."""
    while True:
        begun = time.monotonic()
        await asyncio.sleep(TICK_SECONDS)
        stalls[0] = max(stalls[0], time.monotonic() - begun - TICK_SECONDS)


async def main(count: int, chunk: int) -> None:
    memory = psutil.Process().memory_info
    stalls, first, done = [0.0], 0, 0
    async with JobManager("submitted.sql3", parallel=2) as jm:
        view = jm.options(workers="warm")
        await view.map(work, range(4))
        watching = asyncio.create_task(watch(stalls))
        begun = time.monotonic()
        async for value in view.imap(work, range(count), chunk=chunk):
            done += 1
            assert value == done
            if done == count // 10:
                first = memory().rss
        print("seconds", time.monotonic() - begun)
        print("stall", stalls[0])
        print("grown", memory().rss - first)
        watching.cancel()
    assert done == count


asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
