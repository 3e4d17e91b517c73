"""What sbatch prints."""

from __future__ import annotations

import re

from asyncjman.engines.cluster.dialect import ParseError
from asyncjman.system.tool import Completed

_ID = re.compile(r"(\d{1,10})(;\S*)?", re.ASCII)


def parse_sbatch(done: Completed) -> str:
    """Return the native id, without the name of the cluster that may follow. Raises ParseError."""
    for line in reversed(done.stdout.splitlines()):  # a site's plugins may say something before it
        if match := _ID.fullmatch(line.strip()):
            return match[1]
    raise ParseError(f"sbatch's output can't be read: {done.stdout!r}")
