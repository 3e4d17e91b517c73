"""The model in the suite: fixed seeds and one at random; in `make torture` as many seeds as time allows."""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import pytest

from tests.faults.model.plan import Plan, Resubmit, Step
from tests.faults.model.run import describe, run
from tests.faults.tools import LONG, SEED, Figures

pytestmark = pytest.mark.skipif(
    not Path("/proc/uptime").exists() or shutil.which("flock") is None, reason="needs /proc and flock(1)"
)
ROOT = Path(__file__).parents[3]
SECONDS = 2.0
SEEDS = [1, 8, 12, random.SystemRandom().randrange(1000, 10**6)]
LONG_SECONDS = 60.0
ALL_SECONDS = 2 * float(os.environ.get("JMAN_TORTURE_SECONDS", "600"))


@pytest.mark.parametrize("seed", SEEDS, ids=["first", "second", "third", "random"])
def test_a_seed(tmp_path: Path, seed: int) -> None:
    check(tmp_path, seed, SECONDS)


@pytest.mark.beside
@pytest.mark.skipif(not LONG, reason="long: make torture")
def test_many_seeds(tmp_path: Path, figures: Figures) -> None:
    end = time.monotonic() + ALL_SECONDS
    seed, commands, attempts = SEED, 0, 0
    while time.monotonic() < end:
        folder = tmp_path / str(seed)
        folder.mkdir()
        seconds = min(LONG_SECONDS, max(end - time.monotonic(), SECONDS))
        some_commands, some_attempts = check(folder, seed, seconds)
        commands, attempts = commands + some_commands, attempts + some_attempts
        shutil.rmtree(folder)
        seed += 1
    figures(
        f"model: {seed - SEED} seeds from {SEED} on, {ALL_SECONDS:.0f} s: {commands} commands, "
        f"{attempts} attempts of tasks, 0 broken promises"
    )


def check(folder: Path, seed: int, seconds: float) -> tuple[int, int]:
    """Run a seed; return how many commands were given, and how many attempts of tasks began."""
    history, violations = run(folder, seed, seconds)
    if violations:
        pytest.fail(describe(history, violations, seconds), pytrace=False)
    return len(history.commands), history.attempts


def test_a_seed_fixes_the_operations() -> None:
    """Whatever the order of sets in this Python."""
    code = "from tests.faults.model.test_model import told; print(told(7))"
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        words = [sys.executable, "-c", code]
        other = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        assert other.stdout.strip() == told(7)
    assert told(7) != told(8)


def told(seed: int) -> str:
    lines = [re.sub(r"frozenset\(.*?\)", str(options_of(one)), str(one)) for one in islice(Plan(seed), 300)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def options_of(step: Step) -> list[str]:
    return sorted(step.operation.options) if isinstance(step.operation, Resubmit) else []


def test_the_model_knows_nothing_of_asyncjman() -> None:
    """Neither a fault of its code nor one of its data can hide from the oracle then."""
    folder = Path(__file__).parent
    for path in folder.glob("*.py"):
        if not path.name.startswith("test_"):
            code = path.read_text()
            assert "from asyncjman" not in code and "import asyncjman" not in code, path
            assert "sqlite" not in code, path
    assert sys.modules["tests.faults.model.run"].__file__ == str(folder / "run.py")
