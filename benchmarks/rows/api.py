"""A user's own program."""

from __future__ import annotations

from benchmarks.bench import Bench, row
from benchmarks.report import Outcome
from benchmarks.rows.local import seconds_in, singles


@row("api", "awaiting 10,000 jobs: CPU while nothing happens", "under 1 % of a core")
def awaiting(bench: Bench) -> Outcome:
    count, span = bench.size(10_000, 2_000), bench.size(20, 5)
    folder = singles(bench, count)
    done = bench.program("await_many", str(count), str(span), cwd=folder, seconds=240)
    load = seconds_in(done.stdout, "load")
    resolved = seconds_in(done.stdout, "resolved")
    return Outcome(
        f"{load:.2%} (all awaited after {resolved:.1f} s)",
        load < 0.01,
        {"load": load, "settled_seconds": resolved, "peak_memory": done.peak_memory, "jobs": count},
    )
