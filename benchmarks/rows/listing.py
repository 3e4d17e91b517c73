"""Listing, with little or much in the database."""

from __future__ import annotations

from benchmarks.bench import Bench, row
from benchmarks.report import Outcome
from benchmarks.rows.local import submit
from benchmarks.rows.startup import compare


@row("listing", "list with an array of 1,000,000 against one small job", "1.3 times at most")
def list_of_a_million(bench: Bench) -> Outcome:
    big, small = bench.folder(), bench.folder()
    submit(bench, big, "--log-dir", "logs", "--array", "1000000", "/bin/true")
    submit(bench, small, "--log-dir", "logs", "/bin/true")
    return compare(
        bench,
        lambda: bench.run(bench.jman, "--local", "list", cwd=big).seconds,
        lambda: bench.run(bench.jman, "--local", "list", cwd=small).seconds,
        1.3,
    )
