"""Processes that live on without the runner that started them: found by their marks, and ended."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Collection

from asyncjman.engines.base import Abandoned, Ref
from asyncjman.engines.local.ending import TERM_SECONDS
from asyncjman.engines.local.processes import Marked, marked, task_mark
from asyncjman.errors import EnvironmentProblem

_MAX_LOOKS = 50
_PAUSE_SECONDS = 0.02


async def find(runner: Abandoned, refs: Collection[Ref] | None = None) -> list[Marked]:
    """Return what runs of a runner's tasks (all, or these): by its token, or the file that they inherited.

    A number in the database proves nothing: it may have been written there to have a process ended.
    """
    found = await asyncio.to_thread(marked, runner.token, runner.since, runner.inherited)
    if refs is None:
        return found
    marks = {task_mark(*ref) for ref in refs}
    return [one for one in found if one.task in marks]


async def end(runner: Abandoned, refs: Collection[Ref] | None = None) -> int:
    """End what runs of a runner's tasks (all, or these); return how many processes that were.

    One that forks during the search may leave a child whose number was passed already: two looks in
    a row must find nothing. Raises EnvironmentProblem where they don't end.
    """
    ended = empty = 0
    for _ in range(_MAX_LOOKS):
        left = await find(runner, refs)
        empty = 0 if left else empty + 1
        if empty == 2:
            return ended
        await _end(left)
        ended += len(left)
    raise EnvironmentProblem("processes of a killed jman start new ones as fast as they are ended")


async def _end(processes: list[Marked]) -> None:
    now = asyncio.get_running_loop().time
    for sign in (signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            process.send(sign)
        deadline = now() + TERM_SECONDS
        while processes and now() < deadline:
            await asyncio.sleep(_PAUSE_SECONDS)  # nothing tells of the ends of others' children
            processes = [process for process in processes if process.is_running()]
        if not processes:
            return
    pids = ", ".join(str(process.pid) for process in processes)
    raise EnvironmentProblem(f"processes of a killed jman don't end: pid {pids}; end them by hand")
