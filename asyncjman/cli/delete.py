"""Delete jobs and their logs; what still runs is stopped first.

The database is deleted with its last job.

\b
Examples:
  jman delete            all jobs
  jman delete 3-5 -r     three jobs, their logs stay
  jman delete -s success all jobs that succeeded
"""

from __future__ import annotations

import time
from typing import Annotated

import typer

from asyncjman.cli.context import ArrayIds, Ids, JobIds, Statuses, say, say_none, task_ids_of
from asyncjman.cli.globals import Globals


def delete_command(
    context: typer.Context,
    ids: Ids = None,
    job_ids: JobIds = None,
    array_ids: ArrayIds = None,
    status: Statuses = None,
    keep_logs: Annotated[bool, typer.Option("--keep-logs", "-r", help="Leave the log files.")] = False,
    keep_log_dir: Annotated[
        bool, typer.Option("--keep-log-dir", "-R", help="Leave the log folder, though it is empty.")
    ] = False,
) -> None:
    import asyncio

    from asyncjman.api.operations import Operations
    from asyncjman.model.selection import format_ids
    from asyncjman.render.text import job_line, short_path

    globals_: Globals = context.obj
    selection = globals_.selection(ids, job_ids, statuses=status)
    tasks = task_ids_of(array_ids, selection)

    async def delete() -> None:
        done = 0
        async with Operations(globals_.database, create=False, asks="once") as manager:
            async for one in manager.delete(selection, tasks, keep_logs=keep_logs, keep_log_dir=keep_log_dir):
                done += 1
                what = "Deleting" if keep_logs else "Cleaning-up logs for"
                which = f"task {format_ids(one.task_ids)} of " if one.task_ids else ""
                print(f"{what} {which}job {job_line(one.job, time.time())}")
                for path in one.removed:
                    print(f"  removed `{short_path(path)}'")
                for problem in one.problems:
                    say(f"jman: {problem}")
                print(f"  deleted {which}job {one.job.id} from database")
                if one.freed:
                    print(f"  job {format_ids(one.freed)} waited for it, and may run now")
                if one.skipped:
                    print(f"  job {format_ids(one.skipped)} waited for its success, and is skipped")
        if not done:
            say_none(globals_, selection)

    asyncio.run(delete())
