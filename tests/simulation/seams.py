"""What is put in the place of the real thing while histories run: the driver, dead runners, clusters, git.

All of it in one place, by name: what is not here is the real code.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psutil

from asyncjman.engines import registry
from asyncjman.engines.base import Engine
from asyncjman.engines.cluster import process, records
from asyncjman.engines.cluster.dialect import Programs
from asyncjman.engines.cluster.programs import Binaries
from asyncjman.scheduler import cancelling, intents, launches, poller, polling, reconcile
from asyncjman.scheduler.liveness import Life
from asyncjman.store import folderlock, opening
from asyncjman.store.database import Database
from asyncjman.store.runners import Runner
from asyncjman.system import git, tool
from tests.simulation.clusters import Clusters
from tests.simulation.connection import Connection
from tests.simulation.desk import Seen, desk_of
from tests.simulation.machine import Machine, SimulatedEngine
from tests.simulation.world import Process, World


def current() -> Process:
    """Return the simulated process that has its turn."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, Process)
    return loop


class _InFlight:
    """What each process has at work: a set of its own, as a real one has."""

    def __init__(self) -> None:
        self._all: set[tuple[int, str]] = set()

    def add(self, token: str) -> None:
        self._all.add((current().pid, token))

    def discard(self, token: str) -> None:
        self._all.discard((current().pid, token))

    def __contains__(self, token: str) -> bool:
        return (current().pid, token) in self._all


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

    async def run(argv: Sequence[str], *, timeout: float, **_: Any) -> tool.Completed:
        return await desk_of(clusters.desks, argv[0]).run(current(), argv, timeout)

    def locate(programs: Programs) -> Binaries:
        return Binaries({name: name for name in programs.names}, {})

    def processes() -> list[Seen]:
        found = [Seen(one.pid, one.born, ()) for one in world.processes]
        return found + [one for desk in clusters.desks.values() for one in desk.under_way()]

    def scan(folder: str) -> list[records.Record]:
        return sorted(real_scan(folder), key=lambda one: one.task_id)

    @contextmanager
    def held(lock: Path) -> Iterator[None]:
        holders[lock] = current()
        try:
            yield
        finally:
            holders.pop(lock, None)

    def is_held(lock: Path) -> bool:
        return holders.get(lock) in world.processes

    async def withdraw(database: Database, engine: Engine, **options: Any) -> bool:
        is_clean: bool = await real_withdraw(database, engine, **options)
        if not is_clean:
            unclean.add(current())
        return is_clean

    async def poll(database: Database, engine: Engine, **options: Any) -> polling.Polled:
        begun = world.now
        unclean.discard(current())
        polled = await real_poll(database, engine, **options)
        if polled.answered and current() not in unclean:
            clusters.clean_since[engine.name] = max(begun, clusters.clean_since.get(engine.name, 0.0))
        return polled

    holders: dict[Path, Process] = {}
    unclean: set[Process] = set()
    real_poll, real_withdraw = polling.poll, vars(polling)["withdraw"]  # a planted one, perhaps
    real_scan = records.scan
    in_flight = _InFlight()
    with ExitStack() as stack:
        for owner, name, stand_in in (
            (opening, "connection_of", connection_of),
            # its locks are the real process's, which opens and deletes for all of the simulated ones
            (folderlock, "_descriptor", lambda folder: None),
            (git, "describe", no_commit),
            (polling, "withdraw", withdraw),
            (polling, "poll", poll),
            (poller, "poll", poll),
            (cancelling, "poll", poll),
            (tool, "run", run),
            (process, "locate", locate),
            (psutil, "process_iter", processes),
            (intents, "in_flight", in_flight),
            (launches, "in_flight", in_flight),
            # a lock is the real process's: a simulated one that is killed would hold it for good
            (launches, "held", held),
            (intents, "is_held", is_held),
            (records, "scan", scan),  # in no order, as the real folder's
            (reconcile, "liveness", liveness),
            (reconcile, "tasks_may_live", lambda *_: False),
        ):
            stack.enter_context(patch.object(owner, name, stand_in))
        engines = {registry.LOCAL: engine, **clusters.factories()}
        stack.enter_context(patch.dict(registry.ENGINES, engines, clear=True))
        yield
