"""Have jobs run once more. Ids and dependencies stay; tasks that succeeded are left alone.

What was skipped because of these jobs is re-submitted along with them.

\b
Examples:
  jman resubmit                  all that ended without success
  jman resubmit 3 --failed-only  the failed tasks of job 3
  jman resubmit --clean -s 3     job 3 whole, its logs deleted
  jman resubmit 3 --to sge       the same job, on the cluster
  jman resubmit 3 --where lr=0.1 the tasks with this parameter
  jman resubmit --cause timeout --timeout 4h
  jman resubmit --failure qwxjf  what failed so (an id of jman failures)
  jman resubmit -j 3 -o python train.py --epochs 20
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from asyncjman.cli.context import opened, parse_where, refresh, say, say_none, task_filter
from asyncjman.cli.globals import Globals
from asyncjman.cli.options import Causes, Failure, Named, Where
from asyncjman.cli.resource_options import Resources
from asyncjman.cli.resubmit_options import Changed
from asyncjman.errors import UsageError
from asyncjman.model.selection import Selection
from asyncjman.model.status import FINISHED, Status

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from asyncjman.api.manager import JobManager
    from asyncjman.api.resubmission import Resubmitted


def resubmit_command(
    context: typer.Context,
    *,
    named: Named,
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
        str | None,
        typer.Option("--to", metavar="ENGINE", help="Move the jobs to this engine: local, or a cluster."),
    ] = None,
    resources: Resources,
    changed: Changed,
    cause: Causes = None,
    where: Where = None,
    failure: Failure = None,
    overwrite_command: Annotated[
        bool,
        typer.Option("--overwrite-command", "-o", help="All that follows is the new command of the job."),
    ] = False,
) -> None:
    import asyncio

    from asyncjman.api.resubmission_request import Resubmission
    from asyncjman.model.selection import format_ids

    globals_: Globals = context.obj
    command = (named.ids or []) if overwrite_command else []
    if overwrite_command and not command:
        raise UsageError("the new command is missing: jman resubmit -j 3 -o COMMAND [ARGUMENT]...")
    selection = globals_.selection(None if overwrite_command else named.ids, named.job_ids)
    statuses = {Status.FAILURE} if failed_only else FINISHED - {Status.SUCCESS}
    if also_success:
        statuses |= {Status.SUCCESS}

    async def resubmit() -> None:
        async with opened(globals_, asks="once") as manager:
            manager.require_owner()
            await refresh(manager, globals_)
            request = Resubmission(
                statuses=frozenset(statuses),
                dependents=not no_dependents,
                clean=clean and not keep_logs,
                command=command,
                to=to,
                changes=changed.changes(resources.asked()),
                wanted=task_filter(None, cause) or None,
            )
            chosen = selection
            if failure is not None:
                chosen = await manager.narrowed(selection, {}, failure=failure)
            done, skipped = set[int](), set[int]()
            async for outcome in manager.running_again(
                chosen, request, running_too=running_jobs, where=parse_where(where)
            ):
                for one in outcome.done:
                    if one.job.id not in done:
                        _print(one)
                done.update(one.job.id for one in outcome.done)
                skipped = (skipped | {*outcome.skipped}) - done
            if skipped:
                why = "left by --no-dependents" if no_dependents else "other jobs that it waits for failed"
                say(f"job {format_ids(skipped)} stays skipped: {why}")
            elif not done:
                filters = {"--cause": cause, "--where": where, "--failure": failure}
                given = [name for name, value in filters.items() if value]
                await _say_why(globals_, manager, chosen, statuses, given)

    asyncio.run(resubmit())


def _print(one: Resubmitted) -> None:
    from asyncjman.render.text import job_line, printable, short_path

    array, some = one.job.spec.array, ""
    if array is not None and one.tasks:
        of = f"{one.tasks} of " if one.tasks != one.job.task_count else ""
        some = f" [{of}{one.job.task_count} tasks]"
    print(f"Re-submitted job {job_line(one.job, time.time())}{some}")
    if one.differences:
        print(f"  with {printable(', '.join(one.differences))}")
    for path in one.removed:
        print(f"  removed `{short_path(path)}'")
    for problem in one.problems:
        say(f"jman: {problem}")


async def _say_why(
    globals_: Globals,
    manager: JobManager,
    selection: Selection,
    wanted: Collection[Status],
    filters: Sequence[str],
) -> None:
    """Say what there is of these jobs, or tasks, and which option takes it, or leaves it."""
    from collections import Counter

    found: Counter[Status] = Counter()
    chosen = await manager.resolve(selection)
    async for job in manager.select(chosen):
        if only := chosen.tasks.get(job.id, ()):
            found.update([task.status async for task in manager.tasks(job, only)])
        else:
            found[job.status] += 1
    if not found:
        return say_none(globals_, selection)
    states = ", ".join(f"{count} {status}" for status, count in found.items())
    options = []
    if Status.SUCCESS in found and Status.SUCCESS not in wanted:
        options.append("--also-success")
    if found.keys() - FINISHED:
        options.append("--running-jobs")
    hint = f"{' and '.join(options)} {'take' if len(options) > 1 else 'takes'} these too" if options else ""
    if found.keys() & (FINISHED - {Status.SUCCESS, *wanted}):
        hint = "--failed-only leaves these"
    elif filters:
        hint = f"{' and '.join(filters)} {'leave' if len(filters) > 1 else 'leaves'} these"
    say(f"nothing to re-submit: {states}{f' ({hint})' if hint else ''}")
