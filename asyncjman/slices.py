"""The share of an array's task in a list of items."""

from __future__ import annotations

import os
from collections.abc import Mapping


def array_slice(count: int, environment: Mapping[str, str] | None = None) -> slice:
    """Return this task's share of ``count`` items: all shares together are all items, each once.

    Shares differ by one item at most. Outside of an array it is everything.

    >>> array_slice(10, {"SGE_TASK_ID": "2", "SGE_TASK_FIRST": "1", "SGE_TASK_LAST": "3"})
    slice(4, 7, None)
    >>> array_slice(10, {})
    slice(0, 10, None)
    """
    known = os.environ if environment is None else environment
    index, tasks = _place(known)
    share, more = divmod(count, tasks)
    start = index * share + min(index, more)
    return slice(start, start + share + (index < more))


def _place(known: Mapping[str, str]) -> tuple[int, int]:
    """Return the task's index (from 0), and how many tasks there are."""
    if "JMAN_TASK_INDEX" in known and "JMAN_TASK_COUNT" in known:
        return int(known["JMAN_TASK_INDEX"]), int(known["JMAN_TASK_COUNT"])
    task = known.get("SGE_TASK_ID", "undefined")
    if task == "undefined":
        return 0, 1
    first, last = int(known.get("SGE_TASK_FIRST", "1")), int(known["SGE_TASK_LAST"])
    step = int(known.get("SGE_TASK_STEPSIZE", "1"))
    return (int(task) - first) // step, (last - first) // step + 1
