"""Measure all rows, and print the table: ``python -m benchmarks.run``."""

from __future__ import annotations

import argparse
import fnmatch
import signal
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path
from types import FrameType

from benchmarks import machine, report
from benchmarks.bench import ROWS, Bench, Row
from benchmarks.ground import GROUNDS, ground
from benchmarks.measure import NotMeasured
from benchmarks.peers import Peers, cache_folder
from benchmarks.report import Line, Outcome

GROUPS = ("throughput", "flat", "scale", "startup", "submit", "memory", "listing", "api", "sge", "slurm")


def main() -> int:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--only", metavar="PATTERN", action="append", help="rows whose group or words match")
    parser.add_argument(
        "--repeat", type=int, metavar="N", help="measure each pair N times (default 5; quick: 3)"
    )
    parser.add_argument("--quick", action="store_true", help="smaller numbers: to see that it works")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there, - prints them")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table there too")
    parser.add_argument("--list", action="store_true", help="only say which rows there are")
    parser.add_argument("--scratch", type=Path, metavar="DIR", help="work there (default: TMPDIR)")
    parser.add_argument(
        "--ground",
        choices=GROUNDS,
        default="auto",
        help="journaled: on an ext4 image, mounted for this (root); auto: where there is no journal",
    )
    options = parser.parse_args()
    for group in GROUPS:
        import_module(f"benchmarks.rows.{group}")
    chosen = [one for one in ROWS if _matches(one, options.only)]
    if options.list:
        print("\n".join(f"{one.group}: {one.what}: {one.target or 'no target'}" for one in chosen))
        return 0
    repeat = options.repeat or (3 if options.quick else 5)
    with (
        tempfile.TemporaryDirectory(
            prefix="jman-bench-", dir=options.scratch, ignore_cleanup_errors=True
        ) as folder,
        ground(Path(folder).resolve(), options.ground) as scratch,
    ):
        about = machine.describe(scratch)
        bench = Bench(scratch=scratch, peers=Peers(cache_folder()), repeat=repeat, quick=options.quick)
        lines = _measure(bench, chosen)
    print(report.machine_text(about), report.text_table(lines), report.summary(lines), sep="\n\n")
    asked = {"quick": options.quick, "repeat": repeat, "only": options.only}
    if options.json is not None:
        text = report.to_json(about, asked, lines)
        if str(options.json) == "-":
            print(text)
        else:
            options.json.write_text(text + "\n", "utf-8")
    if options.markdown is not None:
        options.markdown.write_text(report.markdown(about, lines), "utf-8")
    return 0


def _matches(one: Row, patterns: list[str] | None) -> bool:
    words = f"{one.group}: {one.what}".lower()
    return not patterns or any(fnmatch.fnmatch(words, f"*{pattern.lower()}*") for pattern in patterns)


def _measure(bench: Bench, chosen: list[Row]) -> list[Line]:
    lines: list[Line] = []
    signal.signal(signal.SIGALRM, _give_up)
    try:
        for number, one in enumerate(chosen, 1):
            print(f"[{number}/{len(chosen)}] {one.group}: {one.what}", file=sys.stderr, flush=True)
            start = time.monotonic()
            outcome = _outcome(bench, one)
            lines.append(Line(one.group, one.what, one.target, time.monotonic() - start, outcome))
            said = outcome.problem or outcome.measured
            print(f"    {outcome.verdict}: {said} ({lines[-1].seconds:.0f} s)", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print("interrupted: here is what there is", file=sys.stderr)
    return lines


def _outcome(bench: Bench, one: Row) -> Outcome:
    signal.alarm(int(one.limit))
    try:
        return one.measure(bench)
    except NotMeasured as error:
        return Outcome("", problem=str(error))
    except Exception as error:
        return Outcome("", problem=f"{type(error).__name__}: {error}")
    finally:
        signal.alarm(0)


def _give_up(number: int, frame: FrameType | None) -> None:
    raise NotMeasured("it took too long")


if __name__ == "__main__":
    sys.exit(main())
