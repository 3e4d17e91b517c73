"""What the shell offers after the Tab key."""

from __future__ import annotations

import re
from collections.abc import MutableMapping, Sequence
from itertools import islice
from pathlib import Path

import typer

from asyncjman.cli.argv import command_in, find_command

_VARIABLE = "_JMAN_COMPLETE"
_MOST = 200
_BEGUN = r"(?P<before>(?:.*[,-])?)(?P<begun>[0-9]*)"
_TASKS = r"(?P<job>[0-9]{1,18})\." + _BEGUN


def completing(environment: MutableMapping[str, str]) -> Sequence[str] | None:
    """Return the words before the one that is typed, when the shell asks what may follow, else None.

    Another name of a command is replaced in what the option parser will read: it knows only one.
    """
    if _VARIABLE not in environment:
        return None
    variable = "_TYPER_COMPLETE_ARGS" if environment.get("_TYPER_COMPLETE_ARGS") else "COMP_WORDS"
    line = environment.get(variable, "")
    program, *words = _split(line) or [""]
    if variable == "COMP_WORDS":
        before = words[: max(int(environment.get("COMP_CWORD", "1")) - 1, 0)]
    else:
        before = words if line.endswith(" ") else words[:-1]
    at, name = find_command(before), command_in(before)
    if at is not None and name is not None and before[at] != name:
        import shlex

        before[at] = words[at] = name
        environment[variable] = shlex.join([program, *words]) + (" " if line.endswith(" ") else "")
    return before


def _split(line: str) -> list[str]:
    import shlex

    try:
        return shlex.split(line)
    except ValueError:  # a quote that is still open
        return line.split()


def complete_ids(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Return ids that begin so, with what is known of each: of the latest jobs, or of the tasks of one.

    ``2.1,2`` is task 1 and a task of job 2 that begins with 2, ``1,2`` job 1 and a job.
    """
    import asyncio

    parent = context.parent.params if context.parent is not None else {}
    path = Path(parent.get("database") or "submitted.sql3").expanduser()
    try:
        return asyncio.run(_found(path, incomplete))
    except Exception:  # nothing may disturb the user's typing
        return []


async def _found(path: Path, incomplete: str) -> list[tuple[str, str]]:
    from asyncjman.api.manager import JobManager
    from asyncjman.render.text import arguments

    async with JobManager(path, run=False, create=False) as manager:
        if match := re.fullmatch(_TASKS, incomplete):
            (job,) = await manager.read([int(match["job"])])
            ids = job.spec.array.sorted() if job.spec.array is not None else ()
            begun = list(islice((one for one in ids if str(one).startswith(match["begun"])), _MOST))
            before = f"{match['job']}.{match['before']}"
            return [
                (f"{before}{one.task_id}", f"{one.status}")
                async for one in manager.tasks(job, begun)
                if begun
            ]
        if match := re.fullmatch(_BEGUN, incomplete):
            jobs = [one for one in await manager.latest(_MOST) if str(one.id).startswith(match["begun"])]
            return [(f"{match['before']}{one.id}", f"{one.status} {arguments(one)}") for one in jobs]
    return []
