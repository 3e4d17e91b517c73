"""Deleting jobs, or tasks of them, from the cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress

from asyncjman.errors import EnvironmentProblem, JmanError
from asyncjman.executors.command import CommandFailed
from asyncjman.executors.sge.executor import SgeExecutor, number_of
from asyncjman.model.selection import format_ids
from asyncjman.model.status import Status
from asyncjman.scheduler.grid.refresh import by_token, delete_listed, refresh
from asyncjman.scheduler.settle import settle
from asyncjman.store import submissions, tasks, transitions
from asyncjman.store.database import Database
from asyncjman.store.submissions import Submission

WAIT_SECONDS = 15.0
"""How long to wait for running tasks to be gone: 1 to 2 seconds are usual."""
_PAUSE = 0.3
_LOOKS = 5


async def cancel(
    database: Database,
    executor: SgeExecutor,
    job_ids: Sequence[int],
    task_ids: Sequence[int] = (),
    *,
    grace: float,
) -> None:
    """Delete jobs (or only some tasks) from the cluster; returns when nothing of them runs.

    What the cluster needs longer for is not finished then; it is recorded as stopped when it is gone.
    Raises EnvironmentProblem where the cluster doesn't answer, or doesn't delete: then nothing is recorded
    as stopped, and the error says what is not confirmed.
    """
    begun = await refresh(database, executor, grace=grace)
    active = [one for one in await submissions.active(database, job_ids) if one.grid_id is not None]
    if active and begun.problem is not None and not begun.answered:
        raise _unconfirmed(begun.problem, job_ids, "nothing was changed")
    await _ask(database, job_ids, task_ids)
    try:
        await _delete(executor, active, task_ids)
    except JmanError as error:
        async with database.transaction() as tx:
            await submissions.do_not_stop(tx, job_ids, task_ids)
        raise _unconfirmed(error, job_ids, "nothing was changed here") from error
    # what the cluster started in the meantime is not stopped yet, but being deleted
    seen = await refresh(database, executor, grace=grace)
    if active and seen.problem is not None and not seen.answered:
        raise _unconfirmed(seen.problem, job_ids, "the cluster was told to, and jman list finds out")
    await _ask(database, job_ids, task_ids)
    async with database.transaction() as tx:
        now = tx.runtime.time()
        for job_id in job_ids:
            await transitions.end_unstarted(
                tx, job_id, Status.STOPPED, "stopped", now, task_ids, queued_too=True
            )
        closed = await transitions.close_jobs(tx, job_ids, now)
        skipped = await settle(tx, closed)
        doomed = await submissions.active(tx, skipped)
        await submissions.deactivate(tx, [*closed, *skipped])
    if doomed:
        with suppress(CommandFailed):  # they find out by themselves that they are not to run
            await delete_listed(executor, doomed, by_token(await executor.query(patience=10.0)))
    deadline = database.runtime.monotonic() + WAIT_SECONDS
    while database.runtime.monotonic() < deadline:
        if not any([await tasks.unfinished_of(database, job_id, task_ids) for job_id in job_ids]):
            return
        await asyncio.sleep(_PAUSE)
        if not (await refresh(database, executor, grace=grace)).answered:
            return


def _unconfirmed(error: JmanError, job_ids: Sequence[int], what: str) -> EnvironmentProblem:
    return EnvironmentProblem(f"{error}\njob {format_ids(job_ids)} is not confirmed to be stopped: {what}")


async def _ask(database: Database, job_ids: Sequence[int], task_ids: Sequence[int]) -> None:
    async with database.transaction() as tx:
        for job_id in job_ids:
            await transitions.ask_to_stop(tx, job_id, task_ids)


async def _delete(executor: SgeExecutor, active: Sequence[Submission], task_ids: Sequence[int]) -> None:
    """Have the cluster delete, and see that it does: what qdel says and its exit status tell too little."""
    wanted: dict[int, set[int] | None] = {}
    for one in active:
        assert one.grid_id is not None
        if not task_ids:
            wanted[one.grid_id] = None
        elif mine := {number_of(i, one.mapped) for i in task_ids if not one.mapped or i in one.mapped}:
            wanted[one.grid_id] = mine
    tokens = {one.grid_id: one.token for one in active}
    for entry in await executor.query(patience=10.0):
        # a cluster whose counter was set back may have given the number to another job
        if entry.grid_id in wanted and tokens[entry.grid_id] not in entry.name:
            del wanted[entry.grid_id]
    if not wanted:
        return
    words = await executor.delete(
        [grid_id for grid_id, numbers in wanted.items() if numbers is None],
        {grid_id: _ranges(numbers) for grid_id, numbers in wanted.items() if numbers is not None},
    )
    left: set[int] = set()
    for _ in range(_LOOKS):
        left = set()
        for entry in await executor.query(patience=10.0):
            numbers = wanted.get(entry.grid_id, set())
            listed = {number for one in entry.tasks or (range(1),) for number in one}
            if "d" not in entry.letters and (numbers is None or numbers & listed):
                left.add(entry.grid_id)
        if not left:
            return
        await asyncio.sleep(_PAUSE)
    names = ", ".join(map(str, sorted(left)))
    raise EnvironmentProblem(f"the cluster did not delete {names}: {words.strip() or 'qdel said nothing'}")


def _ranges(numbers: Iterable[int]) -> list[range]:
    """Return the numbers as few ranges."""
    found: list[range] = []
    for number in sorted(numbers):
        if found and found[-1].stop == number:
            found[-1] = range(found[-1].start, number + 1)
        else:
            found.append(range(number, number + 1))
    return found
