"""``grid_records.py COUNT``: write the records of a start and an end for tasks 1 to COUNT of job 1.

They are as the job script writes them on a node.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from asyncjman import JobManager
from asyncjman.system.logs import spool_folder


async def main(count: int) -> None:
    database = Path("submitted.sql3")
    async with JobManager(database, run=False, create=False) as manager:
        job = (await manager.read([1]))[0]
    folder = Path(spool_folder(database, job.spec.token))
    now = int(time.time())
    for task in range(1, count + 1):
        head = f"jman 1\njob 1\ntask {task}\nattempt 1\ngrid {job.native_id}\nhost node\nrestart unknown\n"
        head += f"time {now}.123456789\nstarted {now}.023456789\n"
        tail = "times\n0m0.003s 0m0.002s\n0m0.014s 0m0.009s\nend\n"
        (folder / f"start.{task}").write_text(head + tail)
        (folder / f"exit.{task}").write_text(f"{head}signal \nexit_status 0\n{tail}")


asyncio.run(main(int(sys.argv[1])))
