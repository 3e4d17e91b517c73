"""List jobs, one line each.

\b
Examples:
  jman list                 all jobs
  jman list -s failure -a   failed jobs, with their tasks
  jman list --json 3-5      three jobs, for a program
  jman list 'train*' @      jobs by name, and the latest one
  jman list 3.7,9           job 3, with two of its tasks
"""

from __future__ import annotations

import time
from typing import Annotated

import typer

from asyncjman.cli.context import opened, refresh, say_none
from asyncjman.cli.globals import Globals
from asyncjman.cli.options import AsJson, Named, Statuses
from asyncjman.model.selection import Selection
from asyncjman.render.jobs import Details


def list_command(
    context: typer.Context,
    named: Named,
    names: Annotated[
        list[str] | None,
        typer.Option("--names", "-n", metavar="NAME", help="Only jobs of this name; repeatable."),
    ] = None,
    status: Statuses = None,
    print_array_jobs: Annotated[
        bool, typer.Option("--print-array-jobs", "-a", help="Also each task of an array.")
    ] = False,
    long: Annotated[
        bool, typer.Option("--long", "-l", help="Also folders, environment, commit and reason.")
    ] = False,
    print_times: Annotated[
        bool, typer.Option("--print-times", "-t", help="Also when, how long, and what was used.")
    ] = False,
    print_dependencies: Annotated[
        bool,
        typer.Option("--print-dependencies", "--dependencies", "-x", help="Also what each job waits for."),
    ] = False,
    ids_only: Annotated[bool, typer.Option("--ids-only", "-o", help="Only the ids.")] = False,
    as_json: AsJson = False,
) -> None:
    import asyncio

    globals_: Globals = context.obj
    selection = named.selection(globals_, names, status, derived_names=True)
    details = Details(times=print_times, dependencies=print_dependencies, long=long, tasks=print_array_jobs)
    if as_json:
        asyncio.run(_print_json(globals_, selection, with_tasks=print_array_jobs))
    elif ids_only:
        asyncio.run(_print_ids(globals_, selection))
    else:
        asyncio.run(_print_table(globals_, selection, details))


async def _print_table(globals_: Globals, selection: Selection, details: Details) -> None:
    from asyncjman.render.jobs import JobTable
    from asyncjman.render.table import terminal_width
    from asyncjman.render.text import use_color

    async with opened(globals_, asks="briefly") as manager:
        await refresh(manager, globals_)
        if details.times and not globals_.local:
            await manager.look_up_usage()
        selection = await manager.resolve(selection)
        jobs = [job async for job in manager.select(selection)]
        if not jobs:
            return say_none(globals_, selection)
        table = JobTable(jobs, details, time.time(), terminal_width(), use_color())
        for line in table.head():
            print(line)
        for job in jobs:
            print(table.job(job))
            only = selection.tasks.get(job.id, ())
            if job.spec.array and (details.tasks or only):
                async for task in manager.tasks(job, only):
                    print(table.task(job, task))


async def _print_ids(globals_: Globals, selection: Selection) -> None:

    async with opened(globals_, asks="briefly") as manager:
        await refresh(manager, globals_)
        async for job in manager.select(selection):
            print(job.id)


async def _print_json(globals_: Globals, selection: Selection, *, with_tasks: bool) -> None:
    """Print job after job, and task after task: a million of them don't fill the memory."""
    import sys

    from asyncjman.render.objects import dumps, job_object, task_object

    write = sys.stdout.write
    async with opened(globals_, asks="briefly") as manager:
        await refresh(manager, globals_)
        selection = await manager.resolve(selection)
        write("[")
        separator = "\n"
        async for job in manager.select(selection):
            shown = job_object(job)
            only = selection.tasks.get(job.id, ())
            if not with_tasks and not only:
                write(separator + dumps(shown))
            else:
                del shown["tasks"]
                before = separator + dumps(shown)[:-1] + ', "tasks": [\n  '
                async for task in manager.tasks(job, only):
                    parameters = job.spec.parameters(task.task_id)
                    logs = manager.logs(job, task.task_id)
                    write(before + dumps(task_object(task, logs, parameters)))
                    before = ",\n  "
                if before != ",\n  ":
                    continue  # without tasks: deleted in this moment
                write("]}")
            separator = ",\n"
        write("\n]\n")
