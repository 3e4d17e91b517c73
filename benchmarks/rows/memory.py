"""Executing what doesn't fit the memory."""

from __future__ import annotations

import statistics
import time

from benchmarks.bench import Bench, row
from benchmarks.measure import NotMeasured
from benchmarks.report import Outcome
from benchmarks.rows.local import SLOTS, submit

MB = 1_000_000


@row("memory", "execute of 1,000,000 tasks: peak memory; first task started after", "120 MB; 1 s at most")
def million(bench: Bench) -> Outcome:
    seconds, memory, ended = [], [], []
    span = bench.size(20, 4)
    for _ in range(min(bench.repeat, 3)):
        folder = bench.folder()
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
    found = max(memory), statistics.median(seconds)
    return Outcome(
        f"{found[0]:.0f} MB; {found[1]:.2f} s (after {min(ended):,} tasks)",
        found[0] <= 120 and found[1] <= 1,
        {"peak_megabytes": memory, "seconds": seconds, "tasks_ended": ended},
    )
