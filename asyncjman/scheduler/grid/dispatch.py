"""Sending jobs to the cluster: first the intent is stored, then the call is made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from asyncjman.errors import UsageError
from asyncjman.executors import records
from asyncjman.executors.command import CommandFailed
from asyncjman.executors.logs import spool_folder
from asyncjman.executors.script import Predecessor, native_range, script_of
from asyncjman.executors.sge.executor import Order, SgeExecutor
from asyncjman.model.graph import Dependency, Kind
from asyncjman.model.job import PLAIN_TASK, Job
from asyncjman.model.status import Status
from asyncjman.scheduler.removal import finish_before_all
from asyncjman.store import jobs, schedule, submissions, tasks
from asyncjman.store.database import Database
from asyncjman.store.submissions import Submission

at_work: set[str] = set()
"""Tokens of the intents that this process is carrying out."""

NOT_STORED = 0
"""The id of a job that is only looked at, to see how it would be submitted."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """Which tasks go, with which attempts; and what they wait for on the cluster."""

    attempt: int
    mapped: tuple[tuple[int, int], ...]
    hold: tuple[int, ...]
    hold_per_task: tuple[int, ...]
    predecessors: tuple[Predecessor, ...]
    not_before: float | None = None
    """When the delay before the next attempt is over, in seconds since 1970."""


async def dispatch(
    database: Database, executor: SgeExecutor, job: Job, *, patience: float | None = None
) -> int | None:
    """Submit what of a job is to be submitted; return the grid id, None where it must wait here first.

    Raises CommandFailed with qsub's words, or UsageError; nothing is on the cluster then, unless the
    error is ``ambiguous``: then the intent stays, and ``refresh`` finds out.
    """
    plan = await _plan(database, job)
    if plan is None:
        return None
    token = await submissions.database_token(database) + database.runtime.token(3)
    async with database.transaction() as tx:
        await finish_before_all(tx, job.id)
        intent = await submissions.insert(
            tx,
            job_id=job.id,
            token=token,
            now=tx.runtime.time(),
            host=tx.runtime.host(),
            pid=tx.runtime.pid(),
            mapped=[task_id for task_id, _ in plan.mapped],
        )
    if intent is None:
        return None  # another process sends it, or has sent it
    at_work.add(token)
    try:
        order = order_of(database, job, token, plan)
        grid_id = await executor.submit(order, patience=patience)
    except (CommandFailed, UsageError, OSError) as error:
        if not (isinstance(error, CommandFailed) and error.ambiguous):
            async with database.transaction() as tx:
                await submissions.drop(tx, intent)
            executor.forget(spool_folder(database.path, job.spec.token), token)
        raise
    finally:
        at_work.discard(token)
    held = bool(plan.hold or plan.hold_per_task)
    async with database.transaction() as tx:
        await submissions.sent(tx, intent, grid_id, Status.WAITING if held else Status.QUEUED)
    return grid_id


async def preview_order(database: Database, job: Job) -> Order:
    """Return the order that ``dispatch`` would give for a new job."""
    plan = await _plan(database, job) or _Plan(1, (), (), (), ())
    return order_of(database, job, "0" * 14, plan)


def order_of(database: Database, job: Job, token: str, plan: _Plan) -> Order:
    """Build the executor's order for a job."""
    folder = spool_folder(database.path, job.spec.token)
    script = script_of(
        job.spec, job.id, folder, attempt=plan.attempt, mapped=plan.mapped, predecessors=plan.predecessors
    )
    return Order(
        script=script,
        token=token,
        folder=folder,
        resources={**job.spec.resources, "queue": job.spec.queue},
        hold=plan.hold,
        hold_per_task=plan.hold_per_task,
        not_before=plan.not_before,
    )


