"""What is put in the place of the real thing while histories run: the driver, dead runners, clusters, git.

All of it in one place, by name: what is neither here nor in ``cluster_seams`` is the real code.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from asyncjman.engines import registry
from asyncjman.scheduler import reconcile
from asyncjman.scheduler.liveness import Life
from asyncjman.store import driver, folderlock, opening
from asyncjman.store.runners import Runner
from asyncjman.system import git
from tests.simulation.cluster_seams import simulated_clusters
from tests.simulation.clusters import Clusters
from tests.simulation.connection import Connection
from tests.simulation.machine import Machine, SimulatedEngine
from tests.simulation.world import World, current


@contextmanager
def simulated(world: World, machine: Machine, clusters: Clusters) -> Iterator[None]:
    """Have the real code run in this world."""

    async def connection_of(connector: Callable[[], sqlite3.Connection]) -> Connection:
        return Connection(current(), connector(), timeout=opening.BUSY_SECONDS)

    async def no_commit(folder: Path) -> tuple[None, None]:
        return None, None

    def liveness(runner: Runner, *_: Any) -> Life:
        return Life.ALIVE if any(one.name == runner.token for one in world.processes) else Life.DEAD

    def engine(_: registry.Context) -> SimulatedEngine:
        return SimulatedEngine(current(), machine)

    with ExitStack() as stack:
        stack.enter_context(simulated_clusters(world, clusters))
        for owner, name, stand_in in (
            (driver, "connection_of", connection_of),
            # its locks are the real process's, which opens and deletes for all of the simulated ones
            (folderlock, "_descriptor", lambda folder: None),
            (git, "describe", no_commit),
            (reconcile, "liveness", liveness),
            (reconcile, "tasks_may_live", lambda *_: False),
        ):
            stack.enter_context(patch.object(owner, name, stand_in))
        engines = {registry.LOCAL: engine, **clusters.factories()}
        stack.enter_context(patch.dict(registry.ENGINES, engines, clear=True))
        yield
