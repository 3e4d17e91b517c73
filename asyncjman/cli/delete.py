"""Delete jobs and their logs; what still runs is stopped first.

The database is deleted with its last job.

\b
Examples:
  jman delete            all jobs
  jman delete 3-5 -r     three jobs, their logs stay
  jman delete -s success all jobs that succeeded
  jman delete 3.7-9      three tasks of job 3
  jman delete -s failure --dry-run   what would be deleted
  jman delete 'old*'     what was submitted with --name and such a name
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from asyncjman.cli.context import opened, say, say_none
from asyncjman.cli.globals import Globals
from asyncjman.cli.options import Named, Statuses, Tasks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncjman.api.deletion import Deleted


def delete_command(
    context: typer.Context,
    named: Named,
    array: Tasks,
    status: Statuses = None,
    keep_logs: Annotated[bool, typer.Option("--keep-logs", "-r", help="Leave the log files.")] = False,
    keep_log_dir: Annotated[
        bool, typer.Option("--keep-log-dir", "-R", help="Leave the log folder, though it is empty.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-z", help="Say what would be deleted.")] = False,
) -> None:
    import asyncio

    from asyncjman.render.text import job_line

    globals_: Globals = context.obj
    selection = named.selection(globals_, statuses=status)
    task_ids = array.ids()

    async def delete() -> None:
        done = 0
        async with opened(globals_, asks="once") as manager:
            for part, tasks in (await manager.resolve(selection, task_ids)).parts():
                if dry_run:
                    async for job in manager.select(part):
                        done += 1
                        print(f"Would delete {_which(tasks)}job {job_line(job, time.time())}")
                    continue
                async for one in manager.deleting(
                    part, tasks, keep_logs=keep_logs, keep_log_dir=keep_log_dir
                ):
                    done += 1
                    _print(one, keep_logs=keep_logs)
        if not done:
            say_none(globals_, selection)

    asyncio.run(delete())


def _which(task_ids: Sequence[int]) -> str:
    from asyncjman.model.selection import format_ids

    if not task_ids:
        return ""
    return f"task{'s' if len(task_ids) > 1 else ''} {format_ids(task_ids)} of "


def _print(one: Deleted, *, keep_logs: bool) -> None:
    from asyncjman.model.selection import format_ids
    from asyncjman.render.text import job_line, short_path

    what = "Deleting" if keep_logs else "Cleaning-up logs for"
    which = _which(one.task_ids)
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
