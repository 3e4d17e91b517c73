"""Have jobs run once more. Ids and dependencies stay; tasks that succeeded are left alone.

What was skipped because of these jobs is re-submitted along with them.

\b
Examples:
  jman resubmit                  all that ended without success
  jman resubmit 3 --failed-only  the failed tasks of job 3
  jman resubmit --clean -s 3     job 3 whole, its logs deleted
  jman resubmit 3 --to sge       the same job, on the cluster
  jman resubmit 3 --where lr=0.1 the tasks with this parameter
  jman resubmit -j 3 -o python train.py --epochs 20
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from asyncjman.cli.context import Ids, JobIds, parse_where, refresh, say, say_none
from asyncjman.cli.globals import Globals
from asyncjman.errors import UsageError
from asyncjman.model.selection import Selection
from asyncjman.model.status import FINISHED, Status

if TYPE_CHECKING:
    from asyncjman.api.operations import Operations


def resubmit_command(
    context: typer.Context,
    ids: Ids = None,
    job_ids: JobIds = None,
    clean: Annotated[bool, typer.Option("--clean", help="Delete their log files.")] = False,
    keep_logs: Annotated[
        bool, typer.Option("--keep-logs", "-k", help="Keep their log files (the default).")
    ] = False,
    also_success: Annotated[
        bool, typer.Option("--also-success", "-s", help="Also tasks that succeeded.")
    ] = False,
    running_jobs: Annotated[
        bool, typer.Option("--running-jobs", "-a", help="Also what runs: it is stopped first.")
    ] = False,
    failed_only: Annotated[
        bool, typer.Option("--failed-only", help="Only tasks that failed, not stopped or skipped ones.")
    ] = False,
    no_dependents: Annotated[
        bool, typer.Option("--no-dependents", help="Not what was skipped because of these jobs.")
    ] = False,
    to: Annotated[
        str | None, typer.Option("--to", metavar="sge|local", help="Move the jobs to this engine.")
    ] = None,
    queue: Annotated[
        str | None, typer.Option("--queue", "-q", metavar="NAME", help="Grid: a new queue.")
    ] = None,
    memory: Annotated[
        str | None, typer.Option("--memory", "-m", metavar="SIZE", help="Grid: new memory of a slot.")
    ] = None,
    parallel: Annotated[
        int | None, typer.Option("--parallel", "-p", "--pe_mth", min=1, metavar="N", help="Grid: new slots.")
    ] = None,
    io_big: Annotated[
        bool | None, typer.Option("--io-big/--no-io-big", "-i/-I", help="Grid: a host for much I/O, or not.")
    ] = None,
    time_limit: Annotated[
        str | None, typer.Option("--time", metavar="TIME", help="Grid: a new limit of run time (h_rt).")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Only tasks with this parameter."),
    ] = None,
    overwrite_command: Annotated[
        bool,
        typer.Option("--overwrite-command", "-o", help="All that follows is the new command of the job."),
    ] = False,
) -> None:
    import asyncio

    from asyncjman.api.operations import Operations
    from asyncjman.api.resubmission import Resubmission
    from asyncjman.model.selection import format_ids
    from asyncjman.render.text import job_line, short_path

    globals_: Globals = context.obj
    command = (ids or []) if overwrite_command else []
    if overwrite_command and not command:
        raise UsageError("the new command is missing: jman resubmit -j 3 -o COMMAND [ARGUMENT]...")
    selection = globals_.selection(None if overwrite_command else ids, job_ids)
    statuses = {Status.FAILURE} if failed_only else FINISHED - {Status.SUCCESS}
    if also_success:
        statuses |= {Status.SUCCESS}

    if to not in (None, "sge", "local"):
        raise UsageError(f"bad --to {to!r}: there are sge and local")
    changes = {"queue": queue, "memory": memory, "slots": parallel, "io_big": io_big, "time": time_limit}

    async def resubmit() -> None:
        async with Operations(globals_.database, create=False, asks="once") as manager:
            manager.writer()
            await refresh(manager, globals_)
            request = Resubmission(
                statuses=frozenset(statuses),
                dependents=not no_dependents,
                clean=clean and not keep_logs,
                command=command,
                to=to,
                changes={key: value for key, value in changes.items() if value is not None},
            )
            outcome = await manager.resubmit(
                selection, request, running_too=running_jobs, where=parse_where(where)
            )
            for one in outcome.done:
                print(f"Re-submitted {job_line(one.job, time.time())}")
                for path in one.removed:
                    print(f"  removed `{short_path(path)}'")
                for problem in one.problems:
                    say(f"jman: {problem}")
            if outcome.skipped:
                why = "left by --no-dependents" if no_dependents else "other jobs that it waits for failed"
                say(f"job {format_ids(outcome.skipped)} stays skipped: {why}")
            elif not outcome.done:
                await _say_why(globals_, manager, selection)

    asyncio.run(resubmit())


async def _say_why(globals_: Globals, manager: Operations, selection: Selection) -> None:
    from collections import Counter

    found = Counter([job.status async for job in manager.jobs(selection)])
    if not found:
        return say_none(globals_, selection)
    states = ", ".join(f"{count} {status}" for status, count in found.items())
    say(f"nothing to re-submit: {states} (--also-success and --running-jobs take these too)")
