"""Say why jobs are in the state that they are in: what they wait for, or what went wrong.

\b
Examples:
  jman why 3          job 3
  jman why 3.7        one task of it
  jman why 'train*'   all jobs with such a name
  jman why 3 -s failure --where lr=0.1
"""

from __future__ import annotations

import typer

from asyncjman.cli.context import opened, parse_where, refresh, say_none, task_filter
from asyncjman.cli.globals import Globals
from asyncjman.cli.options import Causes, Failure, Named, Statuses, Where
from asyncjman.model.status import in_words

_PAGE = 2000
"""A cluster is asked about so many jobs at once."""


def why_command(
    context: typer.Context,
    named: Named,
    status: Statuses = None,
    cause: Causes = None,
    where: Where = None,
    failure: Failure = None,
) -> None:
    import asyncio

    from asyncjman.render.text import arguments, colored, printable, use_color

    globals_: Globals = context.obj
    wanted = task_filter(status, cause)
    selection = named.selection(globals_, derived_names=True, having=wanted.having)

    async def why() -> None:
        color = use_color()
        async with opened(globals_, asks="briefly") as manager:
            await refresh(manager, globals_)
            if not globals_.local:
                await manager.look_up_usage()
            chosen = await manager.narrowed(selection, parse_where(where), failure=failure)
            some = None
            async for some in manager.pages(chosen, _PAGE):
                async for job, lines in manager.why(some, chosen, wanted or None):
                    status = in_words(job.status)
                    status = colored(status, job.status) if color else status
                    note = f" ({job.engine_state})" if job.engine_state else ""
                    grid = f" (grid {job.native_id})" if job.native_id else ""
                    print(f"job {job.id}{grid} {status}{note}: {arguments(job)}")
                    for line in lines:
                        print(f"  {printable(line)}")
            if some is None:
                say_none(globals_, selection)

    asyncio.run(why())
