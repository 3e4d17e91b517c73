"""Wait until jobs ended; exit with 0 if all succeeded, with 1 if not.

\b
Examples:
  jman wait                       all jobs
  jman wait 3-5 --timeout 1h      three jobs, for an hour at most (exit 124 then; nothing is stopped)
  jman wait 3.1-10                ten tasks of a job
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from asyncjman.cli.context import opened, refresh, say, say_none
from asyncjman.cli.globals import Globals
from asyncjman.cli.hooks import Hooks, OnFailure, OnFinish
from asyncjman.cli.options import Named
from asyncjman.errors import EXIT_DONE, EXIT_JOB_FAILED, WaitedInVain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from asyncjman.api.manager import JobManager
    from asyncjman.model.job import Job
    from asyncjman.model.selection import Selection

_MOST_LINES = 10


def wait_command(
    context: typer.Context,
    named: Named,
    timeout: Annotated[
        str | None, typer.Option("--timeout", metavar="TIME", help="Give up after so long: 90, 30m, 2h.")
    ] = None,
    on_finish: OnFinish = None,
    on_failure: OnFailure = None,
) -> int:
    import asyncio

    from asyncjman.model.selection import format_ids
    from asyncjman.model.status import FINISHED, in_words

    globals_: Globals = context.obj
    selection = named.selection(globals_, derived_names=True)

    hooks = Hooks(on_finish, on_failure)
    seconds = None if timeout is None else _seconds(timeout)
    begun = time.monotonic()

    async def wait() -> int:
        async with opened(globals_, within=seconds) as manager:
            await refresh(manager, globals_)
            chosen = await manager.resolve(selection)
            selected = [job async for job in manager.select(chosen)]
            if not selected:
                say_none(globals_, selection)
                return EXIT_DONE
            unfinished = [job for job in selected if job.status not in FINISHED]
            local = [job.id for job in unfinished if job.spec.engine == "local"]
            if unfinished and not manager.is_owner:
                ids = format_ids([job.id for job in unfinished])
                say(f"job {ids}: only the owner's jman runs it, or polls the cluster for it")
            elif local and not await manager.has_runner():
                say(f"job {format_ids(local)} waits for a jman --local execute")
            try:
                left = None if seconds is None else max(0.0, begun + seconds - time.monotonic())
                ended = await _followed(manager, chosen, left) if unfinished else selected
            except TimeoutError:
                await _run_hooks(manager, hooks, WaitedInVain.exit_code, selected)
                raise WaitedInVain(f"not all jobs ended within {seconds:g} s; nothing was stopped") from None
            bad = [job for job in ended if await _is_bad(manager, job, chosen.tasks.get(job.id, ()))]
            for job in bad[:_MOST_LINES]:
                if job.id in chosen.tasks:
                    say(f"not all of these tasks of job {job.id} succeeded")
                    continue
                told = job.spec.array or job.reason in (None, job.status)
                reason = "" if told else f": {job.reason}"
                say(f"job {job.id} {in_words(job.status)}{reason}{_how_many(job)}")
            if len(bad) > _MOST_LINES:
                say(f"and {len(bad) - _MOST_LINES} more jobs")
            await _say_failures(manager, bad, chosen.tasks)
            code = EXIT_JOB_FAILED if bad else EXIT_DONE
            await _run_hooks(manager, hooks, code, ended)
            return code

    return asyncio.run(wait())


async def _run_hooks(manager: JobManager, hooks: Hooks, code: int, jobs: Sequence[Job]) -> None:
    """Run what the user has done at the end, and tell it how these jobs are."""
    from asyncjman.model.selection import Selection, ranges_of

    if hooks:
        among = Selection(ids=ranges_of(job.id for job in jobs))
        hooks.run(code, manager.session.path, await (await manager.progress_of_wait(among)).read())


async def _followed(manager: JobManager, selection: Selection, timeout: float | None) -> list[Job]:
    """Wait until the jobs ended, and show how far they are."""
    import asyncio

    from asyncjman.render.follow import Follower, LiveFollower, PlainFollower
    from asyncjman.render.text import is_screen

    follower: Follower = LiveFollower() if is_screen() else PlainFollower(say)
    source = await manager.progress_of_wait(selection)
    following = asyncio.create_task(follower.follow(source))
    try:
        return await manager.wait_for(selection, timeout, follower.say)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        follower.leave()


async def _is_bad(manager: JobManager, job: Job, only: Sequence[int]) -> bool:
    """Tell whether a job, or one of these tasks of it, is not a success."""
    from asyncjman.model.status import Status

    if not only:
        return job.status is not Status.SUCCESS
    return any([task.status is not Status.SUCCESS async for task in manager.tasks(job, only)])


async def _say_failures(manager: JobManager, bad: Sequence[Job], only: Mapping[int, Sequence[int]]) -> None:
    """Say why jobs failed, what is left of them, and what to type."""
    from collections import Counter

    from asyncjman.api.failures import MAX_GROUPS
    from asyncjman.model.status import Status
    from asyncjman.render.ending import left_line
    from asyncjman.render.failures import group_lines
    from asyncjman.render.text import use_color

    if not bad:
        return
    groups = await manager.failures([job.id for job in bad], only)
    examples = await manager.failure_examples(groups[:MAX_GROUPS])
    for shown in group_lines(examples, color=use_color(sys.stderr), more=len(groups) - MAX_GROUPS):
        say(shown)
    counts: Counter[Status] = Counter()
    for job in bad:
        if job.id in only:
            counts.update([task.status async for task in manager.tasks(job, only[job.id])])
        else:
            counts.update(job.counts)
    run = any(job.spec.engine == "local" for job in bad)
    ids = [job.id for job in bad] if len(bad) <= _MOST_LINES else ()
    if line := left_line(counts, len(groups), ids, run=run):
        say(f"left: {line}")


def _seconds(timeout: str) -> float:
    from asyncjman.errors import UsageError
    from asyncjman.model.duration import parse_duration

    try:
        return parse_duration(timeout)
    except UsageError as error:
        raise UsageError(f"--timeout: {error}") from None


def _how_many(job: Job) -> str:
    """Say how many of its tasks did not succeed, where it has several."""
    from asyncjman.model.status import Status

    count = sum(job.counts.values())
    return f", {count - job.counts.get(Status.SUCCESS, 0)} of {count} tasks" if job.spec.array else ""
