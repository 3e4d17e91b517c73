"""What happens in a history: what users ask for, and what goes wrong, each at a time of its own.

A plan is made from the seed alone, before anything runs. Which job a command means is kept as a number
from 0 to 1, as which jobs there are is known only when it runs.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

KINDS = ("any", "ok", "notok", "corr")


@dataclass(frozen=True, slots=True)
class Submit:
    size: int
    """How many tasks its array has; 0: no array."""
    throttle: int | None
    retries: int
    delay: float
    """Before another attempt."""
    stop_on_failure: bool
    after: tuple[tuple[float, str], ...]
    """What it depends on: which job, and how."""
    engine: str = "local"
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    which: float
    task: float | None


@dataclass(frozen=True, slots=True)
class Resubmit:
    which: float
    all_jobs: bool
    what: str
    """unsuccessful, failed, or everything"""
    dependents: bool
    """Whether what was skipped because of these comes along."""
    running_too: bool
    task: float | None
    to: str | None = None
    """The engine that they move to."""


@dataclass(frozen=True, slots=True)
class Delete:
    which: float
    task: float | None


@dataclass(frozen=True, slots=True)
class Execute:
    parallel: int


@dataclass(frozen=True, slots=True)
class Wait:
    """Polls all clusters until a job has ended, or for so many seconds."""

    which: float
    seconds: float


@dataclass(frozen=True, slots=True)
class List:
    """Polls all clusters once."""


@dataclass(frozen=True, slots=True)
class Crash:
    which: float
    turns: int
    """So many turns later, so that it may be anywhere."""


@dataclass(frozen=True, slots=True)
class Suspend:
    which: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Ctrl-C of an execute; twice where ``kill``."""

    which: float
    kill: bool


@dataclass(frozen=True, slots=True)
class Trouble:
    """What goes wrong at a batch system, for a while where that has a meaning."""

    site: str
    what: str
    """away, frozen, full, rough, forgets, lag; a node that is lost, or whose task is restarted."""
    seconds: float


Command: TypeAlias = Submit | Stop | Resubmit | Delete | Execute | Wait | List
Fault: TypeAlias = Crash | Suspend | Interrupt | Trouble
Action: TypeAlias = Command | Fault


@dataclass(frozen=True, slots=True)
class Plan:
    jobs: tuple[Submit, ...]
    """Submitted by one process, one after the other."""
    pauses: tuple[float, ...]
    """Before each of them."""
    actions: tuple[tuple[float, Action], ...]
    failing: float
    """How often an attempt fails."""
    seconds: float
    """How long an attempt takes, on average."""
    refusing: float
    """How often there is no process left for one, or a cluster does not take one."""
    sites: tuple[str, ...] = ()
    """The clusters that there are."""
    long: float = 0.0
    """How often an attempt on a cluster would take a minute more."""

    @property
    def faults(self) -> int:
        return sum(isinstance(action, Fault) for _, action in self.actions)


def make_local_plan(seed: int) -> Plan:
    """Return a plan with jobs of this machine alone."""
    chance = random.Random(f"plan {seed}")
    jobs = [submit(chance, number) for number in range(chance.randint(3, 6))]
    spread = chance.choice((0.0, 0.1, 0.4))
    actions: list[tuple[float, Action]] = []
    end = chance.choice((1.0, 2.0, 4.0))
    executes = chance.randint(1, 3)
    for number in range(executes):
        at = 0.0 if number == 0 else chance.random() * end
        actions.append((at, Execute(chance.randint(1, 4))))
    actions += [(chance.random() * end, command(chance)) for _ in range(chance.randint(0, 6))]
    actions += [(chance.random() * end, fault(chance)) for _ in range(chance.randint(1, 4))]
    actions += repeated(chance, actions)
    return Plan(
        jobs=tuple(jobs),
        pauses=tuple(chance.random() * spread for _ in jobs),
        actions=tuple(sorted(actions, key=lambda one: one[0])),
        failing=chance.choice((0.0, 0.15, 0.3)),
        seconds=chance.choice((0.01, 0.05, 0.2, 0.5)),
        refusing=chance.choice((0.0, 0.0, 0.0, 0.05)),
    )


def repeated(chance: random.Random, actions: Sequence[tuple[float, Action]]) -> list[tuple[float, Action]]:
    """Return what others type as well at almost the same time: now and then, the same few commands."""
    commands = [(at, one) for at, one in actions if isinstance(one, Resubmit | Stop | Delete | Wait)]
    if not commands or chance.random() > 0.3:
        return []
    at, one = chance.choice(commands)
    gap = chance.choice((0.02, 0.1, 0.4))
    return [(at + chance.random() * gap * (n + 1), one) for n in range(chance.randint(1, 5))]


def submit(chance: random.Random, number: int) -> Submit:
    """Return a job; the second one, and most others, depend on jobs before."""
    size = chance.randint(1, 8) if chance.random() < 0.6 else 0
    count = min(number, chance.choice((1, 1, 1, 2)) if number == 1 or chance.random() < 0.7 else 0)
    return Submit(
        size=size,
        throttle=chance.randint(1, 3) if size and chance.random() < 0.3 else None,
        retries=chance.randint(1, 2) if chance.random() < 0.25 else 0,
        delay=chance.choice((0.0, 0.1, 0.5)),
        stop_on_failure=chance.random() < 0.2,
        after=tuple((chance.random(), chance.choice(KINDS)) for _ in range(count)),
    )


def command(chance: random.Random) -> Command:
    kind = chance.choices((Submit, Stop, Resubmit, Delete, Execute), (2, 4, 6, 2, 3))[0]
    if kind is Submit:
        return submit(chance, 9)
    if kind is Stop:
        return Stop(chance.random(), chance.random() if chance.random() < 0.4 else None)
    if kind is Resubmit:
        what = chance.choice(("unsuccessful", "unsuccessful", "failed", "everything"))
        return Resubmit(
            which=chance.random(),
            all_jobs=chance.random() < 0.3,
            what=what,
            dependents=chance.random() < 0.8,
            running_too=chance.random() < 0.2 and what != "failed",
            task=chance.random() if chance.random() < 0.15 else None,
        )
    if kind is Delete:
        return Delete(chance.random(), chance.random() if chance.random() < 0.5 else None)
    return Execute(chance.randint(1, 4))


def fault(chance: random.Random) -> Fault:
    kind = chance.choices((Crash, Suspend, Interrupt), (6, 2, 2))[0]
    if kind is Crash:
        return Crash(chance.random(), chance.choice((0, chance.randint(0, 20), chance.randint(0, 100))))
    if kind is Suspend:
        return Suspend(chance.random(), chance.choice((0.05, 0.3, 1.0, 3.0, 25.0)))
    return Interrupt(chance.random(), chance.random() < 0.3)
