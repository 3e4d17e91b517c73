"""How many jobs one transaction changes: others want to write, too.

What waits for a job has a greater id than that job. Portions that go from the last job to the first end what
waits before that for which it waits: nothing starts in between. Portions that go from the first to the last
have a job run again before what waits for it does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sized

JOBS = 1000
PAUSE_SECONDS = 0.03
"""Between two transactions. Nobody is told that the lock of a database is free: SQLite looks again and again,
after 25 ms where it has waited for a tenth of a second, which is about what one transaction takes."""


def is_one(job_ids: Sized) -> bool:
    """Tell whether one transaction is enough."""
    return len(job_ids) <= JOBS


def portions(job_ids: Iterable[int], *, last_first: bool = False) -> Iterator[list[int]]:
    """Yield job ids, in order, as many at a time as go into one transaction."""
    ids = sorted(job_ids)
    starts = range(0, len(ids), JOBS)
    for start in reversed(starts) if last_first else starts:
        yield ids[start : start + JOBS]


async def in_turn(job_ids: Iterable[int], *, last_first: bool = False) -> AsyncIterator[list[int]]:
    """Yield portions to be changed one after another, and let others write in between."""
    for number, some in enumerate(portions(job_ids, last_first=last_first)):
        if number:
            await asyncio.sleep(PAUSE_SECONDS)
        yield some
