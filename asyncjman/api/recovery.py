"""What runners of this machine left, ended and released by its engine."""

from __future__ import annotations

from collections.abc import Sequence

from asyncjman.engines import registry
from asyncjman.scheduler import reconcile
from asyncjman.scheduler.reconcile import Repair
from asyncjman.store.database import Database
from asyncjman.store.runners import Runner


async def repair(database: Database, *, end: bool = True) -> list[Repair]:
    """End what dead runners left running, release their tasks: see `reconcile.repair`."""
    return await reconcile.repair(database, registry.make(registry.LOCAL, database), end=end)


async def take_away(database: Database, job_ids: Sequence[int], task_ids: Sequence[int]) -> list[Runner]:
    """Record as stopped what runners hold of these jobs, or of some tasks: see `reconcile.take_away`."""
    engine = registry.make(registry.LOCAL, database)
    return await reconcile.take_away(database, engine, job_ids, task_ids)
