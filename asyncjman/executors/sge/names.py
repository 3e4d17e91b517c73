"""The name that a job has on the grid: our job id is in it, by which it is known."""

from __future__ import annotations

import re

_BAD = re.compile(r"[^A-Za-z0-9_.+-]+")
_PREFIXED = re.compile(r"jm(\d{1,18})(?:_.*)?", re.ASCII | re.DOTALL)
_MAX_LENGTH = 100


def grid_name(job_id: int, name: str) -> str:
    """Return a name that every Grid Engine takes (sge_types(1), object_name), such as ``jm42_train``.

    >>> grid_name(42, "my job: é")
    'jm42_my_job_'
    """
    return f"jm{job_id}_{_BAD.sub('_', name)}"[:_MAX_LENGTH]


def grid_name_pattern(job_id: int) -> str:
    """Return the wildcard pattern that means this job's names only, for qstat -j and qacct -j."""
    return f"jm{job_id}_*"


def job_id_of(name: str) -> int | None:
    """Return our job id from a name on the grid; None for a job that is not ours."""
    match = _PREFIXED.fullmatch(name)
    return int(match[1]) if match else None
