"""How many jobs one transaction changes: others want to write, too.

What waits for a job has a greater id than that job. Portions that go from the last job to the first end what
waits before that for which it waits: nothing starts in between. Portions that go from the first to the last
have a job run again before what waits for it does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized

JOBS = 5000


def is_one(job_ids: Sized) -> bool:
    """Tell whether one transaction is enough."""
    return len(job_ids) <= JOBS


def portions(job_ids: Iterable[int], *, last_first: bool = False) -> Iterator[list[int]]:
    """Yield job ids, in order, as many at a time as go into one transaction."""
    ids = sorted(job_ids)
    starts = range(0, len(ids), JOBS)
    for start in reversed(starts) if last_first else starts:
        yield ids[start : start + JOBS]
