"""What all commands share: the global options, and what they say."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from asyncjman.cli.globals import Globals
from asyncjman.errors import UsageError, first_of
from asyncjman.model.selection import Selection, TaskFilter

TYPE_CHECKING = False  # the typing module is not loaded for it
if TYPE_CHECKING:
    from collections.abc import Sequence

    from asyncjman.api.manager import JobManager
    from asyncjman.api.session import Asks
    from asyncjman.model.status import Status
    from asyncjman.settings import Settings


def parse_where(items: Iterable[str] | None) -> dict[str, str]:
    """Read NAME=VALUE items. Raises UsageError for anything else."""
    found = {}
    for item in items or ():
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise UsageError(f"bad --where {item!r}: write NAME=VALUE, as in lr=0.1")
        found[name] = value
    return found


def task_filter(statuses: Iterable[Status] | None, causes: Sequence[str] | None) -> TaskFilter:
    """Return which tasks are meant. Raises UsageError for a word that is no cause."""
    if not causes:
        return TaskFilter(frozenset(statuses or ()))
    from asyncjman.model.retry import parse_causes

    return TaskFilter(frozenset(statuses or ()), parse_causes(causes))


@asynccontextmanager
async def opened(
    globals_: Globals,
    *,
    create: bool = False,
    settings: Settings | None = None,
    asks: Asks = "again",
    within: float | None = None,
) -> AsyncIterator[JobManager]:
    """Open the database for a command, and say of an error that comes from a damaged file which one it is."""
    from asyncjman.api.manager import JobManager

    manager = JobManager(
        globals_.database,
        run=False,
        create=create,
        settings=settings,
        cluster=globals_.cluster,
        asks=asks,
        within=within,
    )
    async with manager:
        try:
            yield manager
        except BaseException as error:
            await manager.session.blame_damage(first_of(error))
            raise


async def refresh(manager: JobManager, globals_: Globals) -> None:
    """Look at the cluster, if anything is on it, and for an execute that was killed; say what is wrong.

    Of a database that this user may only read nothing is asked or done, and one line says so.
    """
    if manager.only_shown is not None:
        say(f"jman: {manager.only_shown}: it is shown as it is stored, nothing is asked or done")
        return
    for trouble in manager.left_over:
        say(f"jman: {trouble}")
    for one in await manager.killed():
        if not one.is_dead or (not one.released and not one.processes):
            from asyncjman.render.monitor import unproven_line

            say(f"jman: {unproven_line(one)}")
            continue
        what = f"tasks that it ran: {one.tasks}"
        if one.processes:
            what += f"; processes that live on: {one.processes} (jman execute ends them first, or jman stop)"
        say(f"jman: a jman execute (pid {one.pid}) was killed; {what}")
    problem = await manager.poll() if not globals_.local else None
    if problem is not None:
        since = await manager.last_contact()
        from asyncjman.render.text import ago

        age = f"; what is shown is {ago(time.time() - since).removesuffix(' ago')} old" if since else ""
        say(f"jman: {problem}{age}")


async def say_detached(manager: JobManager) -> None:
    """Say which executes run without a terminal, and where their output goes."""
    from asyncjman.render.text import printable, short_path

    for one in await manager.executes():
        if one.output is not None:
            where = f"pid {one.pid} on {printable(one.host)}"
            say(f"jman execute ({where}) runs {one.parallel} at once, output in {short_path(one.output)}")


def say(text: str) -> None:
    """Print a line for a person, to standard error: standard output is for results."""
    print(text, file=sys.stderr)


def say_none(globals_: Globals, selection: Selection, what: str = "jobs") -> None:
    """Say that a selection matches nothing."""
    if selection.is_all:
        kind = "local " if globals_.local else ""
        say(f"no {kind}{what} in {globals_.database}")
    else:
        say(f"no {what} match: jman list shows those that are there")
