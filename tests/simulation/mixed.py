"""Plans with jobs of several engines: which kind a history is of, its seed says."""

from __future__ import annotations

import random
from dataclasses import replace

from tests.simulation.plan import (
    Action,
    Command,
    Execute,
    Fault,
    List,
    Plan,
    Resubmit,
    Submit,
    Trouble,
    Wait,
    command,
    fault,
    make_local_plan,
    repeated,
    submit,
)
from tests.simulation.sites import SITES

ENGINES = ("local", *SITES)
TROUBLES = ("away", "frozen", "full", "rough", "forgets", "lag", "lost", "restarted")
FORGETFUL_SECONDS = 6.0
"""Less than the grace: what is not listed for longer is taken for lost."""


def make_plan(seed: int) -> Plan:
    """Return the plan of a seed: every third one has jobs of this machine alone."""
    return make_local_plan(seed) if seed % 3 == 0 else make_mixed_plan(seed)


def make_mixed_plan(seed: int) -> Plan:
    """Return a plan with clusters: jobs of one may wait for jobs of another, or of this machine."""
    chance = random.Random(f"mixed {seed}")
    engines = chance.choice((ENGINES, ENGINES, ("north",), ("south",), ("local", "north")))
    jobs = [_job(chance, number, engines) for number in range(chance.randint(3, 6))]
    end = chance.choice((5.0, 15.0, 40.0))
    actions: list[tuple[float, Action]] = [(chance.random() * end, Execute(chance.randint(1, 4)))]
    actions += [(chance.random() * end, Wait(chance.random(), end)) for _ in range(chance.randint(1, 2))]
    actions += [(chance.random() * end, _command(chance, engines)) for _ in range(chance.randint(0, 7))]
    actions += [(chance.random() * end, _fault(chance, engines)) for _ in range(chance.randint(1, 5))]
    actions += repeated(chance, actions)
    spread = chance.choice((0.0, 0.5, 3.0))
    return Plan(
        jobs=tuple(jobs),
        pauses=tuple(chance.random() * spread for _ in jobs),
        actions=tuple(sorted(actions, key=lambda one: one[0])),
        failing=chance.choice((0.0, 0.15, 0.3)),
        seconds=chance.choice((0.1, 1.0, 4.0)),
        refusing=chance.choice((0.0, 0.0, 0.0, 0.05)),
        sites=tuple(one for one in engines if one in SITES),
        long=chance.choice((0.0, 0.0, 0.1)),
    )


def _job(chance: random.Random, number: int, engines: tuple[str, ...]) -> Submit:
    one = submit(chance, number)
    timeout = chance.choice((5.0, 20.0)) if chance.random() < 0.3 else None
    return replace(one, engine=chance.choice(engines), timeout=timeout)


def _command(chance: random.Random, engines: tuple[str, ...]) -> Command:
    which = chance.random()
    if which < 0.2:
        return List()
    if which < 0.35:
        return Wait(chance.random(), chance.choice((2.0, 20.0)))
    one = command(chance)
    if isinstance(one, Submit):
        return _job(chance, 9, engines)
    if isinstance(one, Resubmit) and chance.random() < 0.3:
        return replace(one, to=chance.choice(engines))
    return one


def _fault(chance: random.Random, engines: tuple[str, ...]) -> Fault:
    sites = [one for one in engines if one in SITES]
    if chance.random() < 0.35:
        return fault(chance)
    what = chance.choice(TROUBLES)
    seconds = chance.choice((1.0, 5.0, 20.0, 50.0))
    if what == "forgets":
        seconds = min(seconds, FORGETFUL_SECONDS)
    return Trouble(chance.choice(sites), what, seconds)
