"""The name that a job has on a cluster: by the job id and the token in it a launch is found again.

A token has 20 hexadecimal digits, of which the first 8 are the same for all launches of a database. Those of
earlier launches have 14: of some thousands two were the same now and then.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

_BAD = re.compile(r"[^A-Za-z0-9_.+-]+")
_OURS = re.compile(r"jm\d{1,18}_([0-9a-f]{14}|[0-9a-f]{20})(?:_|$)", re.ASCII)
_MAX_LENGTH = 100
_OF_DATABASE = 8


def job_name(job_id: int, token: str, name: str) -> str:
    """Return a name that every batch system takes (for Grid Engine: sge_types(1), object_name).

    >>> job_name(42, "0123456789abcdef0123", "my job: é")
    'jm42_0123456789abcdef0123_my_job_'
    """
    return f"jm{job_id}_{token}_{_BAD.sub('_', name)}"[:_MAX_LENGTH]


def token_in(name: str) -> str | None:
    """Return the token from a name on the cluster; None for a job that is not ours."""
    match = _OURS.match(name)
    return match[1] if match else None


def pattern_of(tokens: Iterable[str]) -> str:
    """Return the pattern that the names of all jobs of a database match, by tokens of some of them."""
    databases = {token[:_OF_DATABASE] for token in tokens}
    return f"jm*_{databases.pop()}*" if len(databases) == 1 else "jm*_*"
