"""Run all local jobs that have not run yet, dependencies first, N tasks at once.

Ends when nothing is left: with 0 if all jobs (all those named) succeeded by then, with 1 if not. Ctrl-C
stops what runs (SIGTERM, and SIGKILL after 5 seconds) and ends with 130; a second Ctrl-C kills at once.

\b
Examples:
  jman --local execute -p 4              four tasks at once
  jman --local execute -p auto -j 3-5    some jobs, on all processors
  jman execute --resume                  first have run once more what was stopped
  jman --local execute --keep-running    stay, and run what is submitted meanwhile
  jman --local execute --detach          go on without this terminal; its output goes to a file
  jman --local execute --max-fails 5%    start no more once so many of the tasks failed
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Annotated

import typer

from asyncjman.cli.context import opened, say, say_none
from asyncjman.cli.globals import Globals
from asyncjman.cli.hooks import Hooks, OnFailure, OnFinish
from asyncjman.cli.options import Named
from asyncjman.errors import EXIT_DONE, EXIT_INTERRUPTED, EXIT_JOB_FAILED, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from asyncjman.api.manager import JobManager
    from asyncjman.api.summary import Summary, Unsuccessful
    from asyncjman.cli.executing import Limit
    from asyncjman.model.selection import Selection
    from asyncjman.render.ending import Closing
    from asyncjman.render.monitor import Monitor
    from asyncjman.render.outlet import Outlet

_MOST_LINES = 10


def execute_command(
    context: typer.Context,
    named: Named,
    parallel: Annotated[
        str | None,
        typer.Option(
            "--parallel",
            "-p",
            metavar="N|auto",
            help="Tasks at once; auto: the processors there are. Default: the setting parallel, or 1.",
        ),
    ] = None,
    no_log_files: Annotated[
        bool, typer.Option("--no-log-files", "-l", help="All output to the terminal, none to log files.")
    ] = False,
    nice: Annotated[
        int, typer.Option("--nice", "-n", min=0, max=19, help="Lower the priority by so much.")
    ] = 0,
    keep_running: Annotated[
        bool, typer.Option("--keep-running/--die-when-finished", " /-x", help="Stay when nothing is left.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="First have what was stopped run once more.")
    ] = False,
    sleep_time: Annotated[
        float, typer.Option("--sleep-time", "-s", help="Accepted for gridtk's sake; has no effect.")
    ] = 0.1,
    progress: Annotated[
        bool | None,
        typer.Option("--progress/--no-progress", help="Live progress (default: on a terminal)."),
    ] = None,
    label: Annotated[
        bool,
        typer.Option("--label/--no-label", help="On a terminal: say which of several tasks wrote a line."),
    ] = True,
    json_lines: Annotated[
        bool, typer.Option("--json-lines", help="Print each event as a line of JSON.")
    ] = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="Go on without this terminal; print pid and file of output.")
    ] = False,
    max_fails: Annotated[
        str | None,
        typer.Option("--max-fails", metavar="N|N%", help="Start no more once so many tasks failed."),
    ] = None,
    on_finish: OnFinish = None,
    on_failure: OnFailure = None,
) -> int:
    import asyncio

    from asyncjman.cli.executing import Limit, monitor_of
    from asyncjman.render.outlet import Outlet

    globals_: Globals = context.obj
    slots = _slots(parallel if parallel is not None else _settings_parallel())
    limit = Limit.parse(max_fails)
    os.nice(nice)  # the tasks inherit it; set later, the first moments of each would run without
    selection = named.whole_jobs(globals_, "execute")
    output, on_start = None, None
    if detach:
        from asyncjman.cli.detach import detach as detached

        split = detached(globals_.database)
        if isinstance(split, int):
            return split
        output, on_start = split
    outlet = Outlet()
    monitor = monitor_of(outlet, progress=progress, json_lines=json_lines, label=label)
    return asyncio.run(
        _execute(
            globals_,
            selection,
            monitor,
            outlet,
            limit,
            Hooks(on_finish, on_failure),
            parallel=slots,
            log_files=not no_log_files,
            keep_running=keep_running,
            output=output,
            on_start=on_start,
            resume=resume,
        )
    )


async def _execute(
    globals_: Globals,
    selection: Selection,
    monitor: Monitor,
    outlet: Outlet,
    limit: Limit,
    hooks: Hooks,
    *,
    parallel: int,
    log_files: bool,
    keep_running: bool,
    output: str | None,
    on_start: Callable[[], None] | None,
    resume: bool,
) -> int:
    from asyncjman.api.running import Options
    from asyncjman.api.summary import Summary
    from asyncjman.cli.executing import Execution, written

    async with opened(globals_, create=keep_running) as manager:
        manager.require_owner()
        only = (
            frozenset([job.id async for job in manager.select(selection)]) if not selection.is_all else None
        )
        if resume:
            await _resume(manager, selection)
        options = Options(
            parallel=parallel,
            log_files=log_files,
            only=only,
            keep_running=keep_running,
            is_shown=True,
            output=output,
        )
        source = await manager.progress_of_run(only)
        summary = Summary()
        execution = Execution(monitor, outlet, source, summary, limit, on_start)
        interrupted = False
        began = time.time()
        try:
            interrupted = await execution.run(manager, options)
            monitor.close(summary, await _closing(manager, only, began, summary))
            left = await manager.not_succeeded(only)
            # a terminal may have been stopped: what waits for it must not be this process
            for line in _of_what_did_not_run(left) if not interrupted else ():
                outlet.write(2, f"{line}\n".encode())
            if rest := await _what_is_left(manager, only, did_some=bool(summary.counts)):
                outlet.write(2, f"{rest}\n".encode())
        finally:
            monitor.leave()
            interrupted = not await written(outlet, patient=not interrupted)
        if not interrupted and not (summary.counts or left or (await manager.totals(only)).counts):
            say_none(globals_, selection)
        last = await source.read() if hooks else None
    code = EXIT_INTERRUPTED if interrupted else EXIT_JOB_FAILED if left else EXIT_DONE
    if last is not None:
        hooks.run(code, globals_.database, last)
    return code


async def _resume(manager: JobManager, selection: Selection) -> None:
    """Have the stopped tasks of local jobs run once more."""
    from dataclasses import replace

    from asyncjman.api.resubmission_request import Resubmission
    from asyncjman.model.job import LOCAL
    from asyncjman.model.selection import format_ids
    from asyncjman.model.status import Status

    request = Resubmission(statuses=frozenset({Status.STOPPED}))
    outcome = await manager.resubmit(replace(selection, engine=LOCAL), request)
    if outcome.done:
        say(f"resumed: job {format_ids(one.job.id for one in outcome.done)}")


async def _closing(
    manager: JobManager, only: frozenset[int] | None, began: float, summary: Summary
) -> Closing:
    """Return how the jobs are that were open when it began: what others did of them counts too."""
    from asyncjman.model.status import Status
    from asyncjman.render.ending import Closing

    seconds = time.time() - began
    if not summary.counts and not summary.ended:
        return Closing({}, (), 0, seconds, 0.0)
    totals = await manager.totals(only, began)
    if not totals.counts.get(Status.FAILURE):
        return Closing(totals.counts, (), 0, seconds, totals.cpu_seconds)
    from asyncjman.api.failures import MAX_GROUPS

    groups = await manager.failures(totals.job_ids)
    shown = await manager.failure_examples(groups[:MAX_GROUPS])
    return Closing(totals.counts, shown, len(groups), seconds, totals.cpu_seconds)


def _of_what_did_not_run(left: Sequence[Unsuccessful]) -> Iterator[str]:
    """Say of jobs that did not run what they wait for."""
    from asyncjman.model.selection import format_ids
    from asyncjman.model.status import FINISHED

    unfinished = [one for one in left if one.status not in FINISHED]
    for one in unfinished[:_MOST_LINES]:
        waits = f": it waits for job {format_ids(one.waits_for)}" if one.waits_for else ""
        yield f"job {one.job_id} did not run{waits}"
    if len(unfinished) > _MOST_LINES:
        yield f"and {len(unfinished) - _MOST_LINES} more jobs did not run"


async def _what_is_left(manager: JobManager, only: frozenset[int] | None, *, did_some: bool) -> str | None:
    """Say what is not a success, and what to type; where there was nothing to run, also what there is."""
    from asyncjman.model.status import Status
    from asyncjman.render.ending import left_line

    totals = await manager.totals(only)
    if not totals.counts:
        return None
    causes = len(await manager.failures(totals.job_ids)) if totals.counts.get(Status.FAILURE) else 0
    line = left_line(totals.counts, causes, sorted(only or ()))
    if did_some:
        return line and f"left: {line}"
    if line is None:
        return f"nothing to run: {totals.counts[Status.SUCCESS]} success (jman resubmit --also-success)"
    return f"nothing to run: {line}"


def _settings_parallel() -> str:
    from asyncjman.api.configured import settings_here

    return settings_here().parallel or "1"


def _slots(text: str) -> int:
    if text == "auto":
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise UsageError(f"bad --parallel {text!r}: write a number from 1 on, or auto")
    return int(text)
