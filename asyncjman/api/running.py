"""What runs local jobs in this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from asyncjman.api.session import Session
from asyncjman.engines import registry
from asyncjman.engines.base import Output, Ref, TaskOutput
from asyncjman.scheduler.bus import Bus
from asyncjman.scheduler.options import Options
from asyncjman.scheduler.reconcile import Recovery
from asyncjman.scheduler.runner import Runner
from asyncjman.store.runnerlock import RunnerLock

__all__ = ["Options", "Output", "Recovery", "Runner", "TaskOutput", "make_runner"]


def make_runner(
    session: Session,
    options: Options,
    *,
    output: Output | None = None,
    task_output: TaskOutput | None = None,
    on_recovery: Callable[[Recovery], None] = lambda _: None,
    on_lost: Callable[[Sequence[tuple[int, int]]], None] = lambda _: None,
    on_trouble: Callable[[str], None] = lambda _: None,
    on_asked: Callable[[], None] = lambda: None,
    bus: Bus | None = None,
) -> Runner:
    """Return what runs the local jobs of a database: to subscribe to, and then to run.

    ``output`` takes what tasks without log files write, ``task_output`` does with the attempt that wrote it;
    the other functions are those of ``Runner``. Raises NotOwner.
    """
    database = session.writer()
    token, lock = database.runtime.token(16), RunnerLock()
    host = registry.Host(token, task_output or _any_task(output), lambda: lock.tasks_descriptor)
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
        on_asked=on_asked,
    )


def _any_task(output: Output | None) -> TaskOutput | None:
    """Have a function take the output of all tasks, whichever wrote it."""
    if output is None:
        return None

    def take(ref: Ref, stream: int, lines: bytes) -> object:
        return output(stream, lines)

    return take
