"""``fill.py COUNT [LOG_DIR]``: store so many single jobs in ``submitted.sql3``."""

from __future__ import annotations

import asyncio
import sys

from asyncjman.api.manager import JobManager
from asyncjman.api.request import JobRequest
from asyncjman.settings import Settings


async def main() -> None:
    request = JobRequest(command=["/bin/true"], log_dir=sys.argv[2] if len(sys.argv) > 2 else None)
    spec = request.resolve("local", Settings())
    async with JobManager("submitted.sql3", run=False) as manager:
        for _ in range(int(sys.argv[1])):
            await manager.submit_spec(spec, {})


asyncio.run(main())
