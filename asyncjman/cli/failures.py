"""Failures by their causes: how many tasks failed of each, which, and one of them with the end of its log.

Tasks count whose latest attempt failed. What differs from task to task (numbers, paths, quoted words, hosts)
does not count. The id of a failure stays the same: list, report, why, stop and resubmit take it.

\b
Examples:
  jman failures                   of all jobs, the most frequent first
  jman failures 3 4.1-100         of some jobs and tasks
  jman failures --json            for a program
  jman resubmit --failure qwxjf   run again what failed so
"""

from __future__ import annotations

import typer

from asyncjman.cli.context import opened, refresh, say, say_none, task_filter
from asyncjman.cli.globals import Globals
from asyncjman.cli.options import AsJson, Causes, Named, Tasks


def failures_command(
    context: typer.Context, named: Named, array: Tasks, cause: Causes = None, as_json: AsJson = False
) -> None:
    import asyncio
    import sys

    from asyncjman.render.failures import group_lines, group_object
    from asyncjman.render.objects import dumps
    from asyncjman.render.text import use_color

    globals_: Globals = context.obj
    selection = named.selection(globals_, derived_names=True)
    task_ids, causes = array.ids(), task_filter(None, cause).causes

    async def failures() -> None:
        async with opened(globals_, asks="briefly") as manager:
            await refresh(manager, globals_)
            chosen = await manager.resolve(selection, task_ids)
            jobs = [job.id async for job in manager.select(chosen)]
            if not jobs:
                return say_none(globals_, selection)
            groups = await manager.failures(jobs, chosen.tasks)
            groups = [one for one in groups if not causes or one.signature.cause in causes]
            shown = await manager.failure_examples(groups)
            if as_json:
                sys.stdout.write("[" + ",".join(f"\n{dumps(group_object(*one))}" for one in shown) + "\n]\n")
                return None
            several = len(set().union(*(one.hosts for one in groups))) > 1
            for line in group_lines(shown, color=use_color(), hosts=3 if several else 0):
                print(line)
            if not groups:
                say("no failures")
            return None

    asyncio.run(failures())
