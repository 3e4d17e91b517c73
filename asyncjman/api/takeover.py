"""Making a database one's own that was copied, changed hands, or could be written by others."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from asyncjman.api.session import Session
from asyncjman.errors import DatabaseProblem, NotOwner
from asyncjman.ownership import ROOT, foreign_link
from asyncjman.scheduler.liveness import Life
from asyncjman.scheduler.reconcile import lives
from asyncjman.store import jobs, runners, schedule, submissions, takeover
from asyncjman.store.connecting import real_path


@dataclass(frozen=True, slots=True)
class Claim:
    """What is to be taken over."""

    why: str
    """Why the database is only shown now."""
    jobs: int
    unfinished: Sequence[int]
    """The jobs that become stopped."""
    native_ids: Sequence[str]
    """The cluster's numbers of what it may have of them."""
    is_copy: bool
    """Whether that is the original's, which lives on."""


async def claim(session: Session) -> Claim | None:
    """Tell what ``take_over`` would do; None where there is nothing to take over.

    Raises NotOwner where this user can't, and DatabaseProblem.
    """
    reader, path = session.database, session.path
    if reader.opened_file is None:
        raise DatabaseProblem(f"there is no database {path}")
    if reader.authority.is_owner:
        return None
    me = os.geteuid()
    if link := foreign_link(path, {me, ROOT}):
        raise NotOwner(f"{link}: name the database itself with --database {real_path(path)}")
    if reader.authority.is_foreign and me != ROOT:
        owner = reader.authority.owner
        raise NotOwner(
            f"{path} belongs to {owner}: only {owner} or root can take it over, or you a copy that you make"
        )
    is_copy = await takeover.is_copy(reader)
    if not is_copy:
        await _refuse_runner(session)
    unfinished = await schedule.open_jobs(reader)
    active = await submissions.active(reader, unfinished)
    return Claim(
        reader.authority.against or "",
        await jobs.count(reader),
        unfinished,
        [one.native_id for one in active if one.native_id is not None],
        is_copy,
    )


async def take_over(session: Session) -> list[int]:
    """Do it; return the jobs that were stopped by it. Raises what ``claim`` raises."""
    await claim(session)
    return await takeover.take_over(session.database)


async def _refuse_runner(session: Session) -> None:
    known = await lives(session.database)
    for runner in await runners.select(session.database):
        if known.get(runner.id) is Life.ALIVE:
            raise DatabaseProblem(
                f"a jman execute (pid {runner.pid}) runs jobs of {Path(session.path)}: end it first"
            )
