"""Stopping jobs: what hasn't started at once, what runs by the process, or the engine, that runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from asyncjman.engines.base import Engine
from asyncjman.errors import EnvironmentProblem
from asyncjman.model.job import LOCAL, Job
from asyncjman.model.selection import format_ids
from asyncjman.model.status import FINISHED
from asyncjman.scheduler.liveness import is_numbered_here, is_suspended
from asyncjman.scheduler.portions import in_turn
from asyncjman.scheduler.reconcile import forget_unproven, recover_orphans, take_away
from asyncjman.scheduler.resolving import resolve_dependents, stop_unstarted
from asyncjman.store import jobs, runners, schedule, submissions, tasks, transitions
from asyncjman.store.database import Database, Reader, Transaction
from asyncjman.store.runners import Runner

LOOK_SECONDS = 0.05
"""How often to look whether what runs has ended: somebody waits for it."""
GRACE_SECONDS = 20.0
FORCE_SECONDS = 8.0
"""How long a runner may take to answer before its tasks are taken from it: one that lives needs 5 for those
that ignore SIGTERM."""


async def stop(
    database: Database,
    engine_of: Callable[[str], Engine],
    here: Sequence[int],
    elsewhere: Sequence[Job],
    task_ids: Sequence[int] = (),
    *,
    force: bool = False,
    on_forced: Callable[[str], None] = lambda _: None,
) -> None:
    """Stop open jobs (or only some of their tasks), of this machine and of engines whose tasks survive us.

    Very many are stopped in several transactions, the last jobs first: see ``portions``. Returns when nothing
    of them runs here any more; what a cluster still lists may not be finished as yet. Where a runner doesn't
    answer, EnvironmentProblem is raised, or, with ``force``, its tasks are taken from it: ``on_forced`` is
    told, in a line, what is not sure then. EnvironmentProblem is raised, too, where a cluster doesn't answer;
    the others are stopped all the same.
    """
    try:
        await stop_elsewhere(database, engine_of, elsewhere, task_ids)
    finally:
        await _stop_here(database, engine_of(LOCAL), here, task_ids, force=force, on_forced=on_forced)


async def stop_elsewhere(
    database: Database, engine_of: Callable[[str], Engine], some: Sequence[Job], task_ids: Sequence[int]
) -> None:
    """Stop open jobs (or only some tasks) whose tasks survive us. Raises EnvironmentProblem."""
    for name in sorted({job.spec.engine for job in some}):
        from asyncjman.scheduler.cancelling import cancel  # most jobs are of this machine

        ids = [job.id for job in some if job.spec.engine == name]
        await cancel(database, engine_of(name), ids, task_ids)


async def _stop_here(
    database: Database,
    engine: Engine,
    unfinished: Sequence[int],
    task_ids: Sequence[int],
    *,
    force: bool,
    on_forced: Callable[[str], None],
) -> None:
    if unfinished:
        await recover_orphans(database, engine)
        asked = 0
        async for some in in_turn(unfinished, last_first=True):
            async with database.transaction() as tx:
                asked += await stop_in(tx, some, task_ids)
        if asked and not force:
            await until_stopped(database, engine, unfinished, task_ids)
        elif asked and (left := await _running_after(database, engine, unfinished, task_ids, FORCE_SECONDS)):
            for runner in await take_away(database, engine, left, task_ids):
                on_forced(_forced(runner, database))
    if force:
        await forget_unproven(database)


async def unconfirmed(database: Reader, job_ids: Iterable[int], task_ids: Sequence[int] = ()) -> list[str]:
    """Return a line for each of these jobs of which a cluster still has something, or one of these tasks.

    Stopping a local job waits for its end: one that is open after it was submitted again.
    """
    lines = []
    for job in await jobs.get(database, job_ids):
        if job.is_open_elsewhere and await _any_left(database, job, task_ids):
            native = f" (grid {job.native_id})" if job.native_id else ""
            lines.append(
                f"job {job.id}{native} is not confirmed to be stopped: it was told to, and is still there"
            )
    return lines


async def _any_left(database: Reader, job: Job, task_ids: Sequence[int]) -> bool:
    if not task_ids:
        return True
    states = (await submissions.task_states(database, [job.id]))[job.id]
    others_end = states.default_status in FINISHED
    return any(one in states.unfinished or not (others_end or one in states.finished) for one in task_ids)


async def stop_in(tx: Transaction, job_ids: Sequence[int], task_ids: Sequence[int]) -> int:
    """Stop what hasn't started of local jobs, and ask for the rest to be; return how many tasks that are.

    What somebody moved to a cluster meanwhile is left alone: it may be there already.
    """
    now = tx.runtime.time()
    job_ids = await schedule.unfinished(tx, job_ids, LOCAL)
    await stop_unstarted(tx, job_ids, task_ids, now)
    asked = await transitions.ask_to_stop(tx, job_ids, task_ids)
    await resolve_dependents(tx, await transitions.close_jobs(tx, job_ids, now))
    return asked


async def until_stopped(
    database: Database, engine: Engine, job_ids: Sequence[int], task_ids: Sequence[int]
) -> None:
    """Wait until nothing runs of jobs. Raises EnvironmentProblem where a runner doesn't answer."""
    if left := await _running_after(database, engine, job_ids, task_ids, GRACE_SECONDS):
        raise EnvironmentProblem(await _what_to_do(database, left, task_ids))


async def _running_after(
    database: Database, engine: Engine, job_ids: Sequence[int], task_ids: Sequence[int], seconds: float
) -> list[int]:
    """Wait until nothing runs of the jobs; return those of which something runs after so many seconds."""
    deadline = database.runtime.monotonic() + seconds
    version: tuple[int, int] | None = None
    running = list(job_ids)
    while True:
        running = await tasks.held_jobs(database, running, task_ids)
        if not running or database.runtime.monotonic() > deadline:
            return running
        await recover_orphans(database, engine)
        version = await database.change(version, LOOK_SECONDS)


async def _what_to_do(database: Database, job_ids: Sequence[int], task_ids: Sequence[int]) -> str:
    """Say why jobs still run, and what ends that."""
    held = {one.runner for job_id in job_ids for one in await runners.held_of_job(database, job_id, task_ids)}
    found = [one for one in await runners.select(database) if one.id in held]
    ids = format_ids(job_ids)
    force = f"jman stop --force {ids}" + (f" -a {format_ids(task_ids)}" if task_ids else "")
    if suspended := [one for one in found if is_suspended(one, database.runtime)]:
        pid = suspended[0].pid
        return (
            f"job {ids} still runs: the jman execute (pid {pid}) that runs it is suspended\n"
            f"kill -CONT {pid} lets it go on, {force} stops the tasks without it"
        )
    who = f" (pid {found[0].pid} on {found[0].host})" if found else ""
    return (
        f"job {ids} still runs: the jman execute{who} that runs it does not answer\n"
        f"if it is dead, or hangs for good: {force}"
    )


def _forced(runner: Runner, database: Database) -> str:
    """Say what is not sure about tasks that were taken from their runner."""
    who = f"the jman execute (pid {runner.pid} on {runner.host}) did not answer: its tasks were taken from it"
    if is_numbered_here(runner, database.runtime):
        return who
    return f"{who}; what they run where it can't be seen from here was not ended"
