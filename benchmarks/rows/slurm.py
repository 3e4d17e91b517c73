"""On a Slurm cluster. All jobs are held, so that none takes the machine's time; none is left behind."""

from __future__ import annotations

from contextlib import suppress

from benchmarks.bench import Bench, row
from benchmarks.measure import NotMeasured, in_turn
from benchmarks.report import Outcome
from benchmarks.rows.startup import TIMES

HELD = "--hold"


@row("slurm", "submit of one job against the bare sbatch", "0.4 s more at most")
def one_job(bench: Bench) -> Outcome:
    sbatch, folder = bench.peers.sbatch, bench.folder()
    ids: list[str] = []

    def ours() -> float:
        words = ("--cluster", "slurm", "submit", "-e", HELD, "/bin/true")
        return bench.run(bench.jman, *words, cwd=folder).seconds

    def theirs() -> float:
        argv = (sbatch, "--parsable", HELD, "--output=/dev/null", "--wrap=/bin/true")
        done = bench.run(*argv, cwd=folder)
        ids.append(done.stdout.partition(";")[0].strip())
        return done.seconds

    try:
        seconds = in_turn(bench.repeat * TIMES, ours, theirs, warm_up=True)
    finally:
        with suppress(NotMeasured):
            bench.run(bench.jman, "delete", cwd=folder, check=False, seconds=120)
        if ids:
            bench.run("scancel", *ids, cwd=folder, check=False)
    mine, bare = seconds.median(0), seconds.median(1)
    return Outcome(
        f"{mine * 1000:.0f} ms to {bare * 1000:.0f} ms",
        mine <= bare + 0.4,
        {"seconds": seconds.values[0], "seconds_of_other": seconds.values[1]},
    )
