"""All long forms of the fault tests, one after the other; the figures stand in torture.txt at the end.

``python -m tests.faults.torture``. JMAN_TORTURE_SECONDS (default 600) is how long each search for bad
input and each soak goes on, and the model twice as long; JMAN_TRIALS is how often the others try.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
FIGURES = ROOT / "torture.txt"
_NAMES = ("soak", "fuzz", "cluster", "damage")
BESIDE = ["tests/faults/model", *(f"tests/faults/test_{name}.py" for name in _NAMES)]
PARTS = {
    # these count seconds: nothing else runs then
    "alone": ["tests/faults", "-m", "not beside"],
    "API": ["tests/api/test_cancelling.py", "tests/faults/test_cancelled_submit.py"],
    "cluster": ["tests/cli/sge/test_faults.py"],
    # on all processors
    "simulation": ["tests/simulation", "-m", "beside"],
    # the long ones first: each has a processor to itself, or nearly
    "beside each other": [*BESIDE, "-m", "beside", "-n", "3", "--dist", "load", "--maxschedchunk", "1"],
}


def main() -> int:
    """Run all parts, whatever comes of each; return 0 where all went well."""
    FIGURES.unlink(missing_ok=True)
    environment = {**os.environ, "JMAN_TORTURE": "1", "JMAN_LONG": "1"}
    # each has an end of its own; the limit is for what goes wrong
    plugin = ["-p", "tests.faults.figures", "--figures", str(FIGURES), "--timeout", "7200"]
    failed = []
    begun = time.monotonic()
    for name, words in PARTS.items():
        print(f"== {name}", flush=True)
        ended = subprocess.run([sys.executable, "-m", "pytest", *plugin, *words], cwd=ROOT, env=environment)
        if ended.returncode:
            failed.append(name)
    with FIGURES.open("a", encoding="utf-8") as stream:
        result = f"failed: {', '.join(failed)}" if failed else "all went well"
        print(f"torture: {(time.monotonic() - begun) / 60:.0f} minutes, {result}", file=stream)
    print(FIGURES.read_text("utf-8"))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
