"""Which tasks of an array have rows: all before the index of its job have."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from asyncjman.store.database import Reader, Transaction
from asyncjman.store.jobs import REVISION

if TYPE_CHECKING:
    from asyncjman.model.array import ArraySpec


async def first_gap(source: Reader | Transaction, job_id: int, array: ArraySpec) -> int:
    """Return the index (from 0) of the first task of an array that has no row; its length where all have.

    The number of queries grows with the logarithm of the array.
    """

    async def all_have_rows(part: range) -> bool:
        found = await source.fetch(
            "SELECT count(*) FROM task WHERE job_id = ? AND task_id BETWEEN ? AND ? "
            "AND (task_id - ?) % ? = 0",
            (job_id, part[0], part[-1], part[0], part.step),
        )
        return int(found[0][0]) == len(part)

    before = 0
    for one in array.ranges:
        if not await all_have_rows(one):
            part = one
            while len(part) > 1:
                half = part[: len(part) // 2]
                part = part[len(half) :] if await all_have_rows(half) else half
            return before + one.index(part[0])
        before += len(one)
    return before


async def set_next_index(tx: Transaction, job_id: int, index: int) -> None:
    """Store that the array's tasks before an index have rows."""
    await tx.execute("UPDATE job SET next_index = ? WHERE id = ?", (index, job_id))


async def forget(tx: Transaction, job_id: int, task_ids: Sequence[int], array: ArraySpec) -> None:
    """Take tasks out of an array for good; ``array`` is what is left of it."""
    ids = json.dumps(list(task_ids))
    for table in ("task", "attempt", "failure"):
        await tx.execute(
            f"DELETE FROM {table} WHERE job_id = ? AND task_id IN (SELECT value FROM json_each(?))",
            (job_id, ids),
        )
    await tx.execute(
        f"UPDATE job SET array = ?, task_count = ?, revision = {REVISION} WHERE id = ?",
        (str(array), len(array), job_id),
    )
    await set_next_index(tx, job_id, await first_gap(tx, job_id, array))
