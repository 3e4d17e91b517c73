"""The engines by their names. Only who may change a database gets one: all of them act in its name."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from asyncjman.engines.base import Engine, TaskOutput
from asyncjman.engines.budget import Budget
from asyncjman.errors import UsageError

if TYPE_CHECKING:
    from asyncjman.engines.cluster.dialect import Dialect
    from asyncjman.settings import Settings

__all__ = [
    "ENGINES",
    "LOCAL",
    "Budget",
    "Context",
    "Factory",
    "Host",
    "check",
    "check_cluster",
    "cluster_of",
    "default_queue",
    "make",
]


class Clock(Protocol):
    """The part of a runtime that engines need."""

    @property
    def time(self) -> Callable[[], float]:
        """Seconds since 1970."""


class Writer(Protocol):
    """A database that its owner has opened: a reader has no transactions."""

    @property
    def runtime(self) -> Clock: ...

    def transaction(self, *, quiet: bool = False) -> AbstractAsyncContextManager[Any]: ...


class Host(NamedTuple):
    """The process that engines run tasks for which end with it."""

    token: str = ""
    """Its name as a runner: each process of its tasks carries it."""
    output: TaskOutput | None = None
    """Takes what tasks without log files write; None: it goes where this process writes."""
    inherited: Callable[[], int | None] = lambda: None
    """Gives the descriptor that each task inherits: what it locks is free when the last of them has ended."""


class Context(NamedTuple):
    """What an engine is made of."""

    given: Settings | None
    runtime: Clock
    budget: Budget
    """The time for all that it asks."""
    host: Host = Host()

    @property
    def settings(self) -> Settings:
        """Return the settings that are given, or those of a user who sets nothing."""
        if self.given is not None:
            return self.given
        from asyncjman.settings import Settings  # this machine's engine needs none: commands start sooner

        return Settings()


Factory = Callable[[Context], Engine]


# each imports its engine when one is made: a command that runs on this machine does not wait for the others


def _local(context: Context) -> Engine:
    from asyncjman.engines.local import LocalEngine

    host = context.host
    return LocalEngine(token=host.token, output=host.output, inherited=host.inherited)


def _sge(context: Context) -> Engine:
    from asyncjman.engines.sge.dialect import SgeDialect

    rules = {name: value for name, value in context.settings.resources.items() if name not in ENGINES}
    return _cluster(SgeDialect(rules, default_queue("sge", context.settings)), context)


def _slurm(context: Context) -> Engine:
    from asyncjman.engines.slurm.dialect import SlurmDialect

    settings = context.settings
    return _cluster(SlurmDialect(settings.resources.get("slurm", {}), settings.queue), context)


def _cluster(dialect: Dialect, context: Context) -> Engine:
    from asyncjman.engines.cluster.engine import ClusterEngine

    return ClusterEngine(
        dialect,
        grace=context.settings.vanish_grace,
        budget=context.budget,
        clock=context.runtime.time,
    )


LOCAL = "local"
ENGINES: dict[str, Factory] = {LOCAL: _local, "sge": _sge, "slurm": _slurm}


_QUEUES = {"sge": "all.q"}


def default_queue(name: str, settings: Settings) -> str:
    """Return the queue of jobs that ask for none on an engine."""
    return settings.queue or _QUEUES.get(name, "default")


def cluster_of(asked: str) -> str:
    """Return the batch system that a setting means, ``auto`` the one that is here. Raises JmanError."""
    from asyncjman.engines.detect import cluster_of

    check_cluster(asked)
    return cluster_of(asked)


def check_cluster(asked: str) -> None:
    """Raise UsageError for what names no batch system, whether or not this machine has it."""
    from asyncjman.engines.detect import AUTO

    if asked not in (AUTO, *ENGINES):
        known = ", ".join(sorted(ENGINES.keys() - {LOCAL}))
        raise UsageError(f"no cluster {asked!r}: there are {known}; {AUTO} is the one that is here")


def check(name: str) -> str:
    """Return the name of an engine. Raises UsageError where there is none of that name."""
    if name not in ENGINES:
        raise UsageError(f"no engine {name!r}: there are {', '.join(sorted(ENGINES))}")
    return name


def make(
    name: str,
    writer: Writer,
    settings: Settings | None = None,
    budget: Budget | None = None,
    host: Host | None = None,
) -> Engine:
    """Make the engine of this name for the owner of a database. Raises UsageError where there is none.

    What isn't given is as a user has it who sets nothing, in no hurry, and runs no tasks.
    """
    context = Context(settings, writer.runtime, budget or Budget(), host or Host())
    return ENGINES[check(name)](context)
