"""``grid_refresh.py``: look at the cluster once; print the seconds, and those of the qstat alone."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from asyncjman.api.operations import Operations


async def main() -> None:
    async with Operations(Path("submitted.sql3"), create=False) as operations:
        executor = operations.grid.executor
        qstat = executor._binaries.path("qstat"), "-u", executor.user, "-xml"
        start = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *qstat, env=dict(executor._binaries.environment), stdout=asyncio.subprocess.PIPE
        )
        await process.communicate()
        print("qstat", time.monotonic() - start)
        start = time.monotonic()
        problem = await operations.refresh()
        print("refresh", time.monotonic() - start)
        if problem is not None:
            raise problem


asyncio.run(main())
