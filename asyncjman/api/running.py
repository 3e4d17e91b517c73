"""What runs local jobs in this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from asyncjman.api.session import Session
from asyncjman.engines import registry
from asyncjman.engines.base import Output
from asyncjman.scheduler.bus import Bus
from asyncjman.scheduler.options import Options
from asyncjman.scheduler.reconcile import Recovery
from asyncjman.scheduler.runner import Runner
from asyncjman.store.runnerlock import RunnerLock

__all__ = ["Options", "Output", "Recovery", "Runner", "make_runner"]


def make_runner(
    session: Session,
    options: Options,
    *,
    output: Output | None = None,
    on_recovery: Callable[[Recovery], None] = lambda _: None,
    on_lost: Callable[[Sequence[tuple[int, int]]], None] = lambda _: None,
    on_trouble: Callable[[str], None] = lambda _: None,
    bus: Bus | None = None,
) -> Runner:
    """Return what runs the local jobs of a database: to subscribe to, and then to run.

    ``output`` takes what tasks without log files write; the other functions are those of ``Runner``.
    Raises NotOwner.
    """
    database = session.writer()
    token, lock = database.runtime.token(16), RunnerLock()
    host = registry.Host(token, output, lambda: lock.tasks_descriptor)
    return Runner(
        database,
        registry.make(registry.LOCAL, database, host=host),
        options,
        session.poller(),
        token=token,
        lock=lock,
        bus=bus,
        on_recovery=on_recovery,
        on_lost=on_lost,
        on_trouble=on_trouble,
    )
