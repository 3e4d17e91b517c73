"""Stop jobs: what hasn't started won't, what runs is ended. Logs are kept.

A task that runs gets SIGTERM, and SIGKILL after 5 seconds, with all the processes it started. What a
cluster does not confirm is told (exit 3).

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
) -> int:
    import asyncio

    from asyncjman.api.operations import Operations
    from asyncjman.errors import EXIT_DONE, EXIT_ENVIRONMENT, EnvironmentProblem
    from asyncjman.model.selection import format_ids
    from asyncjman.model.status import FINISHED
    from asyncjman.render.text import job_line

    globals_: Globals = context.obj
    selection = globals_.selection(ids, job_ids)
    tasks = task_ids_of(array_ids, selection)

    async def stop() -> int:
        async with Operations(globals_.database, create=False, asks="once") as manager:
            selected = [job async for job in manager.jobs(selection)]
            before = [job.id for job in selected if job.status not in FINISHED]
            try:
                asked = [
                    job.id
                    for job in await manager.stop(
                        selection, tasks, force=force, on_forced=lambda line: say(f"jman: {line}")
                    )
                ]
            except EnvironmentProblem as error:
                ended = [job.id for job in await manager.get(before) if job.status in FINISHED]
                await show(manager, [] if tasks else ended)
                raise error
            left = await show(manager, asked)
            for line in await manager.unconfirmed(left, tasks):
                say(f"jman: {line}")
            if not selected:
                say_none(globals_, selection)
            elif not asked:
                say("nothing to stop: the jobs have ended")
            return EXIT_ENVIRONMENT if left else EXIT_DONE

    async def show(manager: Operations, job_ids: list[int]) -> list[int]:
        """Print those of the jobs that have stopped; return the others."""
        left = []
        for job in await manager.get(job_ids):
            if await manager.unconfirmed([job.id], tasks):
                left.append(job.id)
            else:
                which = f"task {format_ids(tasks)} of " if tasks else ""
                print(f"Stopped {which}{job_line(job, time.time())}")
        return left

    return asyncio.run(stop())
