"""Deleting jobs: after what runs of them was stopped; files go after the transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path

from asyncjman.engines.base import Engine
from asyncjman.model.array import ArraySpec
from asyncjman.model.job import LOCAL, Job
from asyncjman.model.status import FINISHED, Status
from asyncjman.scheduler import removal
from asyncjman.scheduler.portions import in_turn, is_one
from asyncjman.scheduler.reconcile import recover_orphans
from asyncjman.scheduler.resolving import end_and_resolve, end_tasks_and_resolve
from asyncjman.scheduler.stopping import stop_elsewhere, stop_in, unconfirmed, until_stopped
from asyncjman.store import array_index, jobs, removals, schedule, tasks
from asyncjman.store.database import Database, Transaction
from asyncjman.store.latest import latest_ids
from asyncjman.system.logs import log_start, spool_folder


@dataclass(frozen=True, slots=True)
class Deleted:
    """A job, or some tasks of it, that are no more; and what follows for jobs that waited for it."""

    job: Job
    task_ids: tuple[int, ...]
    removed: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    freed: list[int] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What stays."""

    logs: bool = False
    log_dir: bool = False
    """The folder of the logs, though it is empty."""


async def delete(
    database: Database,
    engine_of: Callable[[str], Engine],
    chosen: Sequence[tuple[int, str]],
    *,
    task_ids: Sequence[int] = (),
    kept: Kept,
) -> AsyncIterator[Deleted]:
    """Delete jobs, (id, engine), or only some tasks of them, after what runs of them was stopped; yield what
    was done.

    Very many are deleted in several transactions, the last jobs first: see ``portions``. The database goes
    with its last job. Raises EnvironmentProblem where something can't be stopped: nothing is deleted then.
    """
    if not chosen:
        return
    ids = [job_id for job_id, _ in chosen]
    cluster_ids = [job_id for job_id, engine in chosen if engine != LOCAL]
    open_there = await jobs.get(database, cluster_ids, unreadable_too=True) if cluster_ids else []
    elsewhere = [job for job in open_there if job.is_open_elsewhere]
    await stop_elsewhere(database, engine_of, elsewhere, task_ids)
    left = {job.id: await unconfirmed(database, [job.id], task_ids) for job in elsewhere}
    local = engine_of(LOCAL)
    await recover_orphans(database, local)
    waiting = await _unfinished_dependents(database, set(ids))
    await _stop_before(database, local, ids, task_ids)
    async for some in in_turn(ids, last_first=True):
        deleted = await _stop_and_delete(database, local, some, task_ids, waiting, kept)
        removed, left_over = await removal.finish_or_tell(database)
        if deleted:
            deleted[-1].problems.extend(left_over)
            deleted[-1].removed.extend(removed.outputs)
        for one in deleted:
            one.removed.extend(removed.paths.get(one.job.id, ()))
            one.problems.extend([*removed.problems.get(one.job.id, ()), *left.get(one.job.id, ())])
            yield one


async def _stop_before(
    database: Database, engine: Engine, ids: Sequence[int], task_ids: Sequence[int]
) -> None:
    """Stop what runs of jobs that are deleted in several transactions: none is deleted where that fails."""
    if is_one(ids) or not await tasks.held_jobs(database, ids, task_ids):
        return
    async for some in in_turn(ids, last_first=True):
        async with database.transaction() as tx:
            await stop_in(tx, await schedule.unfinished(tx, some, LOCAL), task_ids)
    await until_stopped(database, engine, await schedule.unfinished(database, ids, LOCAL), task_ids)


async def _stop_and_delete(
    database: Database,
    engine: Engine,
    ids: Sequence[int],
    task_ids: Sequence[int],
    waiting: Mapping[int, list[int]],
    kept: Kept,
) -> list[Deleted]:
    """Stop what runs here, and delete in the transaction that finds that nothing runs any more."""
    while True:
        async with database.transaction() as tx:
            chosen = await jobs.get(tx, ids, unreadable_too=True)
            unfinished = [job.id for job in chosen if job.status not in FINISHED and job.spec.engine == LOCAL]
            if not await tasks.held_jobs(tx, unfinished, task_ids):
                deleted = [_plan(job, task_ids) for job in chosen]
                await _note_files(tx, deleted, kept)
                await _delete(tx, deleted, waiting, kept)
                return [one for one, _ in deleted]
            await stop_in(tx, unfinished, task_ids)
        await until_stopped(database, engine, unfinished, task_ids)


