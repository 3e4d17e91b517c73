"""Which jobs and tasks a user means: by ids, the cluster's or ours, by names, and by parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from asyncjman.api.named import Names, what_is_missing
from asyncjman.errors import BadDependency, BadSelection
from asyncjman.model.graph import Dependency, Kind
from asyncjman.model.ids import Latest, Named, Numbers, Space, Word, str_of
from asyncjman.model.job import PLAIN_TASK, Job
from asyncjman.model.selection import Selection, format_ids, ranges_of
from asyncjman.store import jobs
from asyncjman.store.latest import latest_ids

TYPE_CHECKING = False  # neither the typing module nor what waits is loaded for it
if TYPE_CHECKING:
    from asyncjman.store.source import Source

MOST_TASKS = 10_000_000
"""How many tasks can be named one by one."""


async def resolve(
    database: Source, path: Path, selection: Selection, task_ids: Sequence[int] = ()
) -> Selection:
    """Return a selection by job ids and tasks alone; ``task_ids`` are of the one job that is named.

    A number is a job id first; where no job has it, it is the cluster's. Raises BadSelection where a word
    matches nothing, where a number means two jobs, and where a job has no such task.
    """
    missing = [Word(Numbers(Space.JOB, one)) for one in selection.ids if not await _is_any(database, one)]
    tasks = {job_id: set(some) for job_id, some in selection.tasks.items()}
    whole = [one for one in selection.ids if not (len(one) == 1 and one[0] in tasks)]
    names = Names(database, derived=selection.derived_names)
    for word in selection.words:
        found = await _meant(database, names, word)
        if not found:
            missing.append(word)
        elif word.tasks:
            for job_id in (one[0] for one in found):
                tasks.setdefault(job_id, set()).update(_all_of(word.tasks))
        else:
            whole += found
    if missing:
        raise BadSelection(await what_is_missing(database, path, missing, names))
    if task_ids:
        tasks = {_only_job(whole, tasks): set(task_ids)}
        whole = []
    for job in await jobs.get(database, tasks, unreadable_too=True) if tasks else ():
        check_tasks(job, sorted(tasks[job.id]))
    of_job = {job_id: sorted(some) for job_id, some in tasks.items() if not _is_in(job_id, whole)}
    ids = (*whole, *(range(job_id, job_id + 1) for job_id in of_job))
    found_all = replace(selection, ids=ids, words=(), tasks=of_job)
    return await _of_names(found_all, names) if selection.names and selection.derived_names else found_all


async def _of_names(selection: Selection, names: Names) -> Selection:
    """Narrow a selection by ids to jobs of its names, given or derived from their commands."""
    meant = {job_id for name in selection.names for job_id in await names.find(name)}
    if selection.ids:
        meant = {job_id for job_id in meant if _is_in(job_id, selection.ids)}
    if not meant:
        return selection  # its names are those of no job
    tasks = {job_id: some for job_id, some in selection.tasks.items() if job_id in meant}
    return replace(selection, ids=ranges_of(meant), tasks=tasks, names=())


async def _meant(database: Source, names: Names, word: Word) -> Sequence[range]:
    """Return the ids of the jobs that a word means; () where it means none."""
    match word.target:
        case Latest(back):
            ids = await latest_ids(database, back + 1)
            return ranges_of(ids[back:])
        case Named(pattern):
            return ranges_of(await names.find(pattern))
        case Numbers(space, ids):
            there = await jobs.existing(database, [ids]) if space is not Space.GRID else set()
            on_grid = await jobs.by_native_id(database, ids) if space is not Space.JOB else set()
            if len(ids) == 1 and there and on_grid and there != on_grid:
                raise BadSelection(
                    f"{ids[0]} is the id of a job, and the grid's number of job {min(on_grid)}: "
                    f"write job:{ids[0]} or grid:{ids[0]}"
                )
            return (ids,) if there else ranges_of(on_grid)


async def _is_any(database: Source, ids: range) -> bool:
    return bool(await jobs.existing(database, [ids]))


def _is_in(job_id: int, ids: Iterable[range]) -> bool:
    return any(job_id in one for one in ids)


def _all_of(ranges: Sequence[range]) -> Iterable[int]:
    if sum(len(one) for one in ranges) > MOST_TASKS:
        raise BadSelection("more than ten million tasks are named")
    return (task_id for one in ranges for task_id in one)


def _only_job(whole: Sequence[range], tasks: Mapping[int, object]) -> int:
    """Return the one job that ``--array-ids`` is about."""
    if tasks:
        raise BadSelection("name tasks in one way: jman COMMAND 3.1-4, or jman COMMAND 3 -a 1-4")
    if len(whole) != 1 or len(whole[0]) != 1:
        raise BadSelection("--array-ids goes with one job: jman COMMAND -j 3 -a 1-4")
    return whole[0][0]


def where_tasks(selected: Sequence[Job], where: Mapping[str, str]) -> dict[int, list[int]]:
    """Return the tasks of sweeps whose parameters have these values, by job id.

    Raises BadSelection where there is no sweep, or none has such a task.
    """
    swept = {job.id: (job.spec.sweep, job.spec.array) for job in selected if job.spec.sweep is not None}
    if not swept:
        raise BadSelection("--where goes with jobs that were submitted with --sweep")
    found: dict[int, list[int]] = {}
    for job_id, (sweep, array) in swept.items():
        if len(swept) == 1 or where.keys() <= {name for name, _ in sweep.columns}:
            task_ids = [index + 1 for index in sweep.indexes(where) if array is None or index + 1 in array]
            if task_ids:
                found[job_id] = task_ids
    if not found:
        raise BadSelection(f"no task of job {format_ids(swept)} has these parameters")
    return found


async def resolve_dependencies(
    database: Source, path: Path, wanted: Mapping[Kind, Sequence[Word]]
) -> tuple[Dependency, ...]:
    """Return the dependencies that are meant, by job ids; a number may be the cluster's.

    Raises BadSelection where a word matches nothing, names tasks or means two jobs, BadDependency where
    a job is not there.
    """
    found: list[Dependency] = []
    for kind, words in wanted.items():
        if of_tasks := next((word for word in words if word.tasks), None):
            raise BadSelection(f"a job waits for whole jobs: write {of_tasks.target}, not {of_tasks}")
        for one in (await resolve(database, path, Selection(words=tuple(words)))).ids:
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
