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
from collections import Counter
from dataclasses import dataclass, field
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
    from asyncjman.model.status import Status

_MOST_LINES = 10
_PAGE = 500


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
    from asyncjman.model.status import in_words

    globals_: Globals = context.obj
    selection = named.selection(globals_, derived_names=True)

    hooks = Hooks(on_finish, on_failure)
    seconds = None if timeout is None else _seconds(timeout)
    begun = time.monotonic()

    async def wait() -> int:
        async with opened(globals_, within=seconds) as manager:
            await refresh(manager, globals_)
            chosen = await manager.resolve(selection)
            selected, unfinished, local = list[int](), list[int](), list[int]()
            async for job in manager.select(chosen):
                selected.append(job.id)
                if await _is_open(manager, job, chosen.tasks.get(job.id, ())):
                    unfinished.append(job.id)
                    if job.spec.engine == "local":
                        local.append(job.id)
            if not selected:
                say_none(globals_, selection)
                return EXIT_DONE
            if unfinished and not manager.is_owner:
                ids = format_ids(unfinished)
                say(f"job {ids}: only the owner's jman runs it, or polls the cluster for it")
            elif local and not await manager.has_runner():
                say(f"job {format_ids(local)} waits for a jman --local execute")
            try:
                left = None if seconds is None else max(0.0, begun + seconds - time.monotonic())
                if unfinished:
                    selected = await _followed(manager, chosen, left)
            except TimeoutError:
                await _run_hooks(manager, hooks, WaitedInVain.exit_code, selected)
                raise WaitedInVain(f"not all jobs ended within {seconds:g} s; nothing was stopped") from None
            bad = await _bad_of(manager, selected, chosen.tasks)
            for job in bad.first:
                if job.id in chosen.tasks:
                    say(f"not all of these tasks of job {job.id} succeeded")
                    continue
                told = job.spec.array or job.reason in (None, job.status)
                reason = "" if told else f": {job.reason}"
                say(f"job {job.id} {in_words(job.status)}{reason}{_how_many(job)}")
            if len(bad.ids) > _MOST_LINES:
                say(f"and {len(bad.ids) - _MOST_LINES} more jobs")
            await _say_failures(manager, bad, chosen.tasks)
            code = EXIT_JOB_FAILED if bad.ids else EXIT_DONE
            await _run_hooks(manager, hooks, code, selected)
            return code

    return asyncio.run(wait())


async def _is_open(manager: JobManager, job: Job, only: Sequence[int]) -> bool:
    """Tell whether a job, or one of these tasks of it, has not ended."""
    from asyncjman.model.status import FINISHED

    if not only or job.status in FINISHED:
        return job.status not in FINISHED
    return any([task.status not in FINISHED async for task in manager.tasks(job, only)])


async def _run_hooks(manager: JobManager, hooks: Hooks, code: int, job_ids: Sequence[int]) -> None:
    """Run what the user has done at the end, and tell it how these jobs are."""
    from asyncjman.model.selection import Selection, ranges_of

    if hooks:
        among = Selection(ids=ranges_of(job_ids))
        hooks.run(code, manager.session.path, await (await manager.progress_of_wait(among)).read())


async def _followed(manager: JobManager, selection: Selection, timeout: float | None) -> list[int]:
    """Wait until the jobs ended, and show how far they are; return their ids."""
    import asyncio

    from asyncjman.render.follow import Follower, LiveFollower, PlainFollower
    from asyncjman.render.text import is_screen
    from asyncjman.suspension import before_suspension

    follower: Follower = PlainFollower(say)
    if is_screen():
        follower = LiveFollower()
        before_suspension(follower.step_aside)
    source = await manager.progress_of_wait(selection)
    following = asyncio.create_task(follower.follow(source))
    try:
        return await manager.wait_for_ids(selection, timeout, follower.say)
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        follower.leave()


@dataclass(slots=True)
class _Bad:
    """The jobs, or named tasks of jobs, that are not successes."""

    ids: list[int] = field(default_factory=list)
    first: list[Job] = field(default_factory=list)
    counts: Counter[Status] = field(default_factory=Counter)
    """Of their tasks."""
    run: bool = False
    """Whether one of them is run by an execute."""


async def _bad_of(manager: JobManager, job_ids: Sequence[int], only: Mapping[int, Sequence[int]]) -> _Bad:
    from asyncjman.model.status import Status

    bad = _Bad()
    for start in range(0, len(job_ids), _PAGE):
        for job in await manager.read(job_ids[start : start + _PAGE]):
            counts = job.counts
            if job.id in only:
                counts = Counter([task.status async for task in manager.tasks(job, only[job.id])])
            if not any(count for status, count in counts.items() if status is not Status.SUCCESS):
                continue
            bad.ids.append(job.id)
            bad.counts.update(counts)
            bad.run = bad.run or job.spec.engine == "local"
            if len(bad.first) < _MOST_LINES:
                bad.first.append(job)
    return bad


async def _say_failures(manager: JobManager, bad: _Bad, only: Mapping[int, Sequence[int]]) -> None:
    """Say why jobs failed, what is left of them, and what to type."""
    from asyncjman.api.failures import MAX_GROUPS
    from asyncjman.render.ending import left_line
    from asyncjman.render.failures import group_lines
    from asyncjman.render.text import use_color

    if not bad.ids:
        return
    groups = await manager.failures(bad.ids, only)
    examples = await manager.failure_examples(groups[:MAX_GROUPS])
    for shown in group_lines(examples, color=use_color(sys.stderr), more=len(groups) - MAX_GROUPS):
        say(shown)
    ids = bad.ids if len(bad.ids) <= _MOST_LINES else ()
    if line := left_line(bad.counts, len(groups), ids, run=bad.run):
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
