"""``grid_submit.py COUNT``: submit so many held jobs to Grid Engine at once; print the seconds."""

from __future__ import annotations

import asyncio
import sys
import time

from asyncjman import JobManager


async def main(count: int) -> None:
    async with JobManager("submitted.sql3", executor="sge", on_exit="leave") as manager:
        start = time.monotonic()
        await asyncio.gather(
            *(manager.submit(["/bin/true"], resources={"extra": ["-h"]}) for _ in range(count))
        )
        print("seconds", time.monotonic() - start)


asyncio.run(main(int(sys.argv[1])))
