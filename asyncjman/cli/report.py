"""Show the logs of jobs, with how each task ended.

Finished jobs, where none is named. With -e only what failed, or wrote errors.

\b
Examples:
  jman report 3             output and errors of job 3
  jman report -e            what went wrong, in all jobs
  jman report 3.7 -o        the output of one task
  jman report 'train*'      of all jobs with such a name
  jman report -f            follow what runs, until it ends
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from asyncjman.cli.context import opened, parse_where, refresh, say, say_none, task_filter
from asyncjman.cli.globals import Globals
from asyncjman.cli.options import AsJson, Causes, Failure, Named, Statuses, Tasks, Where
from asyncjman.errors import BadSelection
from asyncjman.model.status import FINISHED, Status

if TYPE_CHECKING:
    from asyncjman.model.job import Task


def report_command(
    context: typer.Context,
    named: Named,
    array: Tasks,
    name: Annotated[str | None, typer.Option("--name", "-n", help="Only jobs of this name.")] = None,
    status: Statuses = None,
    cause: Causes = None,
    errors_only: Annotated[
        bool, typer.Option("--errors-only", "-e", help="Only error logs, of what failed or wrote some.")
    ] = False,
    output_only: Annotated[bool, typer.Option("--output-only", "-o", help="Only output logs.")] = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on printing what is written, until the jobs ended.")
    ] = False,
    attempt: Annotated[
        int | None, typer.Option("--attempt", min=1, metavar="N", help="Logs of an earlier attempt.")
    ] = None,
    tail: Annotated[
        int | None, typer.Option("--tail", min=1, metavar="N", help="Only the last N lines of each log.")
    ] = None,
    where: Where = None,
    failure: Failure = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="Print control characters as they are, also to a terminal.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    import asyncio
    import sys

    from asyncjman.api.reporting import has_content
    from asyncjman.render.report import JsonReport, TextReport, follow_logs

    globals_: Globals = context.obj
    wanted = task_filter(status, cause)
    selection = named.selection(globals_, [name] if name else None, derived_names=True, having=wanted.having)
    task_ids = array.ids()
    raw = raw or not sys.stdout.isatty()

    async def report() -> None:
        async with opened(globals_, asks="briefly") as manager:
            await refresh(manager, globals_)
            chosen = await manager.narrowed(selection, parse_where(where), task_ids, failure=failure)
            if follow:
                streams = {1: output_only or not errors_only, 2: errors_only or not output_only}
                await follow_logs(manager.follow(chosen), raw=raw, streams=streams)
                return
            printer = JsonReport() if as_json else TextReport(raw=raw, tail=tail)
            found, shown, any_job = manager.reportable(), 0, False
            without: tuple[int, Task] | None = None
            of_job = found.with_errors if errors_only and not attempt else found.all_of
            async for job in manager.select(chosen):
                if selection.is_all and job.status not in FINISHED:
                    continue
                any_job = True
                async for latest in of_job(job, chosen.tasks.get(job.id, ()), wanted or None):
                    task = await manager.attempt(latest, attempt) if attempt else latest
                    if task is None:
                        count, highest = without or (0, latest)
                        without = count + 1, max(highest, latest, key=lambda one: one.attempt)
                        continue
                    logs = manager.logs(job, task.task_id, earlier=attempt if task != latest else None)
                    out = logs[0] if logs and (output_only or not errors_only) else None
                    err = logs[1] if logs and (errors_only or not output_only) else None
                    if errors_only and task.status is Status.SUCCESS and not has_content(err):
                        continue
                    kept = b"" if logs or (output_only and not errors_only) else await manager.kept(task)
                    printer.task(job, task, out, err, kept)
                    shown += 1
            if attempt and without and not shown:
                raise BadSelection(_no_attempt(attempt, *without))
            printer.close()
            if not any_job:
                say_none(globals_, selection, "finished jobs" if selection.is_all else "jobs")
            elif not shown:
                say(
                    "nothing to report: no task failed or wrote errors"
                    if errors_only
                    else "nothing to report"
                )

    asyncio.run(report())


def _no_attempt(number: int, count: int, latest: Task) -> str:
    """Say which attempts there are of so many tasks that lack one; ``latest``: the highest of them."""
    from asyncjman.render.report import task_label

    if count > 1:
        return f"none of these {count} tasks has an attempt {number}: the highest is {latest.attempt}"
    there = f"attempts are 1-{latest.attempt}" if latest.attempt > 1 else "only attempt is 1"
    return f"job {task_label(latest)} has no attempt {number}: its {there}"
