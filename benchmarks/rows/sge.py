"""On a Grid Engine cell. All jobs are held, so that none takes the machine's time; none is left behind."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from benchmarks.bench import Bench, row
from benchmarks.measure import SECONDS, NotMeasured, Run, in_turn
from benchmarks.report import Outcome
from benchmarks.rows.local import seconds_in
from benchmarks.rows.startup import compare

HELD = "--sge-extra-args=-h"


def _jman(bench: Bench, folder: Path, *words: str, check: bool = True, seconds: float = SECONDS) -> Run:
    """Run jman for Grid Engine: this machine may have another batch system, too."""
    return bench.run(bench.jman, "--cluster", "sge", *words, cwd=folder, check=check, seconds=seconds)


@contextmanager
def _grid(bench: Bench) -> Iterator[Path]:
    """Give a folder; what jman submits there is deleted from the cell at the end."""
    assert bench.peers.qsub
    folder = bench.folder()
    try:
        yield folder
    finally:
        ids: list[str] = []
        with suppress(NotMeasured, ValueError):
            listed = _jman(bench, folder, "list", "--json", check=False, seconds=120)
            ids = [str(job["grid_id"]) for job in json.loads(listed.stdout) if job.get("grid_id")]
        with suppress(NotMeasured):
            _jman(bench, folder, "delete", check=False, seconds=300)
        _delete(bench, ids)


def _delete(bench: Bench, ids: list[str]) -> None:
    """Delete jobs that may be there from the cell, and wait until they are gone."""
    if not ids:
        return
    folder = bench.folder()
    deadline = time.monotonic() + 120
    while True:
        listed = bench.run("qstat", "-u", "*", cwd=folder, check=False).stdout.splitlines()[2:]
        left = {line.split()[0] for line in listed if line.strip()} & set(ids)
        if not left or time.monotonic() > deadline:
            return
        bench.run("qdel", *sorted(left), cwd=folder, check=False, seconds=120)
        time.sleep(0.5)


@contextmanager
def _gridtk(bench: Bench) -> Iterator[Path]:
    """Give a folder; what gridtk submits there is deleted from the cell at the end."""
    assert bench.peers.qsub
    gridtk, folder = bench.peers.gridtk, bench.folder()
    try:
        yield folder
    finally:
        with suppress(NotMeasured):
            bench.run(gridtk, "delete", cwd=folder, check=False, seconds=300)


def _qsub(bench: Bench, folder: Path, ids: list[str], *words: str) -> float:
    argv = [bench.peers.qsub, "-terse", "-h", "-o", "/dev/null", "-e", "/dev/null", *words]
    done = bench.run(*argv, "-b", "y", "/bin/true", cwd=folder)
    ids.append(done.stdout.split(".")[0].strip())
    return done.seconds


@row("sge", "submit -t 75000 against the bare qsub", "1.2 times and 0.5 s more at most")
def big_array(bench: Bench) -> Outcome:
    count = str(bench.size(75_000, 7_500))
    ids: list[str] = []
    with _grid(bench) as folder:

        def ours() -> float:
            done = _jman(bench, folder, "submit", HELD, "-t", count, "/bin/true").seconds
            _jman(bench, folder, "delete")  # so that the cell holds one of them at a time
            return done

        def theirs() -> float:
            done = _qsub(bench, folder, ids, "-t", f"1-{count}")
            _delete(bench, ids)
            return done

        try:
            seconds = in_turn(bench.repeat, ours, theirs, warm_up=True)
        finally:
            _delete(bench, ids)
    mine, bare = seconds.median(0), seconds.median(1)
    return Outcome(
        f"{mine:.2f} s to {bare:.2f} s",
        mine <= 1.2 * bare + 0.5,
        {"seconds": seconds.values[0], "seconds_of_other": seconds.values[1]},
    )


@row("sge", "500 single jobs at once through the API against a shell loop of qsub", "4 times its rate")
def many_jobs(bench: Bench) -> Outcome:
    count, looped = bench.size(500, 50), bench.size(100, 20)
    rates: list[float] = []
    loop_rates: list[float] = []
    for _ in range(min(bench.repeat, 3)):
        with _grid(bench) as folder:
            done = bench.program("grid_submit", str(count), cwd=folder)
            rates.append(count / seconds_in(done.stdout))
            loop = 'i=0; while [ $i -lt "$1" ]; do qsub -terse -h -b y /bin/true; i=$((i+1)); done'
            shell = bench.run("/bin/sh", "-c", loop, "loop", str(looped), cwd=folder)
            loop_rates.append(looped / shell.seconds)
            _delete(bench, shell.stdout.split())
    found = statistics.median(rates), statistics.median(loop_rates)
    ratio = found[0] / found[1]
    return Outcome(
        f"{ratio:.1f} times ({found[0]:.0f}/s, qsub {found[1]:.0f}/s)",
        ratio >= 4,
        {"ratio": ratio, "rates": rates, "rates_of_other": loop_rates, "jobs": count},
    )


@row("sge", "submit of one job against gridtk's", "0.5 times its time")
def one_job(bench: Bench) -> Outcome:
    with _grid(bench) as mine, _gridtk(bench) as other:
        return compare(
            bench,
            lambda: _jman(bench, mine, "submit", HELD, "/bin/true").seconds,
            lambda: bench.run(bench.peers.gridtk, "submit", HELD, "--", "/bin/true", cwd=other).seconds,
            0.5,
        )


@row("sge", "list with 20 grid jobs against gridtk's", "0.5 times its time")
def list_jobs(bench: Bench) -> Outcome:
    with _grid(bench) as mine, _gridtk(bench) as other:
        for _ in range(20):
            _jman(bench, mine, "submit", HELD, "/bin/true")
            bench.run(bench.peers.gridtk, "submit", HELD, "--", "/bin/true", cwd=other)
        return compare(
            bench,
            lambda: _jman(bench, mine, "list").seconds,
            lambda: bench.run(bench.peers.gridtk, "list", cwd=other).seconds,
            0.5,
        )


@row("sge", "refresh with 5,000 pending jobs, over the qstat itself", "0.3 s at most")
def refresh_pending(bench: Bench) -> Outcome:
    count = bench.size(5_000, 200)
    with _grid(bench) as folder:
        bench.program("grid_submit", str(count), cwd=folder, seconds=900)
        seen = [bench.program("grid_refresh", cwd=folder).stdout for _ in range(bench.repeat)]
    return _refreshed(seen, f"{count:,} jobs", 0.3)


@row("sge", "CPU of a look at an array of 75,000 pending tasks, without news", "20 ms at most")
def no_news(bench: Bench) -> Outcome:
    count = bench.size(75_000, 7_500)
    with _grid(bench) as folder:
        _jman(bench, folder, "submit", HELD, "-t", str(count), "/bin/true")
        seen = [bench.program("grid_refresh", cwd=folder).stdout for _ in range(bench.repeat)]
    cpu = [seconds_in(text, "again") for text in seen]
    median = statistics.median(cpu)
    return Outcome(f"{median * 1000:.0f} ms", median <= 0.02, {"cpu_seconds": cpu, "tasks": count})


@row("sge", "refresh with 10,000 task records new in the spool, over the qstat itself", "0.6 s at most")
def refresh_records(bench: Bench) -> Outcome:
    count = bench.size(10_000, 1_000)
    seen = []
    for _ in range(min(bench.repeat, 3)):
        with _grid(bench) as folder:
            # one task more, so that the job is not over
            _jman(bench, folder, "submit", HELD, "-t", str(count + 1), "/bin/true")
            bench.program("grid_records", str(count), cwd=folder)
            seen.append(bench.program("grid_refresh", cwd=folder).stdout)
            tasks = json.loads(_jman(bench, folder, "list", "--json").stdout)[0]["tasks"]
            if tasks.get("success") != count:
                raise NotMeasured(f"after it there are {tasks}")
    return _refreshed(seen, f"{count:,} records", 0.6)


def _refreshed(seen: list[str], what: str, most: float) -> Outcome:
    refresh = [seconds_in(text, "refresh") for text in seen]
    qstat = [seconds_in(text, "qstat") for text in seen]
    over = statistics.median(refresh) - statistics.median(qstat)
    return Outcome(
        f"{over:.2f} s over the qstat's {statistics.median(qstat):.2f} s ({what})",
        over <= most,
        {"over_qstat": over, "refresh_seconds": refresh, "qstat_seconds": qstat},
    )
