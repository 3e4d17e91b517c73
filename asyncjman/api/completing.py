"""Ids that begin as a word does: what the Tab key asks for, with as little loaded for it as there can be."""

from __future__ import annotations

import re
from itertools import islice

from asyncjman.store.immediate import at_once
from asyncjman.store.latest import latest_ids
from asyncjman.store.readnow import ReadNow

TYPE_CHECKING = False  # the typing module is not loaded for it
if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from asyncjman.store.source import Source

_MOST = 200
_BEGUN = r"(?P<before>(?:.*[,-])?)(?P<begun>[0-9]*)"
_TASKS = r"(?P<job>[0-9]{1,18})\." + _BEGUN


def words_now(path: Path, word: str) -> list[str] | None:
    """Return the words that a word may become; None where a ``JobManager`` has to be opened for it."""
    source = ReadNow.open(path)
    if source is None:
        return None
    try:
        before, _, ids = at_once(begun(source, word))
        return [f"{before}{one}" for one in ids]
    finally:
        source.close()


async def begun(source: Source, word: str) -> tuple[str, int | None, list[int]]:
    """Return what stands before the id that a word ends in, the job whose task it is, and ids that begin so.

    Where no job is named, they are ids of the latest jobs. ``2.1,2`` is task 1 and a task of job 2 that
    begins with 2, ``1,2`` job 1 and a job.
    """
    if "." in word and (match := re.fullmatch(_TASKS, word)):
        job_id, before = int(match["job"]), f"{match['job']}.{match['before']}"
        ids = await _task_ids(source, job_id)
    elif match := re.fullmatch(_BEGUN, word):
        job_id, before = None, match["before"]
        ids = await latest_ids(source, _MOST)
    else:
        return "", None, []
    return before, job_id, list(islice((one for one in ids if str(one).startswith(match["begun"])), _MOST))


async def _task_ids(source: Source, job_id: int) -> Iterable[int]:
    from asyncjman.store.rows import array_of
    from asyncjman.store.tasks import default_status

    now = await default_status(source, job_id)
    array = array_of(now[1], job_id) if now is not None else None
    return array.sorted() if array is not None else ()
