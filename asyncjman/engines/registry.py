"""The engines by their names. Only who may change a database gets one: all of them act in its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from asyncjman.engines.base import Engine
from asyncjman.engines.cluster.budget import Budget
from asyncjman.engines.cluster.engine import ClusterEngine
from asyncjman.engines.sge.dialect import SgeDialect
from asyncjman.errors import UsageError
from asyncjman.settings import Settings


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


@dataclass(frozen=True, slots=True)
class Context:
    """What an engine is made of."""

    settings: Settings
    runtime: Clock
    budget: Budget
    """The time for all that it asks."""


Factory = Callable[[Context], Engine]


def _sge(context: Context) -> Engine:
    settings = context.settings
    dialect = SgeDialect(settings.resources, settings.queue)
    return ClusterEngine(
        dialect, grace=settings.vanish_grace, budget=context.budget, clock=context.runtime.time
    )


LOCAL = "local"
CLUSTERS: dict[str, Factory] = {"sge": _sge}


def check(name: str) -> str:
    """Return the name of an engine. Raises UsageError where there is none of that name."""
    if name != LOCAL and name not in CLUSTERS:
        raise UsageError(f"no engine {name!r}: there are {', '.join([LOCAL, *sorted(CLUSTERS)])}")
    return name


def make(name: str, writer: Writer, settings: Settings, budget: Budget) -> Engine:
    """Make the engine of this name for the owner of a database. Raises UsageError where there is none."""
    factories: Mapping[str, Factory] = CLUSTERS
    if name not in factories:
        raise UsageError(f"no engine {name!r}: there are {', '.join(sorted(factories))}")
    return factories[name](Context(settings, writer.runtime, budget))
