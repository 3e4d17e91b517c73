"""How long until a command answers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

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
    """Return what measures the CPU seconds of importing modules."""
    folder = bench.folder()
    return lambda: bench.run(sys.executable, "-c", f"import {', '.join(names)}", cwd=folder).cpu_seconds


def _folder(bench: Bench) -> Path:
    """Return a folder with a database of ten jobs."""
    folder = bench.folder()
    for _ in range(10):
        submit(bench, folder, "--log-dir", "logs", "/bin/true")
    return folder


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


@row("startup", "CPU of list of 10 jobs against `import typer, aiosqlite`", "0.57 times at most")
def list_against_imports(bench: Bench) -> Outcome:
    folder = _folder(bench)
    return compare(
        bench,
        lambda: bench.run(bench.jman, "list", cwd=folder).cpu_seconds,
        _imports(bench, "typer", "aiosqlite"),
        0.57,
    )


@row("startup", "CPU of completing a job id against the same", "0.43 times at most")
def completion(bench: Bench) -> Outcome:
    folder = _folder(bench)
    # what click's completion script for bash calls
    asked = {"_JMAN_COMPLETE": "complete_bash", "COMP_WORDS": "jman report ", "COMP_CWORD": "2"}

    def ours() -> float:
        done = bench.run(bench.jman, cwd=folder, env=asked, check=False)
        if not any(line.endswith("7") for line in done.stdout.splitlines()):
            raise NotMeasured("job ids are not completed")
        return done.cpu_seconds

    return compare(bench, ours, _imports(bench, "typer", "aiosqlite"), 0.43)


@row("startup", "CPU of submit against the same", "1.3 times at most")
def submit_against_imports(bench: Bench) -> Outcome:
    folder = _folder(bench)
    return compare(
        bench,
        lambda: bench.run(bench.jman, "--local", "submit", "/bin/true", cwd=folder).cpu_seconds,
        _imports(bench, "typer", "aiosqlite"),
        1.3,
    )


@row("startup", "CPU of jman --help against `import typer`", "1.1 times at most")
def help_text(bench: Bench) -> Outcome:
    folder = bench.folder()
    return compare(
        bench,
        lambda: bench.run(bench.jman, "--help", cwd=folder).cpu_seconds,
        _imports(bench, "typer"),
        1.1,
    )
