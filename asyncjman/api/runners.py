"""The processes that run local jobs of a database: which live, and which were killed."""

from __future__ import annotations

from contextlib import suppress

from asyncjman.api.session import Session
from asyncjman.errors import DatabaseProblem
from asyncjman.model.job import LOCAL
from asyncjman.scheduler.liveness import Life
from asyncjman.scheduler.reconcile import Recovery, lives, recover_orphans
from asyncjman.store import errands
from asyncjman.store.database import Reader


async def killed(session: Session) -> list[Recovery]:
    """Return which runners were killed since somebody looked last, and of which that can't be known.

    The tasks of those that are dead are released, unless processes of theirs live on.
    """
    with suppress(DatabaseProblem):  # a full disk
        return await recover_orphans(session.writer(), session.engine(LOCAL), end=False)
    return []


async def has_runner(database: Reader) -> bool:
    """Tell whether some process runs local jobs of this database now, or may do so."""
    if not await errands.has_runner(database):
        return False
    return any(life is not Life.DEAD for life in (await lives(database)).values())
