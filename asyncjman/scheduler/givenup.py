"""Ending what a cluster has of jobs that ended here: they were skipped while it held them.

Their scripts find out by themselves that they are not to run. But a job that is submitted again must not be
there twice, so each poll goes on until the cluster has nothing of them.
"""

from __future__ import annotations

import math
from contextlib import suppress

from asyncjman.engines.base import Engine, Target
from asyncjman.errors import EnvironmentProblem
from asyncjman.store import submissions
from asyncjman.store.database import Database


async def end_given_up(database: Database, engine: Engine, *, budget: float = math.inf) -> None:
    """Have an engine end what it must not run, and store what it has no more."""
    some = [one for one in await submissions.given_up(database, engine.name) if one.native_id is not None]
    if not some:
        return
    targets = [Target(one.token, one.native_id or "") for one in some]
    with suppress(EnvironmentProblem):
        left = {one.token for one in await engine.cancel(targets, force=False, budget=budget)}
        async with database.transaction(quiet=True) as tx:
            await submissions.set_gone(tx, [one.id for one in some if one.token not in left])
