"""Executing what doesn't fit the memory."""

from __future__ import annotations

import statistics
import sys
import time

from benchmarks.bench import Bench, row
from benchmarks.measure import NotMeasured
from benchmarks.report import Outcome
from benchmarks.rows.local import SLOTS, submit

MB = 1_000_000


@row(
    "memory",
    "execute of 1,000,000 tasks: peak memory; first task, after what is loaded for any",
    "120 MB; 0.15 s at most",
)
def million(bench: Bench) -> Outcome:
    seconds, loading, memory, ended = [], [], [], []
    loads = ("-c", "import asyncjman.cli.main, asyncjman.api.running")
    span = bench.size(20, 4)
    for _ in range(min(bench.repeat, 3)):
        folder = bench.folder()
        loading.append(bench.run(sys.executable, *loads, cwd=folder).seconds)
        submit(bench, folder, "--log-dir", "logs", "--array", "1000000", "touch", "ran")
        ran = folder / "ran"
        words = (bench.jman, "--local", "execute", "--parallel", SLOTS)
        with bench.start(*words, cwd=folder) as process:
            while not ran.exists():
                if time.monotonic() - process.started > 60:
                    raise NotMeasured("no task ran within 60 s")
                time.sleep(0.002)
            seconds.append(time.monotonic() - process.started)
            time.sleep(span)  # all would take a quarter of an hour
            process.interrupt()
            done = process.wait(30)
        memory.append(done.peak_memory / MB)
        ended.append(done.stdout.count("\nsuccess  "))
    start_up = statistics.median(loading)
    found = max(memory), statistics.median(seconds) - start_up
    return Outcome(
        f"{found[0]:.0f} MB (after {min(ended):,} tasks); {found[1]:.2f} s, after {start_up:.2f} s",
        found[0] <= 120 and found[1] <= 0.15,
        {"peak_megabytes": memory, "seconds": seconds, "seconds_loading": loading, "tasks_ended": ended},
    )