_Planned = tuple[Deleted, ArraySpec | None]
"""What is deleted, and what is left of the job's array then; None: nothing of the job is left."""


def _plan(job: Job, task_ids: Sequence[int]) -> _Planned:
    left = job.spec.array.without(task_ids) if task_ids and job.spec.array else None
    return (Deleted(job, tuple(task_ids)), left) if left else (Deleted(job, ()), None)


async def _note_files(tx: Transaction, deleted: Sequence[_Planned], kept: Kept) -> None:
    """Store which files go with what is deleted; folders come last, they are to be empty by then."""
    folders: dict[str, tuple[Job, str]] = {}
    plain: list[tuple[Job, str]] = []
    any_spool = _is_folder(spool_folder(tx.path, ""))
    for one, left in deleted:
        job, start = one.job, log_start(one.job.spec)
        if start is not None and not kept.logs:
            if job.spec.array is None:
                plain.append((job, start))
            else:
                async for latest in _attempts(tx, one):
                    await removals.add_logs(tx, job.id, job.spec.exec_dir, start, latest)
            folders.setdefault(start.rpartition("/")[0], (job, start))
        if left is None and any_spool and _has_spool(tx.path, job.spec.token):
            await removals.add_spool(tx, job.id, job.spec.token)
    attempts = await tasks.plain_attempts(tx, [job.id for job, _ in plain])
    await removals.add_plain_logs(
        tx,
        [(job.id, job.spec.exec_dir, start, attempts[job.id]) for job, start in plain if job.id in attempts],
    )
    for folder, (job, start) in folders.items():
        if not kept.log_dir and _is_folder(folder):
            await removals.add_log_folder(tx, job.id, job.spec.exec_dir, start)


def _has_spool(database: Path, token: str) -> bool:
    return bool(token) and _is_folder(spool_folder(database, token))


def _is_folder(path: str) -> bool:
    return Path(path).is_dir()


async def _attempts(tx: Transaction, one: Deleted) -> AsyncIterator[list[tuple[int, int]]]:
    """Yield (task id, number of its latest attempt) of what is deleted, some of them at a time."""
    after = -1
    while some := await tasks.latest_attempts(tx, one.job.id, after, removals.TASKS_A_ROW, one.task_ids):
        yield some
        after = some[-1][0]


async def _delete(
    tx: Transaction, deleted: Sequence[_Planned], waiting: Mapping[int, list[int]], kept: Kept
) -> None:
    whole = [one for one, left in deleted if left is None]
    ids = [one.job.id for one in whole]
    await end_and_resolve(tx, ids)
    for one, left in deleted:
        if left is not None:
            await end_tasks_and_resolve(tx, one.job.id, one.task_ids)
            await array_index.forget(tx, one.job.id, one.task_ids, left)
    await jobs.delete_all(tx, ids)
    for one in whole:
        if others := waiting.get(one.job.id):
            await _tell_dependents(tx, one, others)
    if whole and not await latest_ids(tx, 1):
        await removals.add_database(tx, with_outputs=not kept.logs)


async def _tell_dependents(tx: Transaction, one: Deleted, waiting: Sequence[int]) -> None:
    now = await schedule.summaries(tx, waiting)
    for other_id, waits in (await schedule.dependencies(tx, now)).items():
        others = await schedule.summaries(tx, [each.job_id for each in waits])
        if any(not other.finished for other in others.values()):
            del now[other_id]  # it waits for others still
    for other in now.values():
        (one.skipped if other.status is Status.SKIPPED else one.freed).append(other.id)


async def _unfinished_dependents(database: Database, job_ids: Set[int]) -> dict[int, list[int]]:
    """Return for each job that hasn't ended the unfinished ones, others than these, that wait for it."""
    found = await schedule.open_dependents_of_each(database, job_ids)
    others = {job_id: [one for one in waiting if one not in job_ids] for job_id, waiting in found.items()}
    return {job_id: waiting for job_id, waiting in others.items() if waiting}
