"""Run one task here, in the foreground, as it was recorded: command, folder, environment, task id.

Its output comes to the terminal; no state is changed.

\b
Examples:
  jman debug 12       the job 12
  jman debug 12.37    its task 37
"""

from __future__ import annotations

from typing import Annotated

import typer

from asyncjman.cli.context import opened
from asyncjman.cli.globals import Globals
from asyncjman.errors import BadSelection, EnvironmentProblem


def debug_command(
    context: typer.Context,
    task: Annotated[str, typer.Argument(metavar="JOB[.TASK]", help="The task: 12, or 12.37 in an array.")],
) -> None:
    import asyncio
    import os

    from asyncjman.api.tasks import by_hand
    from asyncjman.model.ids import parse_words
    from asyncjman.model.job import PLAIN_TASK
    from asyncjman.model.selection import Selection

    globals_: Globals = context.obj
    selection = Selection(words=parse_words([task]))

    async def prepare() -> tuple[str, tuple[str, ...], dict[str, str]]:
        async with opened(globals_) as manager:
            manager.require_owner()  # of others' databases nothing is run
            chosen = await manager.resolve(selection)
            jobs = [job async for job in manager.select(chosen)]
            tasks = [task_id for some in chosen.tasks.values() for task_id in some] or [PLAIN_TASK]
            if len(jobs) != 1 or len(tasks) != 1:
                raise BadSelection(f"{task!r} is not one task: write 12, or 12.37 for task 37 of job 12")
            if tasks == [PLAIN_TASK] and (array := jobs[0].spec.array) is not None:
                job_id = jobs[0].id
                raise BadSelection(
                    f"job {job_id} is an array: name a task of it, as in {job_id}.{array.last}"
                )
            return by_hand(jobs[0], await manager.task(jobs[0], tasks[0]))

    folder, argv, environment = asyncio.run(prepare())
    try:
        os.chdir(folder)
        os.execvpe(argv[0], argv, environment)  # noqa: S606 - the user's own command, as a list of words
    except OSError as error:
        raise EnvironmentProblem(f"can't run {argv[0]} in {folder}: {error.strerror}") from error
