"""Ask the cluster what the jobs are doing, and store it. list, report and wait do that first anyway.

\b
Example:
  jman communicate
"""

from __future__ import annotations

import typer

from asyncjman.cli.context import Ids, JobIds, say
from asyncjman.cli.globals import Globals


def communicate_command(context: typer.Context, ids: Ids = None, job_ids: JobIds = None) -> int:
    import asyncio

    from asyncjman.api.operations import Operations
    from asyncjman.errors import EXIT_DONE, EXIT_ENVIRONMENT

    globals_: Globals = context.obj

    async def communicate() -> int:
        async with Operations(globals_.database, create=False) as manager:
            manager.writer()  # to ask is to store what is said
            await manager.resolve(globals_.selection(ids, job_ids))
            problem = await manager.refresh(local=globals_.local)
        if problem is not None:
            say(f"jman: {problem}")
        return EXIT_ENVIRONMENT if problem is not None else EXIT_DONE

    return asyncio.run(communicate())
