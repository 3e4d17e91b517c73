"""List jobs, one line each.

\b
Examples:
  jman list                 all jobs
  jman list -s failure -a   failed tasks, of all jobs
  jman list --cause timeout --where lr=0.1
  jman list --json 3-5      three jobs, for a program
  jman list 'train*' @      jobs by name, and the latest one
  jman list 3.7,9           job 3, with two of its tasks
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from asyncjman.cli.context import opened, parse_where, refresh, say_detached, say_none
from asyncjman.cli.globals import Globals
from asyncjman.cli.options import AsJson, Causes, Failure, Named, Statuses, Where, task_filter
from asyncjman.model.selection import Selection, TaskFilter
from asyncjman.render.jobs import Details

if TYPE_CHECKING:
    from asyncjman.api.manager import JobManager
    from asyncjman.model.job import Job
    from asyncjman.render.jobs import JobTable

_PAGE = 500
"""Columns are as wide as the widest cell so far: of fewer jobs than this, of all."""


def list_command(
    context: typer.Context,
    named: Named,
    names: Annotated[
        list[str] | None,
        typer.Option("--names", "-n", metavar="NAME", help="Only jobs of this name; repeatable."),
    ] = None,
    status: Statuses = None,
    cause: Causes = None,
    where: Where = None,
    failure: Failure = None,
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
    with_tasks = print_array_jobs or bool(cause) or bool(where) or failure is not None
    wanted = task_filter(status if with_tasks else None, cause)
    selection = named.selection(
        globals_, names, None if with_tasks else status, derived_names=True, having=wanted.having
    )
    details = Details(times=print_times, dependencies=print_dependencies, long=long, tasks=with_tasks)
    query = _Query(selection, parse_where(where), failure, wanted)
    if as_json:
        asyncio.run(_print_json(globals_, query, with_tasks=with_tasks))
    elif ids_only:
        asyncio.run(_print_ids(globals_, query))
    else:
        asyncio.run(_print_table(globals_, query, details))


class _Query(NamedTuple):
    """Which jobs and tasks are meant."""

    selection: Selection
    where: Mapping[str, str]
    failure: str | None
    wanted: TaskFilter


async def _print_table(globals_: Globals, query: _Query, details: Details) -> None:
    """Print page after page: the first of a hundred thousand jobs is shown at once."""
    from asyncjman.render.jobs import JobTable
    from asyncjman.render.table import terminal_width
    from asyncjman.render.text import use_color

    async with opened(globals_, asks="briefly") as manager:
        await refresh(manager, globals_)
        await say_detached(manager)
        if details.times and not globals_.local:
            await manager.look_up_usage()
        selection = await manager.narrowed(query.selection, query.where, failure=query.failure)
        now, width, color = time.time(), terminal_width(), use_color()
        table: JobTable | None = None
        async for jobs in _pages(manager.select(selection)):
            table = JobTable(jobs, details, now, width, color, table)
            for line in table.head():
                print(line)
            for job in jobs:
                await _print_rows(manager, table, job, selection.tasks.get(job.id, ()), query, details)
        if table is None:
            say_none(globals_, query.selection)


async def _pages(jobs: AsyncIterator[Job]) -> AsyncIterator[list[Job]]:
    page: list[Job] = []
    async for job in jobs:
        page.append(job)
        if len(page) == _PAGE:
            yield page
            page = []
    if page:
        yield page


async def _print_rows(
    manager: JobManager, table: JobTable, job: Job, only: Sequence[int], query: _Query, details: Details
) -> None:
    """Print a job, and its tasks where they are asked for."""
    pending = [table.job(job)]
    if query.wanted or (job.spec.array and (details.tasks or only)):
        if not query.wanted:
            print(pending.pop())
        async for task in manager.tasks(job, only, query.wanted or None):
            if pending:  # a job is shown where a task of it is
                print(pending.pop())
            if job.spec.array:
                print(table.task(job, task))
    else:
        print(pending.pop())


async def _print_ids(globals_: Globals, query: _Query) -> None:
    async with opened(globals_, asks="briefly") as manager:
        await refresh(manager, globals_)
        async for job in manager.select(
            await manager.narrowed(query.selection, query.where, failure=query.failure)
        ):
            print(job.id)


async def _print_json(globals_: Globals, query: _Query, *, with_tasks: bool) -> None:
    """Print job after job, and task after task: a million of them don't fill the memory."""
    import sys

    from asyncjman.render.objects import dumps, job_object, task_object

    write = sys.stdout.write
    async with opened(globals_, asks="briefly") as manager:
        await refresh(manager, globals_)
        selection = await manager.narrowed(query.selection, query.where, failure=query.failure)
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
                async for task in manager.tasks(job, only, query.wanted or None):
                    parameters = job.spec.parameters(task.task_id)
                    logs = manager.logs(job, task.task_id)
                    write(before + dumps(task_object(task, logs, parameters)))
                    before = ",\n  "
                if before != ",\n  ":
                    continue  # without tasks: deleted in this moment
                write("]}")
            separator = ",\n"
        write("\n]\n")
