"""What an earlier process left behind when it was killed: its processes are ended, its tasks released."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from asyncjman.engines.base import Abandoned, Engine, Ref
from asyncjman.runtime import Runtime
from asyncjman.scheduler.liveness import Life, liveness, tasks_may_live
from asyncjman.scheduler.resolving import release_runner, release_stopped
from asyncjman.store import runners, submissions
from asyncjman.store.database import Database, Reader
from asyncjman.store.runnerlock import TASKS, LockNames, inherited_file, kept, remove_strays
from asyncjman.store.runners import Runner


class Recovery(NamedTuple):
    """What was found of one runner that is dead, or of which that can't be known."""

    pid: int
    host: str
    tasks: int
    """Tasks that were executing."""
    processes: int
    """Processes that had lived on."""
    life: Life
    released: bool
    """Whether its tasks may run again."""
    job_ids: tuple[int, ...] = ()
    """The jobs that it holds tasks of."""

    @property
    def is_dead(self) -> bool:
        return self.life is Life.DEAD


async def lock_names(database: Database, token: str) -> LockNames:
    """Return where the lock files of a runner are."""
    return LockNames.of(database.path, await submissions.database_token(database), token)


async def _all(database: Reader) -> list[tuple[Runner, LockNames]]:
    """Return all runners, and where their lock files are."""
    found = await runners.select(database)
    token = await submissions.database_token(database) if found else ""
    return [(one, LockNames.of(database.path, token, one.token)) for one in found]


async def lives(database: Reader) -> dict[int, Life]:
    """Return what is known of each runner."""
    return {one.id: liveness(one, names, database.runtime) for one, names in await _all(database)}


async def recover_orphans(database: Database, engine: Engine, *, end: bool = True) -> list[Recovery]:
    """End what dead runners left running, release their tasks; return what was found of these runners,
    and of those that hold tasks and may be dead.

    Without ``end`` processes that live on are left alone, and so are the tasks of their runner.
    """
    found: list[Recovery] = []
    runtime = database.runtime
    for runner, names in await _all(database):
        life = liveness(runner, names, runtime)
        if life is Life.ALIVE:
            continue
        held = await runners.held(database, runner.id)
        processes, released = 0, False
        if life is Life.DEAD:
            processes = await recover(engine, runner, names, runtime, end=end)
            released = (end or not processes) and not tasks_may_live(runner, names, runtime)
        if released:
            async with database.transaction() as tx:
                await release_runner(tx, runner.id, "the jman that ran it was killed", runtime.time())
            names.remove()
        if held:
            job_ids = tuple(sorted({one.job_id for one in held}))
            executing = sum(one.executing for one in held)
            found.append(Recovery(runner.pid, runner.host, executing, processes, life, released, job_ids))
    return found


async def take_away(
    database: Database, engine: Engine, job_ids: Sequence[int], task_ids: Sequence[int]
) -> list[Runner]:
    """Record as stopped what runners hold of these jobs (all, or only some tasks), whether they live or not.

    What can be seen of their processes is ended first. Returns the runners; those that may be dead, and
    hold nothing any more, are forgotten.
    """
    runtime = database.runtime
    held = [one for job_id in job_ids for one in await runners.held_of_job(database, job_id, task_ids)]
    holders = {task.runner for task in held}
    robbed = [(runner, names) for runner, names in await _all(database) if runner.id in holders]
    for runner, names in robbed:
        refs = {Ref(one.job_id, one.task_id, one.attempt) for one in held if one.runner == runner.id}
        await recover(engine, runner, names, runtime, refs)
    async with database.transaction() as tx:
        await release_stopped(tx, held, runtime.time())
    await forget_unproven(database)
    return [runner for runner, _ in robbed]


async def forget_unproven(database: Database) -> None:
    """Delete the rows of runners that may be dead and hold nothing: one that lives writes its row anew."""
    unproven = [runner_id for runner_id, life in (await lives(database)).items() if life is not Life.ALIVE]
    async with database.transaction() as tx:
        for runner_id in unproven:
            if not await runners.held(tx, runner_id):
                await runners.delete(tx, runner_id)
    await clear_strays(database)


async def clear_strays(database: Database) -> None:
    """Delete the lock files of runners that have no row."""
    known = [one.token for one in await runners.select(database)]
    remove_strays(database.path, await submissions.database_token(database), known)


async def recover(
    engine: Engine,
    runner: Runner,
    names: LockNames,
    runtime: Runtime,
    refs: Collection[Ref] | None = None,
    *,
    end: bool = True,
) -> int:
    """Have an engine end (or only count) what runs of a runner's tasks (all, or these); return how many
    processes that were.

    Another jman may find the same runner, and remove its files: the next file must not get their numbers.
    """
    boot = runtime.process_start(runtime.pid())[0]
    since = runner.process_started if runner.boot == boot else None
    with kept(names.path(TASKS)):
        inherited = inherited_file(names.path(TASKS), runner.tasks_lock)
        return await engine.recover(Abandoned(runner.token, since, inherited), refs, end=end)
