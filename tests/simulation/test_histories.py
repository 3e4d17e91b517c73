"""Random histories: some that are always the same, and as many that are new each time.

``make torture`` runs them for JMAN_SIMULATION_SECONDS (1200) on all processors.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from tests.simulation.history import Result, stage
from tests.simulation.mixed import TROUBLES, make_plan
from tests.simulation.report import Report

ROOT = Path(__file__).parents[2]
COUNT = 60
RARE = (186, 240, 582, 828)
"""Seeds that make the steps which few histories make."""
MIXED_COUNT = 40
"""Of histories with clusters: each takes twice as long."""
NEW_COUNT = 3
MOST = 6000
LONG = 25
"""How many histories a processor runs before it says what came of them."""


def run(first: int, count: int) -> list[Result]:
    with stage() as place:
        return [place.run(seed) for seed in range(first, first + count)]


def refuse_broken(report: Report) -> None:
    lines = [f"seed {seed}: {text}" for seed, text in report.broken.items()]
    assert not lines, "\n".join([*lines, "python -m tests.simulation SEED shows one"])


def check(
    seeds: Sequence[int],
    record: Callable[[str, object], None],
    *,
    more: Callable[[Report], Iterator[int]] = lambda report: iter(()),
) -> Report:
    """Run histories, and ``more`` that depend on what came of these."""
    begun = time.perf_counter()
    report = Report()
    with stage() as place:
        for some in (seeds, more(report)):
            for seed in some:
                report.add(place.run(seed))
    text = report.text(time.perf_counter() - begun)
    print(f"seeds from {seeds[0]}:\n{text}")
    record("figures", f"simulation: seeds from {seeds[0]}: {'; '.join(text.splitlines()[:2])}")
    refuse_broken(report)
    return report


def test_no_promise_is_broken(record_property: Callable[[str, object], None]) -> None:
    """And every step that the status of a task on this machine may make is made."""

    def more(report: Report) -> Iterator[int]:
        for seed in (*RARE, *range(3 * COUNT, MOST, 3)):
            if report.missing:
                yield seed

    assert not check(range(0, 3 * COUNT, 3), record_property, more=more).missing


def test_no_promise_is_broken_on_clusters(record_property: Callable[[str, object], None]) -> None:
    """And everything goes wrong there that may."""
    seeds = [seed for seed in range(MIXED_COUNT * 3 // 2) if seed % 3]
    report = check(seeds, record_property)
    assert {name for name in TROUBLES if report.done[f"{name} met"]} == set(TROUBLES)
    assert report.steps["waiting -> skipped"] and report.steps["executing -> success"]


def test_no_promise_is_broken_by_new_histories(record_property: Callable[[str, object], None]) -> None:
    first = random.SystemRandom().randrange(10**6, 10**9)
    check(range(first, first + NEW_COUNT), record_property)


def test_each_plan_has_what_it_takes() -> None:
    for seed in range(1000):
        plan = make_plan(seed)
        assert len(plan.jobs) >= 3
        assert any(job.after for job in plan.jobs)
        assert plan.faults >= 1


def test_a_seed_repeats_exactly() -> None:
    report = Report()
    for result in run(0, 5):
        report.add(result)
    words = [sys.executable, "-m", "tests.simulation", "0", "5"]
    environment = {**os.environ, "PYTHONHASHSEED": "1"}
    ended = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100)
    assert f"digest {report.digest}" in ended.stdout, ended.stdout + ended.stderr


@pytest.mark.beside
@pytest.mark.skipif("JMAN_TORTURE" not in os.environ, reason="make torture")
@pytest.mark.timeout(0)
def test_many_histories(record_property: Callable[[str, object], None]) -> None:
    seconds = float(os.environ.get("JMAN_SIMULATION_SECONDS", "1200"))
    first = random.SystemRandom().randrange(10**9, 10**12)
    print(f"seeds from {first}")
    report = Report()
    begun = time.monotonic()
    with ProcessPoolExecutor() as pool:
        while time.monotonic() - begun < seconds:
            starts = [first + LONG * n for n in range(4 * (os.cpu_count() or 1))]
            first = starts[-1] + LONG
            for results in pool.map(run, starts, [LONG] * len(starts)):
                for result in results:
                    report.add(result)
    text = report.text(time.monotonic() - begun)
    print(text)
    record_property("figures", f"simulation: {text.splitlines()[0]}; {text.splitlines()[1]}")
    refuse_broken(report)
