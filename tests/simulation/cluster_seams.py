"""What is put in the place of the real thing where clusters are asked: their commands, and who is at work.

And what is looked at: which polls said that nothing is on a cluster that must not start.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psutil

from asyncjman.engines.base import Engine, Poll
from asyncjman.engines.cluster import process, records
from asyncjman.engines.cluster.dialect import Programs
from asyncjman.engines.cluster.engine import ClusterEngine
from asyncjman.engines.cluster.programs import Binaries
from asyncjman.scheduler import cancelling, intents, launches, polling, sending
from asyncjman.store.database import Database
from asyncjman.system import tool
from tests.simulation.clusters import Clusters
from tests.simulation.desk import Seen, desk_of
from tests.simulation.world import Process, World, current


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
def simulated_clusters(world: World, clusters: Clusters) -> Iterator[None]:
    """Have the real engine of clusters ask these."""

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

    async def one_query(engine: ClusterEngine, *arguments: Any) -> Poll:
        caller, queries = current(), clusters.desks[engine.name].queries
        before = queries.get(caller, 0)
        seen = await real_engine_poll(engine, *arguments)
        if queries.get(caller, 0) > before + 1:
            world.violated(f"{caller.name} asks more than once in one poll")
        return seen

    holders: dict[Path, Process] = {}
    unclean: set[Process] = set()
    real_engine_poll = ClusterEngine.poll
    real_poll, real_withdraw = polling.poll, vars(polling)["withdraw"]  # a planted one, perhaps
    real_scan = records.scan
    in_flight = _InFlight()
    with ExitStack() as stack:
        for owner, name, stand_in in (
            (polling, "withdraw", withdraw),
            (polling, "poll", poll),
            (cancelling, "poll", poll),
            (sending, "poll", poll),
            (ClusterEngine, "poll", one_query),
            (tool, "run", run),
            (process, "locate", locate),
            (psutil, "process_iter", processes),
            (intents, "in_flight", in_flight),
            (launches, "in_flight", in_flight),
            # a lock is the real process's: a simulated one that is killed would hold it for good
            (launches, "held", held),
            (intents, "is_held", is_held),
            (records, "scan", scan),  # in no order, as the real folder's
        ):
            stack.enter_context(patch.object(owner, name, stand_in))
        yield
