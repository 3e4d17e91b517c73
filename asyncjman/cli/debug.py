"""Run one task here, in the foreground, as it was recorded: command, folder, environment, task id.

Its output comes to the terminal; no state is changed.

\b
Examples:
  jman debug 12       the job 12
  jman debug 12.37    its task 37
"""

from __future__ import annotations

import re
from typing import Annotated

import typer

from asyncjman.cli.globals import Globals
from asyncjman.errors import BadSelection, EnvironmentProblem

_TASK = re.compile(r"(?:job:)?(\d{1,18})(?:\.(\d{1,10}))?", re.ASCII)


def debug_command(
    context: typer.Context,
    task: Annotated[str, typer.Argument(metavar="JOB[.TASK]", help="The task: 12, or 12.37 in an array.")],
) -> None:
    import asyncio
    import os

    from asyncjman.api.operations import Operations
    from asyncjman.model.selection import Selection

    globals_: Globals = context.obj
    match = _TASK.fullmatch(task)
    if not match:
        raise BadSelection(f"bad task {task!r}: write 12, or 12.37 for task 37 of job 12")
    job_id, task_id = int(match[1]), int(match[2] or 0)

    async def prepare() -> tuple[str, tuple[str, ...], dict[str, str]]:
        async with Operations(globals_.database, create=False) as manager:
            manager.writer()  # of others' databases nothing is run
            selection = Selection(ids=(range(job_id, job_id + 1),))
            async for job in manager.jobs(selection):
                return manager.launch(job, await manager.task(job, task_id))
            raise BadSelection(f"job {job_id} was deleted in this moment")

    folder, argv, environment = asyncio.run(prepare())
    try:
        os.chdir(folder)
        os.execvpe(argv[0], argv, environment)  # noqa: S606 - the user's own command, as a list of words
    except OSError as error:
        raise EnvironmentProblem(f"can't run {argv[0]} in {folder}: {error.strerror}") from error