async def _plan(database: Database, job: Job) -> _Plan | None:
    spec = job.spec
    others = await schedule.outlines(database, [one.job_id for one in spec.dependencies])
    # what was deleted meanwhile is waited for no more
    waits = [one for one in spec.dependencies if one.job_id in others and not others[one.job_id].finished]
    on_grid = await submissions.active(database, {one.job_id for one in waits})
    sent: dict[int, list[Submission]] = {one.job_id: [] for one in waits}
    for submission in on_grid:
        sent[submission.job_id].append(submission)
    for job_id, some in sent.items():
        if others[job_id].executor != spec.executor or not some or any(one.grid_id is None for one in some):
            return None
    known = {one.id: one for one in await jobs.get(database, sent)}
    waits = [one for one in waits if one.job_id in known]
    if any(one.spec.retry is not None for one in known.values()):
        return None  # the cluster would let it go after the first attempt
    attempt, mapped = await _tasks(database, job)
    own_range = native_range(spec.array) if spec.array and not mapped else None
    hold: set[int] = set()
    per_task: set[int] = set()
    predecessors = []
    for one in waits:
        other = known[one.job_id]
        same = _same_range(own_range, other, sent[one.job_id]) and one.kind is Kind.CORR
        grid_ids = {submission.grid_id or 0 for submission in sent[one.job_id]}
        (per_task if same else hold).update(grid_ids)
        predecessors.append(_predecessor(database, one, other))
    return _Plan(
        attempt,
        mapped,
        tuple(sorted(hold)),
        tuple(sorted(per_task - hold)),
        tuple(predecessors),
        await _not_before(database, job, dict(mapped) or {PLAIN_TASK: attempt}),
    )


async def _not_before(database: Database, job: Job, attempts: Mapping[int, int]) -> float | None:
    """Return the earliest time for these attempts (by task id): the delay after those that failed.

    An attempt that failed for a cause to be retried is always followed by a retry: that it is one need
    not be stored.
    """
    retry = job.spec.retry
    if retry is None or not retry.delay:
        return None
    now = database.runtime.time()
    ends = [
        min(task.finished_at or now, now)  # a node's clock may be ahead
        for task in await tasks.attempts_since(database, job.id, now - retry.delay)
        if attempts.get(task.task_id) == task.attempt + 1
        and task.status is Status.FAILURE
        and retry.applies(task.cause, task.signal, task.attempt)
    ]
    return max(ends) + retry.delay if ends else None


async def _tasks(database: Database, job: Job) -> tuple[int, tuple[tuple[int, int], ...]]:
    """Return the attempt of all tasks, or (task id, attempt) of each where only some go.

    What earlier attempts of them left in the record folder is cleared.
    """
    folder = Path(spool_folder(database.path, job.spec.token))
    array = job.spec.array
    if job.id == NOT_STORED:
        return 1, () if array is None or native_range(array) else tuple((one, 1) for one in array)
    if array is None:
        row = await tasks.get(database, job.id, PLAIN_TASK)
        if row is not None:
            _clear(folder, [PLAIN_TASK])
        return (row.attempt if row else 1), ()
    standing = (await submissions.standings(database, [job.id])).get(job.id)
    if standing is None:
        return 1, ()  # deleted meanwhile: there is nothing to send
    again = {
        task_id: task.attempt
        for task_id, (task, _) in sorted(standing.unfinished.items())
        if task.status in (Status.SUBMITTED, Status.WAITING)
    }
    fresh = standing.rest in (Status.SUBMITTED, Status.WAITING)
    if not again and native_range(array) is not None:
        # a task that ran while it was stopped may have left something
        _clear(folder, {one.task_id: 1 for one in records.scan(folder)})
        return 1, ()
    if fresh:
        touched = {task.task_id async for task in tasks.select(database, job.id)}
        again |= {task_id: 1 for task_id in array if task_id not in touched}
    _clear(folder, again)
    return 1, tuple(sorted(again.items()))


def _clear(folder: Path, task_ids: Sequence[int] | dict[int, int]) -> None:
    if folder.is_dir():
        records.clear(folder, task_ids)


def _same_range(own: range | None, other: Job, sent: Sequence[Submission]) -> bool:
    if own is None or other.spec.array is None or len(sent) != 1 or sent[0].mapped:
        return False
    return native_range(other.spec.array) == own


def _predecessor(database: Database, one: Dependency, other: Job) -> Predecessor:
    return Predecessor(
        job_id=other.id,
        records=spool_folder(database.path, other.spec.token),
        kind=one.kind,
        tasks=other.spec.array.ranges if other.spec.array else (),
        stop_on_failure=other.spec.stop_on_failure,
    )
