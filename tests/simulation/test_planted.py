"""Faults that are put into the code: random histories find each of them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest

from asyncjman.engines.base import LaunchFailed, LaunchRequest, Ref, Saw, TaskRow, Why
from asyncjman.engines.cluster import conclusions, script, script_records
from asyncjman.engines.cluster.conclusions import VANISHED, Conclusions, View
from asyncjman.engines.cluster.engine import ClusterEngine
from asyncjman.model.failure import Cause
from asyncjman.model.graph import Kind
from asyncjman.scheduler import cancelling, launches, polling, resolving, watching
from asyncjman.store import submissions
from tests.simulation.builders import FIRST, SECOND, THIRD, again, job, plan
from tests.simulation.history import Stage, stage
from tests.simulation.plan import Execute, Plan, Stop, Trouble, Wait

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
    real = ClusterEngine._failure

    async def failure(*arguments: Any) -> LaunchFailed:
        failed = await real(*arguments)
        is_ambiguous = failed.why is Why.AMBIGUOUS
        return failed._replace(why=Why.LATER, again=True) if is_ambiguous else failed

    return patch.object(ClusterEngine, "_failure", failure)


def _without_the_check() -> AbstractContextManager[Any]:
    real = launches._made

    def made(*arguments: Any) -> LaunchRequest:
        request = real(*arguments)
        after = tuple(one._replace(kind=Kind.ANY, stop_on_failure=False) for one in request.after)
        return replace(request, after=after)

    return patch.object(launches, "_made", made)


async def _nothing_to_do(*_: Any, **__: Any) -> bool:
    return True


def _skips_end_with_0() -> AbstractContextManager[Any]:
    changed = script_records.FUNCTIONS.replace(f"exit {script_records.SKIPPED_STATUS}", "exit 0")
    return patch.object(script, "FUNCTIONS", changed)


def _nothing_is_active() -> AbstractContextManager[Any]:
    stand_in = SimpleNamespace(**{**vars(submissions), "active": _none})
    return patch.object(resolving, "submissions", stand_in)


PLANTED: dict[str, tuple[str, Patch, Plan]] = {
    "a launch is taken for that of all tasks, also of those that a later one is about": (
        "",
        lambda: patch.object(watching, "_elsewhere", lambda active: defaultdict(frozenset)),
        plan(
            job(6, retries=2, on="north"),
            at={0.2: Wait(FIRST, 90.0), **{6.0 + 2 * n: Stop(FIRST, 0.16 * n) for n in range(6)}},
            failing=0.7,
            seconds=4.0,
        ),
    ),
    "one absence is taken for an end": (
        "is a failure, but",
        lambda: patch.object(conclusions, "_judge_one", _vanish_at_once),
        plan(
            job(6, on="north"),
            at={0.2: Wait(FIRST, 90.0), **{n * 5.0: Trouble("north", "forgets", 2.0) for n in range(2, 9)}},
            seconds=10.0,
        ),
    ),
    "a poll that got no answer is taken for one that listed nothing": (
        "is a failure, but",
        _silence_is_an_answer,
        plan(
            job(6, on="north"),
            at={0.2: Wait(FIRST, 90.0), 8.0: Trouble("north", "away", 50.0)},
            seconds=20.0,
        ),
    ),
    "a launch that may have been taken is made again": (
        "is launched twice",
        _repeated_launches,
        plan(job(2, on="north"), job(on="north"), at={0.0: Trouble("north", "rough", 20.0)}),
    ),
    "the throttle holds for each launch by itself": (
        "at a time",
        lambda: patch.object(launches, "_live", _zero),
        plan(
            job(6, throttle=2, retries=1, on="north"), at={0.2: Wait(FIRST, 90.0)}, failing=0.5, seconds=2.0
        ),
    ),
    "jobs that are held on the cluster are let go here": (
        "is launched twice",
        lambda: patch.object(
            resolving, "submissions", SimpleNamespace(**{**vars(submissions), "active": _none})
        ),
        plan(
            job(on="north"),
            job(8, on="north"),
            *(job(2, (FIRST, "ok"), on="north") for _ in range(6)),
            at={0.5: Wait(THIRD, 60.0)},
            seconds=3.0,
        ),
    ),
    "a timeout never reaches the cluster": (
        "are allowed",
        _no_time_limit,
        plan(job(4, timeout=5.0, on="north"), at={0.3: Wait(FIRST, 60.0)}, seconds=4.0),
    ),
    "what is stopped is not told to the cluster": (
        "starts, but was stopped",
        lambda: patch.object(cancelling, "_tell", _none),
        plan(job(8, on="north"), at={3.0: Stop(FIRST, None)}, seconds=4.0),
    ),
    "the job script looks for ends alone": (
        "starts, but its dependencies say",
        _without_the_check,
        plan(job(on="north"), job(2, (FIRST, "ok"), on="north"), at={}, failing=0.7, seconds=1.0),
    ),
    "what waits for a job that is open again stays on the cluster": (
        "starts, but its dependencies say",
        lambda: patch.object(polling, "withdraw", _nothing_to_do),
        plan(
            job(),
            job(8, (FIRST, "ok"), on="north"),
            at={0.1: Execute(1), 0.5: Wait(SECOND, 30.0), 5.0: again(FIRST, "everything")},
            seconds=4.0,
        ),
    ),
    "a script that skips its command says 0": (
        "is a success, but",
        _skips_end_with_0,
        plan(
            job(on="north"),
            job(4, (FIRST, "ok"), on="north"),
            at={1.0: Wait(SECOND, 90.0), **{2.0 + n: Trouble("north", "lag", 50.0) for n in range(5)}},
            failing=1.0,
            seconds=1.0,
        ),
    ),
    "records that come late are not looked for": (
        "is a failure, but ended with success",
        lambda: patch.object(polling, "add_late", _none),
        plan(
            job(4, on="south"), at={0.5: Wait(FIRST, 90.0), 1.0: Trouble("south", "lag", 50.0)}, seconds=1.0
        ),
    ),
}
MOST = 40


@pytest.fixture(scope="module")
def place() -> Iterator[Stage]:
    with stage() as one:
        yield one


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found(place: Stage, name: str) -> None:
    expected, fault, wanted = PLANTED[name]
    with fault():
        for seed in range(MOST):
            violation = place.run(seed, plan=wanted).violation
            if violation and re.search(expected, violation):
                print(f"{name}: after {seed + 1} histories: {violation}")
                break
        else:
            pytest.fail(f"{MOST} histories don't show it")
    assert place.run(seed, plan=wanted).violation is None, "it is the fault that is found"


def seeds_to_find(name: str, most: int) -> tuple[int, int, str] | None:
    """Return the first random history that shows a fault, after how many, and what it shows."""
    expected, fault, _ = PLANTED[name]
    count = 0
    with stage() as place, fault():
        for seed in range(most):
            if seed % 3 == 0:
                continue  # no cluster in it
            count += 1
            violation = place.run(seed).violation
            if violation and re.search(expected, violation):
                return seed, count, violation
    return None
