"""Submitting much."""

from __future__ import annotations

import statistics

from benchmarks.bench import Bench, row
from benchmarks.report import Outcome
from benchmarks.rows.local import DATABASE, singles
from benchmarks.rows.startup import compare

MB = 1_000_000


@row("submit", "submit -t 1000000", "3 s, 80 MB peak memory, 60 MB database at most")
def million(bench: Bench) -> Outcome:
    seconds, memory, size = [], [], []
    for _ in range(bench.repeat):
        folder = bench.folder()
        done = bench.run(
            bench.jman, "--local", "submit", "-l", "logs", "-t", "1000000", "/bin/true", cwd=folder
        )
        seconds.append(done.seconds)
        memory.append(done.peak_memory / MB)
        size.append(sum(file.stat().st_size for file in folder.glob(f"{DATABASE}*")) / MB)
    found = statistics.median(seconds), max(memory), max(size)
    return Outcome(
        f"{found[0]:.2f} s, {found[1]:.0f} MB peak memory, {found[2]:.2f} MB database",
        found[0] <= 3 and found[1] <= 80 and found[2] <= 60,
        {"seconds": seconds, "peak_megabytes": memory, "database_megabytes": size},
    )


@row("submit", "the 10,000th single submit against the first", "1.2 times at most")
def ten_thousandth(bench: Bench) -> Outcome:
    full = singles(bench, bench.size(9_999, 1_999), "logs")
    words = ("--local", "submit", "--log-dir", "logs", "/bin/true")
    return compare(
        bench,
        lambda: bench.run(bench.jman, *words, cwd=full).seconds,
        lambda: bench.run(bench.jman, *words, cwd=bench.folder()).seconds,
        1.2,
    )


@row("submit", "submit --from-file of 10,000 lines", "1 s at most")
def from_file(bench: Bench) -> Outcome:
    lines = bench.folder() / "lines"
    lines.write_text("".join(f"echo task {number} of 10000 > /dev/null\n" for number in range(1, 10_001)))
    words = ("--local", "submit", "--log-dir", "logs", "--from-file", lines)
    seconds = [bench.run(bench.jman, *words, cwd=bench.folder()).seconds for _ in range(bench.repeat)]
    median = statistics.median(seconds)
    return Outcome(f"{median:.2f} s", median <= 1, {"seconds": seconds})
