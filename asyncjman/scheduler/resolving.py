"""What follows for jobs that wait, when others were stopped, deleted or submitted again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from asyncjman.model.graph import dependents
from asyncjman.model.status import Status
from asyncjman.scheduler.dependencies import counterparts
from asyncjman.scheduler.workload import Workload
from asyncjman.store import jobs, runners, schedule, submissions, tasks, transitions
from asyncjman.store.database import Transaction
from asyncjman.store.runners import Held
from asyncjman.store.schedule import JobSummary
from asyncjman.store.tasks import CLAIMABLE, UNSENT, UNSTARTED


class _Collected:
    """Decisions, to be stored together."""

    def __init__(self) -> None:
        self.ready: list[int] = []
        self.skipped: list[tuple[int, str, tuple[int, ...]]] = []

    def job_ready(self, job_id: int) -> None:
        self.ready.append(job_id)

    def skip(self, job_id: int, reason: str, task_ids: tuple[int, ...] = ()) -> None:
        self.skipped.append((job_id, reason, task_ids))


async def unskip(tx: Transaction, job_id: int) -> list[int]:
    """Have what was skipped because of a job wait anew, as the job, or a task of it, succeeded after all.

    Returns the jobs that are skipped again, because of others. Jobs of which something is still to end
    are left alone: what the cluster has of them would be taken for the tasks that wait.
    """
    found = dependents(await jobs.dependency_edges(tx), [job_id])
    ended = [one for one in (await schedule.summaries(tx, found)).values() if one.finished]
    for one in ended:
        await transitions.reset(tx, one.id, [Status.SKIPPED], Status.WAITING, None, tx.runtime.time())
    # all of them: what waits for a job that waits anew may be decided by others
    again = {one.id for one in ended}
    return await resolve_with_dependents(tx, again.union(await schedule.waiting_for(tx, [job_id])))


async def release_runner(tx: Transaction, runner: int, reason: str, now: float) -> None:
    """Release what a runner that is no more had claimed, with all that follows from it.

    What it was asked to stop is stopped: a job may end by that.
    """
    touched = await runners.release(tx, runner, reason, now)
    await runners.delete(tx, runner)
    await resolve_dependents(tx, await transitions.close_jobs(tx, touched, now))


async def release_stopped(tx: Transaction, claims: Sequence[Held], now: float) -> None:
    """Record claimed tasks as stopped, whoever holds them, with all that follows from it."""
    await runners.stop_held(tx, claims, now)
    await resolve_dependents(tx, await transitions.close_jobs(tx, {one.job_id for one in claims}, now))


async def resolve_dependents(tx: Transaction, changed: Iterable[int]) -> list[int]:
    """Let go, or skip, the jobs that wait for those that changed, as far as that is decided now.

    Returns the jobs that ended by it; what a cluster has of them is given up. A task that runs there already
    looks at its dependencies itself.
    """
    return await resolve_with_dependents(tx, await schedule.waiting_for(tx, changed))


async def resolve_with_dependents(
    tx: Transaction, job_ids: Iterable[int], *, queued_too: bool = False
) -> list[int]:
    """Do as ``resolve_jobs``; where jobs end by it, also with all that waits for these, and so on.

    What waits for jobs that don't end by it waits on: of a long chain nothing more is read. ``queued_too``:
    see there; what is on a cluster is left alone then.
    """
    closed: list[int] = []
    found = set(job_ids)
    while found:
        if queued_too:
            found -= {one.job_id for one in await submissions.active(tx, found)}
        ended = await resolve_jobs(tx, found, queued_too=queued_too)
        closed += ended
        found = set(await schedule.open_dependents(tx, ended)) if ended else set()
    return closed


async def resolve_jobs(tx: Transaction, job_ids: Iterable[int], *, queued_too: bool = False) -> list[int]:
    """Have these jobs, as far as they are open, wait, go or be skipped as their dependencies stand now.

    ``queued_too``: what a runner has claimed and not started is skipped, too. Returns the jobs that ended
    by it.
    """
    waits = await schedule.dependencies(tx, job_ids)
    if not waits:
        return []
    summaries = {i: one for i, one in (await schedule.summaries(tx, waits)).items() if not one.finished}
    waits = {job_id: waits[job_id] for job_id in summaries}
    others = await schedule.summaries(tx, {one.job_id for some in waits.values() for one in some})
    decisions = _Collected()
    workload = Workload(decisions)
    known = [workload.enroll(one, waits[job_id]) for job_id, one in summaries.items()]
    for job in known:
        ends = {}
        if queued_too:
            job.elsewhere = summaries[job.id].counts.get(Status.EXECUTING, 0)
        if job.pairing is not None and job.array is not None:
            job.pairing.resolved.update(await tasks.unclaimable(tx, job.id, queued_too=not queued_too))
            ends = await counterparts(tx, job.array, [others[one] for one in job.pairing.with_jobs])
        ended = {one.job_id: others[one.job_id] for one in job.dependencies if others[one.job_id].finished}
        workload.decide(job, ended, ends)
    now = tx.runtime.time()
    waiting = [job.id for job in known if job.undecided and not job.skipped]
    skipping = {job_id for job_id, _, _ in decisions.skipped}
    # what waits is released there, where its job is on a cluster; what is still to be sent is submitted
    there = {one.job_id for one in await submissions.active(tx, {*decisions.ready, *waiting, *skipping})}
    await transitions.set_ready(tx, [job_id for job_id in decisions.ready if job_id not in there])
    await transitions.set_waiting(tx, [job_id for job_id in waiting if job_id not in there])
    whole: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for job_id, reason, task_ids in decisions.skipped:
        states = UNSTARTED if queued_too else CLAIMABLE
        if job_id in there and (task_ids or _is_partly_under_way(summaries[job_id])):
            states = UNSENT
        if task_ids:
            await transitions.end_unstarted(tx, job_id, Status.SKIPPED, reason, now, task_ids, states=states)
        else:
            whole[states].append((job_id, reason))
    for states, some in whole.items():
        await transitions.end_jobs_unstarted(tx, Status.SKIPPED, now, some, states=states)
    closed = await transitions.close_jobs(tx, skipping, now)
    await submissions.give_up(tx, closed)
    return closed


def _is_partly_under_way(job: JobSummary) -> bool:
    """Tell whether something of a job is queued or runs.

    On a cluster its launch is not given up then. What of it is skipped stays there, and would start once the
    job is submitted again: so that is left to the job script, which tells what it skips.
    """
    return any(job.counts.get(one) for one in (Status.QUEUED, Status.EXECUTING))


async def stop_unstarted(
    tx: Transaction,
    job_ids: Sequence[int],
    task_ids: Sequence[int],
    now: float,
    *,
    states: str = CLAIMABLE,
) -> None:
    """Stop what has not started of jobs (or only of some tasks): see ``transitions.end_unstarted``."""
    if task_ids:
        for job_id in job_ids:
            await transitions.end_unstarted(
                tx, job_id, Status.STOPPED, "stopped", now, task_ids, states=states
            )
    else:
        whole = [(job_id, "stopped") for job_id in job_ids]
        await transitions.end_jobs_unstarted(tx, Status.STOPPED, now, whole, states=states)


async def end_tasks_and_resolve(tx: Transaction, job_id: int, task_ids: Sequence[int]) -> None:
    """Stop what has not ended of tasks that are to be deleted: their job may end by that."""
    now = tx.runtime.time()
    await transitions.end_unstarted(tx, job_id, Status.STOPPED, "deleted", now, task_ids, states=UNSTARTED)
    await transitions.withdraw(tx, job_id, task_ids, "deleted", now)
    closed = await transitions.close_jobs(tx, [job_id], now)
    await submissions.give_up(tx, closed)
    await resolve_dependents(tx, closed)


async def end_and_resolve(tx: Transaction, job_ids: Sequence[int]) -> None:
    """Have the jobs that wait for these go, or be skipped, as these stand: what is left of them is stopped.

    That is decided here and now for what a runner has claimed ahead, too: once these are gone, nothing
    would hold it back. What is on a cluster is resolved there.
    """
    now = tx.runtime.time()
    found = set(await schedule.waiting_for(tx, job_ids)) - set(job_ids)
    if not found:
        return
    unfinished = await schedule.unfinished(tx, job_ids)
    await transitions.end_all(tx, unfinished, Status.STOPPED, "deleted", now)
    await transitions.close_jobs(tx, unfinished, now)
    await resolve_with_dependents(tx, found, queued_too=True)
