"""``fill.py COUNT [LOG_DIR]``: store so many single jobs in ``submitted.sql3``."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from asyncjman.api.operations import Operations
from asyncjman.api.specs import build_spec


async def main() -> None:
    spec = build_spec(["/bin/true"], log_dir=sys.argv[2] if len(sys.argv) > 2 else None)
    async with Operations(Path("submitted.sql3"), create=True) as operations:
        for _ in range(int(sys.argv[1])):
            await operations.submit(spec)


asyncio.run(main())
