"""What all commands share: the global options, and what they say."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

from asyncjman.cli.globals import Globals
from asyncjman.errors import UsageError
from asyncjman.model.selection import Selection

if TYPE_CHECKING:
    from asyncjman.api.operations import Operations


def parse_where(items: Iterable[str] | None) -> dict[str, str]:
    """Read NAME=VALUE items. Raises UsageError for anything else."""
    found = {}
    for item in items or ():
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise UsageError(f"bad --where {item!r}: write NAME=VALUE, as in lr=0.1")
        found[name] = value
    return found


async def refresh(operations: Operations, globals_: Globals) -> None:
    """Look at the cluster, if anything is on it, and for an execute that was killed; say what is wrong.

    Of a database that this user may only read nothing is asked or done, and one line says so.
    """
    if operations.only_shown is not None:
        say(f"jman: {operations.only_shown}: it is shown as it is stored, nothing is asked or done")
        return
    for trouble in operations.left_over:
        say(f"jman: {trouble}")
    for one in await operations.killed():
        if not one.is_dead or (not one.released and not one.processes):
            from asyncjman.render.monitor import unproven_line

            say(f"jman: {unproven_line(one)}")
            continue
        what = f"tasks that it ran: {one.tasks}"
        if one.processes:
            what += f"; processes that live on: {one.processes} (jman execute ends them first, or jman stop)"
        say(f"jman: a jman execute (pid {one.pid}) was killed; {what}")
    problem = await operations.refresh(local=globals_.local)
    if problem is not None:
        since = await operations.last_seen()
        from asyncjman.render.text import ago

        age = f"; what is shown is {ago(time.time() - since).removesuffix(' ago')} old" if since else ""
        say(f"jman: {problem}{age}")


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
