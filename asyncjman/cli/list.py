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

# not `from __future__ import annotations`: typer would compile each of them
import sys
from typing import Annotated

import typer

from asyncjman.cli.context import opened, refresh, say_detached, say_none
from asyncjman.cli.globals import Globals
from asyncjman.cli.listing import Query, query_of, shown
from asyncjman.cli.options import AsJson, Causes, Failure, Named, Statuses, Where


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

    query = query_of(
        context.obj,
        ids=named.ids,
        job_ids=named.job_ids,
        names=names,
        status=status,
        cause=cause,
        where=where,
        failure=failure,
        print_array_jobs=print_array_jobs,
        long=long,
        print_times=print_times,
        print_dependencies=print_dependencies,
        ids_only=ids_only,
        as_json=as_json,
    )
    asyncio.run(_print(context.obj, query))


async def _print(globals_: Globals, query: Query) -> None:
    async with opened(globals_, asks="briefly") as manager:
        await refresh(manager, globals_)
        if query.is_table:
            await say_detached(manager)
            if query.details.times and not globals_.local:
                await manager.look_up_usage()
        is_empty = True
        async for text in shown(manager, query):
            sys.stdout.write(text)
            is_empty = False
        if is_empty and query.is_table:
            say_none(globals_, query.selection)
