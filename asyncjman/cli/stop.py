"""Stop jobs: what hasn't started won't, what runs is ended. Logs are kept.

A task that runs gets SIGTERM, and SIGKILL after 5 seconds, with all the processes it started. What a
cluster does not confirm is told (exit 3).

\b
Examples:
  jman stop 3           stop job 3
  jman stop 3.7-9       stop three tasks of it
  jman stop 4 --where lr=0.1
  jman stop train @     stop what was submitted with --name train, and the latest job
  jman stop --force 3   also where the jman execute that runs it does not answer: it is dead, or hangs
  jman stop --execute   end the jman execute that runs, as Ctrl-C would (where several run: with its pid)
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from asyncjman.cli.context import opened, parse_where, say, say_none
from asyncjman.cli.globals import Globals
from asyncjman.cli.options import Failure, Named, Tasks, Where
from asyncjman.errors import EXIT_DONE, EXIT_ENVIRONMENT, EnvironmentProblem, UsageError
from asyncjman.model.selection import Selection
from asyncjman.model.status import FINISHED, Status

_PAGE = 500

if TYPE_CHECKING:
    from asyncjman.api.manager import JobManager


def stop_command(
    context: typer.Context,
    named: Named,
    array: Tasks,
    where: Where = None,
    failure: Failure = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Take tasks from a jman execute that does not answer; end what is seen of them."
        ),
    ] = False,
    execute: Annotated[
        bool, typer.Option("--execute", help="End a running jman execute; what is named is its pid.")
    ] = False,
) -> int:
    import asyncio

    globals_: Globals = context.obj
    if execute:
        return asyncio.run(_stop_execute(globals_, _pid(named)))
    selection = named.selection(globals_)
    return asyncio.run(_stop(globals_, selection, array.ids(), parse_where(where), failure, force=force))


def _pid(named: Named) -> int | None:
    words = [*(named.ids or ()), *(named.job_ids or ())]
    if len(words) > 1 or not all(word.isascii() and word.isdigit() for word in words):
        raise UsageError("--execute takes the pid of one jman execute, or nothing where only one runs")
    return int(words[0]) if words else None


async def _stop_execute(globals_: Globals, pid: int | None) -> int:
    async with opened(globals_, asks="once") as manager:
        stopped = await manager.stop_execute(pid)
    print(f"Stopped jman execute (pid {stopped.pid} on {stopped.host})")
    return EXIT_DONE


async def _stop(
    globals_: Globals,
    selection: Selection,
    task_ids: Sequence[int],
    where: Mapping[str, str],
    failure: str | None,
    *,
    force: bool,
) -> int:

    asked = left = 0
    problems: list[EnvironmentProblem] = []
    async with opened(globals_, asks="once") as manager:
        chosen = await manager.narrowed(selection, where, task_ids, failure=failure)
        for part, tasks in chosen.parts():
            unfinished = [job_id for job_id, _ in await manager.ids(part, tasks, unfinished=True)]
            try:
                stopped = await manager.stop_ids(
                    part, tasks, force=force, on_forced=lambda line: say(f"jman: {line}")
                )
            except EnvironmentProblem as error:
                await _show_ended(manager, [] if tasks else unfinished)
                problems.append(error)
                continue
            shown, unconfirmed = await _show(manager, stopped, tasks)
            asked += shown + len(unconfirmed)
            left += len(unconfirmed)
            for line in await manager.unconfirmed(unconfirmed, tasks):
                say(f"jman: {line}")
        if problems:
            raise problems[0]
        if not asked and not await _any(manager, chosen):
            say_none(globals_, selection)
        elif not asked:
            say(f"nothing to stop: {'the tasks' if chosen.tasks or task_ids else 'the jobs'} have ended")
    return EXIT_ENVIRONMENT if left else EXIT_DONE


async def _any(manager: JobManager, selection: Selection) -> bool:
    async for _ in manager.select(selection):
        return True
    return False


async def _show_ended(manager: JobManager, job_ids: Sequence[int]) -> None:
    """Print those of the jobs that have ended by now."""
    await _show(manager, job_ids, (), ended_only=True)


async def _show(
    manager: JobManager, job_ids: Sequence[int], tasks: Sequence[int], *, ended_only: bool = False
) -> tuple[int, list[int]]:
    """Print those of the jobs that have stopped; return how many that are, and the others."""
    from asyncjman.model.selection import TaskFilter, format_ids
    from asyncjman.render.text import job_line

    shown, left, named = 0, list[int](), set(tasks)
    for start in range(0, len(job_ids), _PAGE):
        for job in await manager.read(job_ids[start : start + _PAGE]):
            if ended_only and job.status not in FINISHED:
                continue
            if job.is_open_elsewhere and await manager.unconfirmed([job.id], tasks):
                left.append(job.id)
                continue
            which = ""
            if tasks:
                found = manager.tasks(job, (), TaskFilter(statuses=frozenset({Status.STOPPED})))
                # others of these had ended before
                stopped = [task.task_id async for task in found if task.task_id in named]
                if not stopped:
                    continue
                which = f"task {format_ids(stopped)} of "
            print(f"Stopped {which}{job_line(job, time.time())}")
            shown += 1
    return shown, left
