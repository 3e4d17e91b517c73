"""The facts of a site, from ``scontrol show config``."""

from __future__ import annotations

import re

from asyncjman.engines.cluster.dialect import ParseError, Site
from asyncjman.system.tool import Completed

_LINE = re.compile(r"(\w+)\s*=\s*(.*)")
_FEWER = re.compile(r"\bmax_array_tasks=(\d{1,10})", re.ASCII)
MAX_ARRAY = 1000
"""The highest number of a task where MaxArraySize is the default."""


def parse_config(done: Completed) -> Site:
    """Read MinJobAge, how large arrays may be, and whether there is accounting. Raises ParseError."""
    values = {match[1]: match[2].strip() for line in done.stdout.splitlines() if (match := _LINE.match(line))}
    if "MaxArraySize" not in values:
        raise ParseError("scontrol's output can't be read")
    size, age = _number(values["MaxArraySize"]), _number(values.get("MinJobAge", ""))
    storage = values.get("AccountingStorageType", "")
    # its numbers go from 0 to one less; of a site with no arrays at all it is the cluster that says so
    highest = MAX_ARRAY if size is None else max(size - 1, 1)
    fewer = _FEWER.search(values.get("SchedulerParameters", ""))
    return Site(
        max_array=highest if fewer is None else max(min(int(fewer[1]), highest), 1),
        max_number=highest,
        forget_after=age,
        accounting=storage not in ("", "(null)") and not storage.endswith("/none"),
    )


def _number(text: str) -> int | None:
    match = re.match(r"\d{1,10}", text, re.ASCII)
    return int(match[0]) if match else None
