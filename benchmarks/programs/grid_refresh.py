"""``grid_refresh.py``: look at the cluster; print the seconds, and those of the qstat alone.

Then look again, when there is no news: print the CPU seconds of that.
"""

from __future__ import annotations

import asyncio
import getpass
import statistics
import time

from asyncjman import JobManager
from asyncjman.engines.cluster.programs import locate
from asyncjman.engines.sge.programs import PROGRAMS

LOOKS = 5


async def main() -> None:
    async with JobManager("submitted.sql3", run=False, create=False) as manager:
        binaries = locate(PROGRAMS)
        qstat = binaries.path("qstat"), "-u", getpass.getuser(), "-xml"
        start = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *qstat, env=dict(binaries.environment), stdout=asyncio.subprocess.PIPE
        )
        await process.communicate()
        print("qstat", time.monotonic() - start)
        start = time.monotonic()
        problem = await manager.poll()
        print("refresh", time.monotonic() - start)
        if problem is not None:
            raise problem
        cpu = []
        for _ in range(LOOKS):
            start = time.process_time()
            await manager.poll()
            cpu.append(time.process_time() - start)
        print("again", statistics.median(cpu))


asyncio.run(main())
