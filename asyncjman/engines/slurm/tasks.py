"""Numbers of tasks, as Slurm writes and reads them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from asyncjman.engines.cluster.dialect import ParseError

_PART = re.compile(r"(\d{1,10})(?:-(\d{1,10})(?::(\d{1,10}))?)?", re.ASCII)


def parse_tasks(text: str) -> tuple[range, ...]:
    """Read ``1,3,5-9:2%4``, with or without brackets; none for a job that is no array.

    Raises ParseError for a list that is cut off, as ``1-3,...`` is.
    """
    if text in ("N/A", ""):
        return ()
    found = []
    for part in text.partition("%")[0].strip("[]").split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise ParseError(f"the numbers of tasks {text!r} can't be read")
        first, last, step = int(match[1]), int(match[2] or match[1]), int(match[3] or 1)
        if not step:
            raise ParseError(f"the numbers of tasks {text!r} can't be read")
        found.append(range(first, last + 1, step))
    return tuple(found)


def format_tasks(tasks: Sequence[range]) -> str:
    """Write ranges as ``--array`` and ``scancel`` take them."""
    return ",".join(_one(one) for one in tasks)


def _one(tasks: range) -> str:
    if len(tasks) == 1:
        return str(tasks[0])
    return f"{tasks[0]}-{tasks[-1]}" + (f":{tasks.step}" if tasks.step > 1 else "")
