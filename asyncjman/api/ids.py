"""Which jobs and tasks a user means: by ids, the cluster's or ours, and by parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from asyncjman.errors import BadDependency, BadSelection
from asyncjman.model.graph import Dependency, Kind
from asyncjman.model.job import PLAIN_TASK, Job
from asyncjman.model.selection import Ids, Selection, format_ids
from asyncjman.store import jobs
from asyncjman.store.database import Reader


async def resolve_ids(database: Reader, path: Path, selection: Selection) -> tuple[range, ...]:
    """Return the job ids that are meant.

    A number is a job id first; where no job has it, it is the cluster's. Raises BadSelection where it
    is neither, or where it is both, of different jobs.
    """
    found = list(selection.ids)
    missing = [str_of(one) for one in selection.ids if not await jobs.existing(database, [one])]
    for one in selection.either:
        there = await jobs.existing(database, [one])
        on_grid = await jobs.by_grid_id(database, one)
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
        on_grid = await jobs.by_grid_id(database, one)
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


def where_tasks(selected: Sequence[Job], where: Mapping[str, str]) -> tuple[list[Job], list[int]]:
    """Return the one sweep that is selected, and its tasks whose parameters have these values.

    Raises BadSelection where there is none, or more than one job.
    """
    swept = [job for job in selected if job.spec.sweep is not None]
    if len(swept) != 1:
        raise BadSelection("--where goes with one job that was submitted with --sweep")
    assert swept[0].spec.sweep is not None
    found = [index + 1 for index in swept[0].spec.sweep.indexes(where)]
    if not found:
        raise BadSelection(f"no task of job {swept[0].id} has these parameters")
    return swept, found


async def resolve_dependencies(
    database: Reader, path: Path, wanted: Mapping[Kind, Ids]
) -> tuple[Dependency, ...]:
    """Return the dependencies that are meant, by job ids; a number may be the cluster's.

    Raises BadSelection where a number means two jobs, BadDependency where a job is not there.
    """
    found: list[Dependency] = []
    for kind, ids in wanted.items():
        selection = Selection(ids=ids.jobs, either=ids.either, grid_ids=ids.grid)
        for one in await resolve_ids(database, path, selection):
            there = await jobs.existing(database, [one])
            if len(there) < len(one):
                missing = next(job_id for job_id in one if job_id not in there)
                raise BadDependency(f"can't wait for job {str_of(one)}: there is no job {missing}")
            found += (Dependency(job_id, kind) for job_id in one)
    return tuple(dict.fromkeys(found))


def check_tasks(job: Job, task_ids: Iterable[int]) -> None:
    """Raise BadSelection where a job has no such task."""
    array = job.spec.array
    missing = [one for one in task_ids if (one != PLAIN_TASK if array is None else one not in array)]
    if missing:
        what = f"its tasks are {array}" if array else "it has no array"
        raise BadSelection(f"job {job.id} has no task {format_ids(missing[:10])}: {what}")
