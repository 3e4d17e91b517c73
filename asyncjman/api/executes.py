"""The processes of ``jman execute`` that run now: how many tasks each runs at once, and asking one to end."""

from __future__ import annotations

import asyncio

from asyncjman.errors import EnvironmentProblem, UsageError
from asyncjman.scheduler.liveness import Life
from asyncjman.scheduler.reconcile import lives
from asyncjman.store import runners
from asyncjman.store.database import Database, Reader
from asyncjman.store.runners import Runner

STOP_SECONDS = 20.0
"""How long it may take until one has ended: its tasks have 5 seconds for that."""


async def running(database: Reader) -> list[Runner]:
    """Return the executes that run now, or may do so; programs of the API are none."""
    known = [one for one in await runners.select(database) if one.parallel is not None]
    if not known:
        return []
    states = await lives(database)
    return [one for one in known if states.get(one.id) is not Life.DEAD]


async def the_one(database: Reader, pid: int | None) -> Runner:
    """Return the execute that is meant, by its pid where several run. Raises UsageError."""
    found = await running(database)
    if not found:
        raise UsageError("no jman execute runs here")
    if pid is not None:
        found = [one for one in found if one.pid == pid]
        if not found:
            raise UsageError(f"no jman execute with pid {pid} runs here")
    if len(found) > 1:
        pids = ", ".join(f"{one.pid} (on {one.host})" for one in found)
        raise UsageError(f"several jman execute run here: name one by its pid: {pids}")
    return found[0]


async def set_parallel(database: Database, pid: int | None, parallel: int) -> Runner:
    """Have an execute run so many tasks at once from now on; return it as it was. Raises UsageError."""
    one = await the_one(database, pid)
    async with database.transaction() as tx:
        await runners.set_parallel(tx, one.id, parallel)
    return one


async def stop(database: Database, pid: int | None) -> Runner:
    """Have an execute end as Ctrl-C would, and wait for that; return it as it was.

    Raises UsageError where it isn't clear which one, and EnvironmentProblem where it doesn't end.
    """
    one = await the_one(database, pid)
    async with database.transaction() as tx:
        await runners.ask_to_stop(tx, one.id)
    version: tuple[int, int] | None = None
    try:
        async with asyncio.timeout(STOP_SECONDS):
            while any(other.id == one.id for other in await running(database)):
                version = await database.change(version)
    except TimeoutError:
        raise EnvironmentProblem(
            f"jman execute (pid {one.pid} on {one.host}) does not end: is it suspended? "
            "jman stop --force takes its jobs from it"
        ) from None
    return one
