"""Ids as users write them: of jobs, or the cluster's own."""

from __future__ import annotations

from pathlib import Path

from asyncjman.errors import BadSelection
from asyncjman.model.selection import Selection
from asyncjman.store import jobs, submissions
from asyncjman.store.database import Database


async def resolve_ids(database: Database, path: Path, selection: Selection) -> tuple[range, ...]:
    """Return the job ids that are meant.

    A number is a job id first; where no job has it, it is the cluster's. Raises BadSelection where it
    is neither, or where it is both, of different jobs.
    """
    found = list(selection.ids)
    missing = [str_of(one) for one in selection.ids if not await jobs.existing(database, [one])]
    for one in selection.either:
        there = await jobs.existing(database, [one])
        on_grid = await submissions.by_grid_id(database, one)
        if len(one) == 1 and there and on_grid and there != on_grid:
            number, other = one[0], min(on_grid)
            raise BadSelection(
                f"{number} is the id of a job, and the grid's number of job {other}: "
                f"write job:{number} or grid:{number}"
            )
        if there:
            found.append(one)
        elif on_grid:
            found.extend(range(job_id, job_id + 1) for job_id in on_grid)
        else:
            missing.append(str_of(one))
    for one in selection.grid_ids:
        on_grid = await submissions.by_grid_id(database, one)
        found.extend(range(job_id, job_id + 1) for job_id in on_grid)
        if not on_grid:
            missing.append(f"grid:{str_of(one)}")
    if missing:
        names = ", ".join(missing)
        raise BadSelection(f"no job {names} in {path} (jman list shows those that are there)")
    return tuple(found)


def str_of(ids: range) -> str:
    """Write a range of ids: ``3``, ``3-5``."""
    return str(ids[0]) if len(ids) == 1 else f"{ids[0]}-{ids[-1]}"
