"""Stop jobs: what hasn't started won't, what runs is ended. Logs are kept.

A task that runs gets SIGTERM, and SIGKILL after 5 seconds, with all the processes it started.

\b
Examples:
  jman stop 3           stop job 3
  jman stop 3 -a 7-9    stop three tasks of it
  jman stop --force 3   also where the jman execute that runs it does not answer: it is dead, or hangs
"""

from __future__ import annotations

import time
from typing import Annotated

import typer

from asyncjman.cli.context import ArrayIds, Ids, JobIds, say, say_none, task_ids_of
from asyncjman.cli.globals import Globals


def stop_command(
    context: typer.Context,
    ids: Ids = None,
    job_ids: JobIds = None,
    array_ids: ArrayIds = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Take tasks from a jman execute that does not answer; end what is seen of them."
        ),
    ] = False,
) -> None:
    import asyncio

    from asyncjman.api.operations import Operations
    from asyncjman.model.selection import format_ids
    from asyncjman.render.text import job_line

    globals_: Globals = context.obj
    selection = globals_.selection(ids, job_ids)
    tasks = task_ids_of(array_ids, selection)

    async def stop() -> None:
        async with Operations(globals_.database, create=False) as manager:
            stopped = await manager.stop(
                selection, tasks, force=force, on_forced=lambda line: say(f"jman: {line}")
            )
            for job in stopped:
                which = f"task {format_ids(tasks)} of " if tasks else ""
                print(f"Stopped {which}{job_line(job, time.time())}")
            if not stopped:
                if any([True async for _ in manager.jobs(selection)]):
                    say("nothing to stop: the jobs have ended")
                else:
                    say_none(globals_, selection)

    asyncio.run(stop())
