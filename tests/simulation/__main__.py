"""``python -m tests.simulation SEED [COUNT]``: repeat one history and show it, or run many."""

from __future__ import annotations

import argparse
import sys
import time

from tests.simulation.history import stage
from tests.simulation.mixed import make_plan
from tests.simulation.report import Report


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("seed", type=int)
    parser.add_argument("count", type=int, nargs="?")
    chosen = parser.parse_args()
    if chosen.count is None:
        plan = make_plan(chosen.seed)
        for at, action in plan.actions:
            print(f"at {at:.4f}: {action}")
        with stage() as place:
            result = place.run(chosen.seed, tracing=True)
        print("\n".join(result.trace))
        print(f"seed {result.seed}, digest {result.digest}: {result.violation or 'no promise was broken'}")
        return 1 if result.violation else 0
    report = Report()
    begun = time.perf_counter()
    with stage() as place:
        for seed in range(chosen.seed, chosen.seed + chosen.count):
            result = place.run(seed)
            report.add(result)
            if result.violation:
                print(f"seed {seed}: {result.violation}", flush=True)
    print(report.text(time.perf_counter() - begun))
    return 1 if report.broken else 0


if __name__ == "__main__":
    sys.exit(main())
