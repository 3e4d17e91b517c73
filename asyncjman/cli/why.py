"""Say why jobs are in the state that they are in: what they wait for, or what went wrong.

\b
Examples:
  jman why 3          job 3
  jman why 3.7        one task of it
  jman why 'train*'   all jobs with such a name
"""

from __future__ import annotations

import typer

from asyncjman.cli.context import opened, refresh, say_none
from asyncjman.cli.globals import Globals
from asyncjman.cli.options import Named


def why_command(context: typer.Context, named: Named) -> None:
    import asyncio

    from asyncjman.render.text import arguments, colored, printable, use_color

    globals_: Globals = context.obj
    selection = named.selection(globals_, derived_names=True)

    async def why() -> None:
        color = use_color()
        async with opened(globals_, asks="briefly") as manager:
            await refresh(manager, globals_)
            if not globals_.local:
                await manager.look_up_usage()
            chosen = await manager.resolve(selection)
            jobs = [job async for job in manager.select(chosen)]
            async for job, lines in manager.why(jobs, chosen):
                status = colored(job.status, job.status) if color else str(job.status)
                note = f" ({job.engine_state})" if job.engine_state else ""
                grid = f" (grid {job.native_id})" if job.native_id else ""
                print(f"job {job.id}{grid} is {status}{note}: {arguments(job)}")
                for line in lines:
                    print(f"  {printable(line)}")
            if not jobs:
                say_none(globals_, selection)

    asyncio.run(why())
