"""Rounds of work leave nothing behind in a process that goes on: memory, descriptors, threads, children."""

from __future__ import annotations

import os
import time
from pathlib import Path
from statistics import linear_regression

import psutil
import pytest

from asyncjman.api.manager import JobManager
from asyncjman.model.selection import Selection
from tests.cli.tools import Jman
from tests.faults.tools import LONG, Figures, trials

POOL = (os.cpu_count() or 1) + 4  # threads that asyncio makes once, and keeps
SECONDS = float(os.environ.get("JMAN_TORTURE_SECONDS", "600"))


async def test_rounds_in_one_process(
    tmp_path: Path, figures: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    me = psutil.Process()
    count, warm = max(trials(15, 200), 10), 4
    before: tuple[int, int, int] | None = None
    memory = 0
    for number in range(count):
        async with JobManager(tmp_path / "jobs.sql3", parallel=4) as manager:
            jobs = [await manager.submit(["true"], array="1-5") for _ in range(3)]
            for job in jobs:
                await job
        now = (me.num_fds(), me.num_threads(), len(me.children()))
        if number == warm:
            before, memory = now, me.memory_info().rss
    assert before is not None
    assert now[0] <= before[0] and now[1] <= before[1] + POOL and now[2] <= before[2], (before, now)
    growth = me.memory_info().rss - memory
    assert growth < 20 * 2**20, growth
    figures(
        f"soak: {count} rounds in one process, descriptors {now[0]} (were {before[0]}), "
        f"threads {now[1]} ({before[1]}), children {now[2]} ({before[2]}), memory +{growth / 2**20:.1f} MiB"
    )


@pytest.mark.beside
async def test_one_manager_that_lives_on(
    tmp_path: Path, figures: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Submit, run, list and delete, over and over, in one program that never closes its JobManager."""
    monkeypatch.chdir(tmp_path)
    end = time.monotonic() + SECONDS
    samples = Samples(psutil.Process())
    async with JobManager(tmp_path / "jobs.sql3", parallel=2) as manager:
        kept = await manager.submit(["true"], name="kept")  # the database stays while one job is in it
        while time.monotonic() < end if LONG else samples.count < 25:
            some = [await manager.submit(["true"], array="1-3"), await manager.submit(["false"])]
            await manager.wait(*some)
            assert len(await manager.jobs()) == 3
            ids = tuple(range(job.id, job.id + 1) for job in some)
            assert len(await manager.delete(Selection(ids=ids))) == 2
            samples.take()
        await kept
    samples.check()
    figures(f"soak, one JobManager: {samples}, 0 lost")


@pytest.mark.beside
@pytest.mark.skipif(not LONG, reason="long: make torture")
def test_commands_in_a_loop(jman: Jman, figures: Figures) -> None:
    """A command that goes on, and others again and again, in one process: both are measured."""
    jman("--local", "submit", "--", "true")
    execute = jman.start("--local", "execute", "--keep-running", "-p", "2", "--no-progress")
    samples = [Samples(psutil.Process(execute.pid)), Samples(psutil.Process())]
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        last = jman("--local", "submit", "--json", "-t", "1-5", "--", "true").json()["id"]
        jman("--local", "wait")
        assert jman.status() == {1: "success", last: "success"}
        jman("--local", "delete", last)
        for one in samples:
            one.take()
    for one in samples:
        one.check()
    figures(f"soak, execute that goes on: {samples[0]}, 0 lost")
    figures(f"soak, commands in one process: {samples[1]}")


class Samples:
    """What a process holds after each round of work, as a series."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._times: list[float] = []
        self._series: dict[str, list[float]] = {}

    @property
    def count(self) -> int:
        return len(self._times)

    def take(self) -> None:
        self._times.append(time.monotonic())
        now = {
            "memory": self._process.memory_info().rss / 2**20,
            "descriptors": self._process.num_fds(),
            "threads": self._process.num_threads(),
            "children": len(self._process.children()),
        }
        for name, value in now.items():
            self._series.setdefault(name, []).append(value)

    def growth(self, name: str) -> float:
        """Return by how much the line that fits best rises, in MiB or pieces over the whole run.

        The first fifth is left out: caches and pools fill then.
        """
        skip = self.count // 5
        times, values = self._times[skip:], self._series[name][skip:]
        return linear_regression(times, values).slope * (self._times[-1] - self._times[0])

    def check(self) -> None:
        assert self.growth("memory") < 12, str(self)
        assert self.growth("descriptors") < 2 and self.growth("children") < 1, str(self)
        assert max(self._series["threads"]) <= min(self._series["threads"]) + POOL, str(self)

    def __str__(self) -> str:
        parts = [f"{self._times[-1] - self._times[0]:.0f} s, {self.count} rounds"]
        for name, unit in (("memory", " MiB"), ("descriptors", ""), ("threads", ""), ("children", "")):
            values = self._series[name]
            low, high = f"{min(values):.4g}", f"{max(values):.4g}{unit}"
            parts.append(f"{name} {low} to {high} (slope {self.growth(name):+.2f} over the run)")
        return ", ".join(parts)
