"""A user's own program."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.bench import PROGRAMS, Bench, row
from benchmarks.measure import in_turn
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


@row("api", "map: calls a second, a process for each, two at a time", "300/s")
def calls(bench: Bench) -> Outcome:
    count = bench.size(2000, 300)
    rate = _calls(bench, None, "fresh", count)
    return Outcome(f"{rate:.0f}/s", rate >= 300, {"rate": rate, "calls": count})


@row("api", 'the same with workers="warm": two processes for all calls, each value on the disk', "2,000/s")
def warm_calls(bench: Bench) -> Outcome:
    count = bench.size(4000, 500)
    rate = _calls(bench, None, "warm", count)
    return Outcome(f"{rate:.0f}/s", rate >= 2000, {"rate": rate, "calls": count})


@row("api", "imap, warm, an item a task: longest time for which the event loop stands", "100 ms")
def imap_stalls(bench: Bench) -> Outcome:
    count = bench.size(5000, 500)
    stalls = [_imap(bench, count, 1)["stall"] for _ in range(min(bench.repeat, 3))]
    return Outcome(f"{max(stalls) * 1000:.0f} ms", max(stalls) <= 0.1, {"seconds": stalls, "items": count})


@row("api", "imap of 100,000 items in chunks of 100: memory grown after the first 10,000", "5 MB")
def imap_memory(bench: Bench) -> Outcome:
    count = bench.size(100_000, 10_000)
    found = _imap(bench, count, 100)
    return Outcome(
        f"{found['grown'] / 1e6:.1f} MB ({count / found['seconds']:,.0f} items/s)",
        found["grown"] <= 5e6,
        {**found, "items": count},
    )


@row(
    "api",
    "a process for each, against ProcessPoolExecutor (two processes for all calls, nothing is kept)",
    "",
)
def against_executor(bench: Bench) -> Outcome:
    return _against(bench, None, "executor", "ProcessPoolExecutor", bench.size(20_000, 5000))


@row("api", "the same, against joblib (two processes for all calls, nothing is kept)", "")
def against_joblib(bench: Bench) -> Outcome:
    return _against(bench, bench.peers.joblib, "joblib", "joblib", bench.size(20_000, 5000))


@row("api", "the same, against submitit's LocalExecutor (a process for each)", "10 times", limit=600)
def against_submitit(bench: Bench) -> Outcome:
    return _against(bench, bench.peers.submitit, "submitit", "submitit", bench.size(40, 10), least=10)


def _calls(bench: Bench, python: str | None, who: str, count: int) -> float:
    """Return how many calls a second there are."""
    folder = bench.folder()
    words = (str(PROGRAMS / "calls.py"), who, str(count))
    program: str | Path = python or sys.executable
    return count / seconds_in(bench.run(program, *words, cwd=folder).stdout, "seconds")


def _imap(bench: Bench, count: int, chunk: int) -> dict[str, float]:
    """Return what ``imap.py`` prints."""
    words = (str(PROGRAMS / "imap.py"), str(count), str(chunk))
    out = bench.run(sys.executable, *words, cwd=bench.folder()).stdout
    return {key: seconds_in(out, key) for key in ("seconds", "stall", "grown")}


def _against(
    bench: Bench, python: str | None, who: str, name: str, their_count: int, least: float | None = None
) -> Outcome:
    count = bench.size(2000, 300)
    seconds = in_turn(
        bench.repeat,
        lambda: 1 / _calls(bench, None, "fresh", count),
        lambda: 1 / _calls(bench, python, who, their_count),
    )
    rates = 1 / seconds.median(0), 1 / seconds.median(1)
    ratio = rates[0] / rates[1]
    return Outcome(
        f"{ratio:.2f} times (jman {rates[0]:.0f}/s, {name} {rates[1]:.0f}/s)",
        None if least is None else ratio >= least,
        {"ratio": ratio, "rate": rates[0], "rate_of_other": rates[1]},
    )
