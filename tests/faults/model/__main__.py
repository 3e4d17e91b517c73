"""``python -m tests.faults.model SEED [SECONDS]``: the same operations once more."""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path

from tests.faults.model.run import describe, run


def main(seed: str, seconds: str = "20") -> int:
    """Run one seed; return 1 where a promise was broken."""
    # a shell's background job ignores it, and so would the commands until they mind it themselves
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="jman-model-") as folder:
        history, violations = run(Path(folder), int(seed), float(seconds))
    print(describe(history, violations, float(seconds)))
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
