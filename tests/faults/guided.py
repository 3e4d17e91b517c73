"""Looks for bytes that break a parser, guided by coverage (atheris, libFuzzer).

``python -m tests.faults.guided NAME SECONDS FOLDER``: status 0 where nothing was found.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

# ours, and the parsers of the standard library that ours stand on
with atheris.instrument_imports(include=["asyncjman", "tomllib", "shlex"]):
    from asyncjman.model import sweep
    from tests.faults import parsers


def main(name: str, seconds: str, folder: str) -> None:
    """Look for so many seconds; files go to ``folder``."""
    corpus = Path(folder, "corpus")
    corpus.mkdir()
    for number, seed in enumerate(parsers.PARSERS[name].seeds):
        (corpus / f"seed{number}").write_bytes(seed)
    sweep.MAX_RANGE = 1000  # millions of values are allowed, but slow to make
    options = [f"-max_total_time={seconds}", "-max_len=8192", "-timeout=20", "-rss_limit_mb=1500"]
    options += ["-print_final_stats=1", f"-artifact_prefix={folder}/"]
    atheris.Setup(["fuzz", *options, str(corpus)], parsers.PARSERS[name].check)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
