"""Faults that are put into the code: random histories find each of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest

from asyncjman.engines.base import LaunchRequest, Ref, Saw, TaskRow
from asyncjman.engines.cluster import conclusions
from asyncjman.engines.cluster.conclusions import VANISHED, Conclusions, View
from asyncjman.engines.cluster.engine import ClusterEngine
from asyncjman.model.failure import Cause
from asyncjman.model.graph import Kind
from asyncjman.scheduler import cancelling, launches, resolving, watching
from tests.simulation.dialect import SimulatedDialect
from tests.simulation.history import stage

Patch = Callable[[], AbstractContextManager[Any]]


async def _none(*_: Any, **__: Any) -> list[Any]:
    return []


async def _zero(*_: Any) -> int:
    return 0


def _vanish_at_once(view: View, found: Conclusions, ref: Ref, row: TaskRow) -> None:
    ended = conclusions._over(view, ref, row, Saw.ENDED, VANISHED)
    ended.cause = Cause.VANISHED
    found.seen.append(ended)


def _silence_is_an_answer() -> AbstractContextManager[Any]:
    real = ClusterEngine._interpret

    def interpret(engine: Any, watched: Any, rows: Any, accounting: Any) -> Any:
        return real(engine, watched, rows or {}, accounting or {})

    return patch.object(ClusterEngine, "_interpret", interpret)


def _no_time_limit() -> AbstractContextManager[Any]:
    real = launches._made

    def made(*arguments: Any) -> LaunchRequest:
        return replace(real(*arguments), time_limit=None)

    return patch.object(launches, "_made", made)


def _repeated_launches() -> AbstractContextManager[Any]:
    real = SimulatedDialect.submission

    def submission(*arguments: Any) -> Any:
        call = yield from real(*arguments)
        return replace(call, repeatable=True)

    return patch.object(SimulatedDialect, "submission", submission)


def _without_the_check() -> AbstractContextManager[Any]:
    real = launches._made

    def made(*arguments: Any) -> LaunchRequest:
        request = real(*arguments)
        after = tuple(one._replace(kind=Kind.ANY, stop_on_failure=False) for one in request.after)
        return replace(request, after=after)

    return patch.object(launches, "_made", made)


PLANTED: dict[str, tuple[int, Patch]] = {
    "a launch is taken for that of all tasks, also of those that a later one is about": (
        200,
        lambda: patch.object(watching, "_elsewhere", lambda active: defaultdict(frozenset)),
    ),
    "one absence is taken for an end": (
        40,
        lambda: patch.object(conclusions, "_judge_one", _vanish_at_once),
    ),
    "a poll that got no answer is taken for one that listed nothing": (200, _silence_is_an_answer),
    "a launch that may have been taken is made again": (100, _repeated_launches),
    "the throttle holds for each launch by itself": (
        200,
        lambda: patch.object(launches, "_live", _zero),
    ),
    "jobs that are held on the cluster are let go here": (
        100,
        lambda: patch.object(resolving, "submissions", SimpleNamespace(active=_none)),
    ),
    "a timeout never reaches the cluster": (100, _no_time_limit),
    "what is stopped is not told to the cluster": (
        100,
        lambda: patch.object(cancelling, "_tell", _none),
    ),
    "the job script looks for ends alone": (100, _without_the_check),
}


def seeds_to_find(fault: Patch, most: int) -> tuple[int, str] | None:
    """Return the first seed that shows a fault, and what it shows; None where none of so many does."""
    with stage() as place, ExitStack() as stack:
        stack.enter_context(fault())
        for seed in range(most):
            if seed % 3 and (violation := place.run(seed).violation):
                return seed, violation
    return None


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found(name: str) -> None:
    most, fault = PLANTED[name]
    found = seeds_to_find(fault, most)
    assert found is not None, f"{most} histories don't show it"
    print(f"{name}: seed {found[0]}: {found[1]}")
