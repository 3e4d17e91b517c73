"""Look whether all that jman needs is there; each line is ok, or says what to do.

\b
Example:
  jman doctor
"""

from __future__ import annotations

import typer

from asyncjman.cli.context import opened
from asyncjman.cli.globals import Globals


def doctor_command(context: typer.Context) -> int:
    import asyncio

    from asyncjman.errors import EXIT_DONE, EXIT_ENVIRONMENT
    from asyncjman.render.text import printable

    globals_: Globals = context.obj

    async def doctor() -> int:
        troubles = 0
        async with opened(globals_, asks="briefly") as manager:
            async for one in manager.doctor():
                print(f"{'ok' if one.advice is None else '!!'}  {one.subject}: {printable(one.state)}")
                if one.advice is not None:
                    troubles += 1
                    print(f"      {printable(one.advice)}")
        return EXIT_ENVIRONMENT if troubles else EXIT_DONE

    return asyncio.run(doctor())
