"""``await_many.py COUNT SECONDS``: await all jobs of ``submitted.sql3`` while nothing of them happens.

All wait behind one that sleeps. Prints the seconds until it became quiet, and the CPU seconds used then.
"""

from __future__ import annotations

import asyncio
import sys
import time

from asyncjman import JobManager, TaskStarted

QUIET = 0.05  # CPU seconds a second


async def main(count: int, seconds: float) -> None:
    start = time.monotonic()
    async with JobManager("submitted.sql3", parallel=1) as manager:
        first = await manager.submit(["sleep", "600"])
        async for event in manager.events(first):
            if isinstance(event, TaskStarted):
                break
        jobs = [job for job in await manager.jobs() if job.id != first.id]
        assert len(jobs) == count, f"{len(jobs)} jobs, not {count}"
        waits = [asyncio.create_task(job.wait()) for job in jobs]
        while True:
            used = time.process_time()
            await asyncio.sleep(1)
            if time.process_time() - used < QUIET or time.monotonic() - start > 120:
                break
        print("resolved", time.monotonic() - start)
        used, begun = time.process_time(), time.monotonic()
        await asyncio.sleep(seconds)
        print("load", (time.process_time() - used) / (time.monotonic() - begun))
        assert not any(one.done() for one in waits), "some of them ended"
        for one in waits:
            one.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
