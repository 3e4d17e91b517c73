"""Ask the cluster what the jobs are doing, and store it. list, report and wait do that first anyway.

\b
Examples:
  jman communicate
  jman communicate --timeout 120    for a slow cluster
"""

from __future__ import annotations

from typing import Annotated

import typer

from asyncjman.cli.context import opened, say
from asyncjman.cli.globals import Globals
from asyncjman.cli.options import Named


def communicate_command(
    context: typer.Context,
    named: Named,
    timeout: Annotated[
        float | None, typer.Option("--timeout", min=0, metavar="SECONDS", help="Give up after so long.")
    ] = None,
) -> int:
    import asyncio

    from asyncjman.errors import EXIT_DONE, EXIT_ENVIRONMENT

    globals_: Globals = context.obj

    async def communicate() -> int:
        async with opened(globals_, within=timeout) as manager:
            manager.require_owner()  # to ask is to store what is said
            await manager.resolve(named.whole_jobs(globals_, "communicate"))
            problem = await manager.poll() if not globals_.local else None
        if problem is not None:
            say(f"jman: {problem}")
        return EXIT_ENVIRONMENT if problem is not None else EXIT_DONE

    return asyncio.run(communicate())
