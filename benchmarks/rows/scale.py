"""How commands grow with what is in the database: CPU seconds and memory at two sizes, and the exponent."""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench import Bench, row
from benchmarks.measure import NotMeasured, Run
from benchmarks.report import Outcome
from benchmarks.rows.local import DATABASE

MB = 1_000_000
TINY = 10
"""What a command on so few jobs takes is its start, and doesn't count for the exponent."""
NOISE = 0.03
"""CPU seconds by which one run of a command differs from another: what is less is not told from its start."""
STEP = 10
"""The bigger size is so many times the smaller one."""


@dataclass(frozen=True, slots=True)
class _Limit:
    """What is asked of the bigger size; None: nothing."""

    seconds: float | None = None
    megabytes: float | None = None
    exponent: float = 1.2

    def __str__(self) -> str:
        parts = [f"{self.seconds:g} s"] if self.seconds else []
        parts += [f"{self.megabytes:g} MB"] if self.megabytes else []
        return ", ".join([*parts, f"exponent {self.exponent:g}"]) + " at most"


def _filled(bench: Bench, kind: str, count: int) -> Path:
    folder = bench.folder()
    bench.program("scale_fill", kind, str(count), cwd=folder, seconds=600)
    shutil.copyfile(folder / DATABASE, folder / "kept")
    return folder


def _run(bench: Bench, folder: Path, words: tuple[str, ...], fails: bool) -> Run:
    for path in folder.glob(f"{DATABASE}*"):
        bench.put_away(path)
    shutil.copyfile(folder / "kept", folder / DATABASE)
    done = bench.run(
        bench.jman, "--local", *words, cwd=folder, seconds=900, keep_output=fails, check=not fails
    )
    if fails and done.exit_status != 2:
        raise NotMeasured(f"it ended with {done.exit_status}, and not as a user's mistake")
    return done


def _add(kind: str, count: int, what: str, words: str, limit: _Limit, *, fails: bool = False) -> None:
    @row("scale", f"{what} ({kind} of {count:,})", str(limit))
    def measure(bench: Bench) -> Outcome:
        big = bench.size(count, count // STEP)
        runs = [
            _run(bench, _filled(bench, kind, size), tuple(words.split()), fails)
            for size in (TINY if kind != "array" else 1000, big // STEP, big)
        ]
        base, small, large = (one.cpu_seconds for one in runs)
        growth = max(large - base, NOISE) / max(small - base, NOISE)
        exponent = math.log(growth) / math.log(STEP)
        megabytes = runs[2].peak_memory / MB
        return Outcome(
            f"{large:.2f} s, {megabytes:.0f} MB at {big:,} ({small:.2f} s at {big // STEP:,}); "
            f"exponent {exponent:.2f}",
            exponent <= limit.exponent
            and (limit.seconds is None or large <= limit.seconds)
            and (limit.megabytes is None or megabytes <= limit.megabytes),
            {
                "exponent": exponent,
                "cpu_seconds": [one.cpu_seconds for one in runs],
                "seconds": [one.seconds for one in runs],
                "peak_megabytes": [one.peak_memory / MB for one in runs],
                "size": big,
            },
        )


def _first_page(bench: Bench, folder: Path) -> float:
    """Return the seconds until the first job is shown."""
    return bench.run(
        "/bin/sh", "-c", f"{bench.jman} --local list | head -n 3", cwd=folder, keep_output=False
    ).seconds


@row("scale", "list, until the first of 100,000 jobs is shown", "1 s at most")
def first_page(bench: Bench) -> Outcome:
    count = bench.size(100_000, 10_000)
    seconds = _first_page(bench, _filled(bench, "singles", count))
    return Outcome(f"{seconds:.2f} s", seconds <= 1, {"seconds": seconds, "size": count})


ARRAY, SINGLES, CHAIN = 1_000_000, 100_000, 10_000
_ROWS: tuple[tuple[str, int, str, str, _Limit], ...] = (
    ("array", ARRAY, "why", "why 1", _Limit(1)),
    ("array", ARRAY, "report -e", "report -e 1", _Limit(1)),
    ("array", ARRAY, "report", "report 1", _Limit()),
    ("array", ARRAY, "delete -a 1-10", "delete 1 -a 1-10", _Limit(1)),
    ("singles", SINGLES, "list", "list", _Limit(megabytes=60)),
    ("singles", SINGLES, "stop", "stop", _Limit(10, 120)),
    ("singles", SINGLES, "resubmit", "resubmit", _Limit(10, 120)),
    ("singles", SINGLES, "delete", "delete", _Limit(10, 120)),
    ("chain", CHAIN, "stop", "stop", _Limit(2)),
    ("chain", CHAIN, "delete", "delete", _Limit(2)),
)
for _kind, _count, _what, _words, _limit in _ROWS:
    _add(_kind, _count, _what, _words, _limit)
_add("singles", 10_000, "submit -x 1-1000000", "submit -x 1-1000000 /bin/true", _Limit(1), fails=True)
