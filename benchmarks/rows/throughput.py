"""How many short tasks a second."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import replace

from benchmarks.bench import PROGRAMS, Bench, row
from benchmarks.measure import in_turn
from benchmarks.report import Outcome
from benchmarks.rows.local import SLOTS, Prepared, array, seconds_in, singles, submit

FULL, QUICK = 4000, 1000


def _rates(
    bench: Bench,
    ours: Callable[[], float],
    count: int,
    theirs: Callable[[], float],
    their_count: int,
    name: str,
    least: float | None,
    our_name: str = "jman",
) -> Outcome:
    seconds = in_turn(bench.repeat, ours, theirs)
    rates = count / seconds.median(0), their_count / seconds.median(1)
    ratio = rates[0] / rates[1]
    return Outcome(
        f"{ratio:.2f} times ({our_name} {rates[0]:.0f}/s, {name} {rates[1]:.0f}/s)",
        None if least is None else ratio >= least,
        {
            "ratio": ratio,
            "rate": rates[0],
            "rate_of_other": rates[1],
            "tasks": count,
            "tasks_of_other": their_count,
            "seconds": seconds.values[0],
            "seconds_of_other": seconds.values[1],
        },
    )


@row(
    "throughput",
    "execute -p 2, an array of 4,000 /bin/true, against xargs -P 2",
    "0.8 of its rate (1.0 is the aim)",
)
def against_xargs(bench: Bench) -> Outcome:
    count = bench.size(FULL, QUICK)
    words = bench.folder() / "words"
    words.write_text("x\n" * count)
    xargs = bench.peers.xargs
    ours = array(bench, count)

    cpu: tuple[list[float], list[float]] = [], []

    def mine() -> float:
        seconds = ours.execute(count)
        cpu[0].append(ours.cpu_seconds)
        return seconds

    def theirs() -> float:
        done = bench.run(xargs, "-P", SLOTS, "-n", "1", "/bin/true", cwd=words.parent, stdin=words)
        cpu[1].append(done.cpu_seconds)
        return done.seconds

    found = _rates(bench, mine, count, theirs, count, "xargs", 0.8)
    # what other programs do meanwhile changes the rate much, and this little
    times = statistics.median(cpu[0]) / statistics.median(cpu[1])
    more = {"cpu_seconds": cpu[0], "cpu_seconds_of_other": cpu[1]}
    return replace(
        found,
        measured=f"{found.measured}, with {times:.2f} times its CPU time",
        figures={**found.figures, **more},
    )


@row("throughput", "the same, against HyperQueue's LocalCluster", "1.5 times")
def against_hyperqueue(bench: Bench) -> Outcome:
    count = bench.size(FULL, QUICK)
    python = bench.peers.hyperqueue
    ours = array(bench, count)

    def theirs() -> float:
        program = PROGRAMS / "hyperqueue_array.py"
        return seconds_in(bench.run(python, program, str(count), SLOTS, cwd=bench.folder()).stdout)

    return _rates(bench, lambda: ours.execute(count), count, theirs, count, "HyperQueue", 1.5)


@row("throughput", "the same, against GNU parallel --joblog", "3 times")
def against_parallel(bench: Bench) -> Outcome:
    count = bench.size(FULL, QUICK)
    parallel = bench.peers.parallel
    ours = array(bench, count)
    words = bench.folder() / "words"
    words.write_text("x\n" * count)

    def theirs() -> float:
        argv = [parallel, "--will-cite", "-j", SLOTS, "--joblog", "joblog", "/bin/true"]
        return bench.run(*argv, cwd=words.parent, stdin=words).seconds

    return _rates(bench, lambda: ours.execute(count), count, theirs, count, "parallel", 3)


@row("throughput", "the same, against gridtk 2.1.0", "100 times")
def against_gridtk(bench: Bench) -> Outcome:
    count, theirs_count = bench.size(FULL, QUICK), bench.size(100, 20)
    gridtk = bench.peers.gridtk
    ours = array(bench, count)

    def theirs() -> float:
        folder = bench.folder()
        bench.run(gridtk, "--local", "submit", "-t", f"1-{theirs_count}", "--", "/bin/true", cwd=folder)
        return bench.run(gridtk, "--local", "run-scheduler", "-x", "-p", SLOTS, cwd=folder).seconds

    return _rates(bench, lambda: ours.execute(count), count, theirs, theirs_count, "gridtk", 100)


@row("throughput", "the same, against task-spooler", "")
def against_task_spooler(bench: Bench) -> Outcome:
    count, theirs_count = bench.size(FULL, QUICK), bench.size(500, 100)
    tsp = bench.peers.task_spooler
    ours = array(bench, count)

    def theirs() -> float:
        folder = bench.folder()
        env = {"TS_SOCKET": str(folder / "socket"), "TS_SLOTS": SLOTS, "TMPDIR": str(folder)}
        script = f"i=0; while [ $i -lt {theirs_count} ]; do {tsp} /bin/true >&2; i=$((i+1)); done; {tsp} -w"
        try:
            return bench.run("/bin/sh", "-c", script, cwd=folder, env=env).seconds
        finally:
            bench.run(tsp, "-K", cwd=folder, env=env, seconds=10, check=False)

    return _rates(bench, lambda: ours.execute(count), count, theirs, theirs_count, "task-spooler", None)


def _against_array(
    bench: Bench, other: Prepared, count: int, name: str, least: float, *options: str
) -> Outcome:
    base = array(bench, count)
    return _rates(
        bench,
        lambda: other.execute(count, *options),
        count,
        lambda: base.execute(count),
        count,
        "array",
        least,
        name,
    )


@row("throughput", "4,000 single jobs, against the array", "0.8 of its rate")
def single_jobs(bench: Bench) -> Outcome:
    count = bench.size(FULL, QUICK)
    other = Prepared(bench, singles(bench, count, "logs"))
    return _against_array(bench, other, count, "single jobs", 0.8)


@row("throughput", "4,000 jobs in one chain, against the array", "0.6 of its rate")
def chain(bench: Bench) -> Outcome:
    count = bench.size(FULL, QUICK)
    folder = bench.folder()
    submit(bench, folder, "--log-dir", "logs", "--repeat", str(count), "/bin/true")
    return _against_array(bench, Prepared(bench, folder), count, "chain", 0.6)


@row("throughput", "the array with output to the console, against log files", "0.6 of its rate")
def console(bench: Bench) -> Outcome:
    count = bench.size(FULL, QUICK)
    return _against_array(bench, array(bench, count), count, "console", 0.6, "--no-log-files")
