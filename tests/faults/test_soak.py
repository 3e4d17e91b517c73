"""Rounds of work leave nothing behind in a process that goes on: memory, descriptors, threads, children."""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil
import pytest

from asyncjman.api.manager import JobManager
from tests.cli.tools import Jman
from tests.faults.tools import LONG, Figures, trials

POOL = (os.cpu_count() or 1) + 4  # threads that asyncio makes once, and keeps
SECONDS = float(os.environ.get("JMAN_SOAK_SECONDS", "600"))


async def test_rounds_in_one_process(
    tmp_path: Path, figures: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    me = psutil.Process()
    count, warm = trials(15, 200), 4
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


@pytest.mark.skipif(not LONG, reason="long: make torture")
def test_commands_in_a_loop(jman: Jman, figures: Figures) -> None:
    process = psutil.Process(
        jman.start("--local", "execute", "--keep-running", "-p", "2", "--no-progress").pid
    )
    end = time.monotonic() + SECONDS
    samples = []
    rounds = 0
    jman("--local", "submit", "--", "true")
    while time.monotonic() < end:
        jman("--local", "submit", "--json", "-t", "1-5", "--", "true")
        jman("--local", "wait")
        jman("list")
        last = max(jman.status())
        jman("--local", "delete", f"{last}")
        rounds += 1
        samples.append((process.memory_info().rss, process.num_fds(), process.num_threads()))
    first, last_sample = samples[len(samples) // 5], samples[-1]
    assert last_sample[1] <= first[1] + 1 and last_sample[2] <= first[2] + 1, (first, last_sample)
    assert last_sample[0] - first[0] < 20 * 2**20
    figures(
        f"soak: {SECONDS:.0f} s, {rounds} rounds, memory +{(last_sample[0] - first[0]) / 2**20:.1f} MiB, "
        f"descriptors {first[1]} to {last_sample[1]}, threads {first[2]} to {last_sample[2]}"
    )
