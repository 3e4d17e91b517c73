"""How long until a command answers."""

from __future__ import annotations

import sys
from collections.abc import Callable

from benchmarks.bench import Bench, row
from benchmarks.measure import Compared, NotMeasured, in_turn
from benchmarks.report import Outcome
from benchmarks.rows.local import submit

TIMES = 5
"""Short commands are measured more often."""


def compare(bench: Bench, ours: Callable[[], float], theirs: Callable[[], float], most: float) -> Outcome:
    """Return how long one takes against the other."""
    return compared(in_turn(bench.repeat * TIMES, ours, theirs, warm_up=True), most)


def compared(seconds: Compared, most: float) -> Outcome:
    ratio = seconds.ratio()
    return Outcome(
        f"{ratio:.2f} times ({seconds.median(0) * 1000:.0f} ms to {seconds.median(1) * 1000:.0f} ms)",
        ratio <= most,
        {"ratio": ratio, "seconds": seconds.values[0], "seconds_of_other": seconds.values[1]},
    )


def _imports(bench: Bench, *names: str) -> Callable[[], float]:
    folder = bench.folder()
    return lambda: bench.run(sys.executable, "-c", f"import {', '.join(names)}", cwd=folder).seconds


@row("startup", "list of 10 jobs against gridtk's of the same", "0.6 times at most")
def list_against_gridtk(bench: Bench) -> Outcome:
    gridtk = bench.peers.gridtk
    mine, other = bench.folder(), bench.folder()
    for _ in range(10):
        submit(bench, mine, "--log-dir", "logs", "/bin/true")
        bench.run(gridtk, "--local", "submit", "--", "/bin/true", cwd=other)
    return compare(
        bench,
        lambda: bench.run(bench.jman, "--local", "list", cwd=mine).seconds,
        lambda: bench.run(gridtk, "--local", "list", cwd=other).seconds,
        0.6,
    )


@row("startup", "list of 10 jobs against `import typer, aiosqlite`", "1.4 times at most")
def list_against_imports(bench: Bench) -> Outcome:
    mine = bench.folder()
    for _ in range(10):
        submit(bench, mine, "--log-dir", "logs", "/bin/true")
    return compare(
        bench,
        lambda: bench.run(bench.jman, "--local", "list", cwd=mine).seconds,
        _imports(bench, "typer", "aiosqlite"),
        1.4,
    )


@row("startup", "jman --help against `import typer`", "1.4 times at most")
def help_text(bench: Bench) -> Outcome:
    folder = bench.folder()
    return compare(
        bench,
        lambda: bench.run(bench.jman, "--help", cwd=folder).seconds,
        _imports(bench, "typer"),
        1.4,
    )


@row("startup", "completion of a job id against `import typer`", "1.4 times at most")
def completion(bench: Bench) -> Outcome:
    folder = bench.folder()
    for _ in range(10):
        submit(bench, folder, "/bin/true")
    # what click's completion script for bash calls
    asked = {"_JMAN_COMPLETE": "complete_bash", "COMP_WORDS": "jman report ", "COMP_CWORD": "2"}

    def ours() -> float:
        done = bench.run(bench.jman, cwd=folder, env=asked, check=False)
        if not any(line.endswith("7") for line in done.stdout.splitlines()):
            raise NotMeasured("job ids are not completed")
        return done.seconds

    return compare(bench, ours, _imports(bench, "typer"), 1.4)
