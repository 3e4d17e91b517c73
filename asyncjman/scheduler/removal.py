"""Removing files after the transaction that made them superfluous: whoever comes next finishes it.

Files go while the write lock is held, and are forgotten in the same transaction: nobody can start a
task, whose logs would have the same names, between one and the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from asyncjman.errors import DatabaseProblem
from asyncjman.store import errands, jobs, removals, submissions
from asyncjman.store.database import Database, Transaction
from asyncjman.store.removals import Logs, Spool
from asyncjman.store.runnerlock import remove_strays
from asyncjman.system.logs import detached_outputs, logs_from, refuse_foreign_link, remove_logs, remove_spool


@dataclass(slots=True)
class Removed:
    """What was removed, and what could not be, by job id."""

    paths: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    problems: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    outputs: list[str] = field(default_factory=list)
    """Of detached executes, which go with the database."""


async def finish(database: Database) -> Removed:
    """Remove all that is to be removed, the database file too where that is its turn.

    What can't be removed is told, and not tried again.
    """
    removed = Removed()
    while await removals.are_files_pending(database):
        async with database.transaction(quiet=True) as tx:
            some = await removals.next_ones(tx)
            await _remove_logs(tx, [one for one in some if isinstance(one, Logs)], removed)
            for spool in (one for one in some if isinstance(one, Spool)):
                await tx.runtime.in_thread(remove_spool, database.path, spool.token)
            await removals.done(tx, some)
    if await removals.database_too(database):
        if await jobs.count(database):
            async with database.transaction(quiet=True) as tx:
                await removals.keep_database(tx)
        else:
            token = await submissions.database_token(database)
            outputs = detached_outputs(database.path) if await removals.outputs_too(database) else []
            if await database.remove_if(removals.IN_USE):
                remove_strays(database.path, token)  # of runners that were killed
                for path in outputs:
                    with suppress(OSError):
                        path.unlink()
                        removed.outputs.append(str(path))
    return removed


async def finish_or_tell(database: Database) -> tuple[Removed, list[str]]:
    """Remove all that is to be removed; also return why some of it is left, in words for the user."""
    try:
        return await finish(database), []
    except DatabaseProblem as error:  # a full disk
        why = str(error).removesuffix(", nothing was changed")
        return Removed(), [f"not all files could be removed, the next jman command goes on: {why}"]


async def finish_before(
    tx: Transaction, job_ids: Iterable[int], task_ids: Container[tuple[int, int]]
) -> None:
    """Remove the earlier logs of tasks that are about to be started: of these (job id, task id)."""
    if await errands.removes(tx):
        logs = await removals.logs_of(tx, job_ids)
        some = [one for one in logs if any((one.job_id, task_id) in task_ids for task_id in one.task_ids)]
        await _remove_logs(tx, some, Removed())
        await removals.done(tx, some)


async def finish_before_all(tx: Transaction, job_id: int) -> None:
    """Remove the earlier logs of all tasks of a job, which are about to be started."""
    if await errands.removes(tx):
        some = await removals.logs_of(tx, [job_id])
        await _remove_logs(tx, some, Removed())
        await removals.done(tx, some)


async def _remove_logs(tx: Transaction, some: Sequence[Logs], removed: Removed) -> None:
    if some:
        await tx.runtime.in_thread(_remove_files, some, removed)


def _remove_files(some: Sequence[Logs], removed: Removed) -> None:
    folders: dict[Path, None] = {}
    for one in some:
        first = logs_from(one.start, one.job_id, 0)[0]
        try:
            refuse_foreign_link(one.exec_dir, first)
            removed.paths[one.job_id].extend(remove_logs(one.start, one.job_id, one.task_ids, one.attempt))
        except OSError as error:
            removed.problems[one.job_id].append(f"can't remove {error.filename}: {error.strerror}")
        else:
            if one.with_folder and Path(first).parent != Path(one.exec_dir):
                folders[Path(first).parent] = None
    for folder in folders:
        with suppress(OSError):  # not empty, or gone
            folder.rmdir()
