"""Make a database your own: a copy, one that changed hands, or one that others could write.

Such a database is only shown. Taken over it is yours alone, in a new file; all that had not ended becomes
stopped first, so that nothing of it runs by itself: jman resubmit has it run. What a cluster has of it is not
followed any more. Only the owner of the file can do that, and root.

\b
Examples:
  jman take-over                        asks first
  jman -d copy.sql3 take-over --yes     asks nothing, for scripts
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from asyncjman.cli.context import opened, say
from asyncjman.cli.globals import Globals
from asyncjman.errors import EXIT_DONE, EXIT_ENVIRONMENT, UsageError


def take_over_command(
    context: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
) -> int:
    import asyncio

    from asyncjman.api.takeover import Claim, claim, take_over
    from asyncjman.model.selection import format_ids
    from asyncjman.render.text import printable

    globals_: Globals = context.obj

    def ask(found: Claim) -> bool:
        what = f"{found.jobs} job{'s' * (found.jobs != 1)}"
        if found.unfinished:
            what += f"; job {format_ids(found.unfinished)} becomes stopped"
        print(f"{printable(found.why)} ({what})")
        if yes:
            return True
        if not sys.stdin.isatty():
            raise UsageError("take-over asks on a terminal; in a script write jman take-over --yes")
        print(f"Take {printable(str(globals_.database))} over? [y/N] ", end="", flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    async def run() -> int:
        async with opened(globals_) as manager:
            found = await claim(manager.session)
            if found is None:
                print(f"{globals_.database} is yours already")
                return EXIT_DONE
            if not ask(found):
                say("nothing was changed")
                return EXIT_ENVIRONMENT
            stopped = await take_over(manager.session)
        print(f"Took {globals_.database} over" + (f", stopped job {format_ids(stopped)}" if stopped else ""))
        if found.native_ids:
            numbers = ", ".join(map(str, found.native_ids))
            whose = "is the original's" if found.is_copy else "may run on: qdel ends it, where it is yours"
            print(f"  what the cluster has as {numbers} {whose}")
        return EXIT_DONE

    return asyncio.run(run())
