"""Have a running execute run more tasks at once, or fewer.

What runs goes on; with fewer, the next tasks start once enough have ended.

\b
Examples:
  jman parallel 8          eight at once from now on
  jman parallel 2 4711     where several execute run: the one with pid 4711
"""

from __future__ import annotations

from typing import Annotated

import typer

from asyncjman.cli.context import opened
from asyncjman.cli.globals import Globals


def parallel_command(
    context: typer.Context,
    parallel: Annotated[int, typer.Argument(metavar="N", min=1, help="Tasks at once.")],
    pid: Annotated[
        int | None, typer.Argument(metavar="[PID]", help="Which execute, where several run.")
    ] = None,
) -> None:
    import asyncio

    asyncio.run(_change(context.obj, parallel, pid))


async def _change(globals_: Globals, parallel: int, pid: int | None) -> None:
    async with opened(globals_, asks="once") as manager:
        before = await manager.set_parallel(pid, parallel)
    print(
        f"jman execute (pid {before.pid} on {before.host}): {parallel} tasks at once, was {before.parallel}"
    )
