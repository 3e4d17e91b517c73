"""Launching jobs where tasks survive us: first the intent is stored, then the engine is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from asyncjman.engines.base import (
    After,
    Engine,
    Launched,
    LaunchFailed,
    LaunchRequest,
    Preview,
    Ref,
    Why,
)
from asyncjman.errors import EnvironmentProblem, UsageError
from asyncjman.model.array import ArraySpec
from asyncjman.model.graph import Dependency, Kind
from asyncjman.model.job import PLAIN_TASK, Job, JobSpec
from asyncjman.model.status import Status
from asyncjman.scheduler.intents import in_flight
from asyncjman.scheduler.removal import finish_before_all
from asyncjman.scheduler.resolving import resolve_jobs
from asyncjman.scheduler.watching import folder_of, situation, unfinished_of
from asyncjman.store import jobs, schedule, submissions, tasks
from asyncjman.store.database import Database
from asyncjman.store.submissions import Submission
from asyncjman.system.logs import log_start

NOT_STORED = 0
"""The id of a job that is only looked at, to see how it would be launched."""
RETRY_SECONDS = 30.0
"""So long an engine that can't take a job is asked again, where somebody waits for it."""


class NotLaunched(EnvironmentProblem):
    """An engine did not take a job; it is AMBIGUOUS whether it did, maybe."""

    def __init__(self, why: Why, words: str) -> None:
        super().__init__(words)
        self.why = why

    @property
    def ambiguous(self) -> bool:
        """Tell whether it may have been taken all the same."""
        return self.why is Why.AMBIGUOUS


async def launch(database: Database, engine: Engine, job: Job, *, retry_for: float = 0.0) -> Launched | None:
    """Launch what of a job is to be launched; None where it must wait here first.

    Raises NotLaunched in the engine's words, and UsageError for what makes no sense there. Nothing is
    launched then, unless it is AMBIGUOUS: the intent stays, and a poll finds out.
    """
    await _resolve(database, job)
    request = await _request(database, engine, job, retry_for)
    if request is None:
        return None
    task_map = () if isinstance(request.tasks, ArraySpec) or job.spec.array is None else request.tasks
    await engine.prepare(request)
    async with database.transaction() as tx:
        await finish_before_all(tx, job.id)
        intent = await submissions.insert(
            tx,
            job_id=job.id,
            engine=engine.name,
            token=request.token,
            now=tx.runtime.time(),
            host=tx.runtime.host(),
            pid=tx.runtime.pid(),
            task_map=[one.task_id for one in task_map],
        )
    if intent is None:
        return None  # another process launches it, or has launched it
    in_flight.add(request.token)
    try:
        (answer,) = await engine.launch([request])
    finally:
        in_flight.discard(request.token)
    if isinstance(answer, LaunchFailed):
        if answer.why is not Why.AMBIGUOUS:
            async with database.transaction() as tx:
                await submissions.drop(tx, intent)
        raise UsageError(answer.words) if answer.of_request else NotLaunched(answer.why, answer.words)
    async with database.transaction() as tx:
        status = Status.WAITING if request.after else Status.QUEUED
        await submissions.sent(tx, intent, answer.native_id, status)
    return answer


async def _resolve(database: Database, job: Job) -> None:
    """Have what a job waits for decide, as it stands now: the engine is not asked to run what is skipped."""
    if job.spec.dependencies:
        async with database.transaction() as tx:
            await submissions.deactivate(tx, await resolve_jobs(tx, [job.id]))


async def preview(database: Database, engine: Engine, spec: JobSpec) -> Preview:
    """Return how a new job would be launched. Raises JmanError where it can't be."""
    job = Job(
        id=NOT_STORED, spec=spec, submitted_at=database.runtime.time(), counts={}, status=Status.SUBMITTED
    )
    after = await _after(database, engine, job) or ()
    return await engine.preview(_made(database, job, "0" * 14, replace(_whole(job, 1), after=after)))


@dataclass(frozen=True, slots=True)
class _Plan:
    """Which tasks go, how many at a time, and what they wait for there."""

    tasks: ArraySpec | tuple[Ref, ...]
    at_once: int | None
    after: tuple[After, ...] = ()
    not_before: float | None = None


async def _request(database: Database, engine: Engine, job: Job, retry_for: float) -> LaunchRequest | None:
    after = await _after(database, engine, job)
    if after is None:
        return None
    plan = await _tasks(database, job)
    if plan is None:
        return None
    whole = isinstance(plan.tasks, ArraySpec)
    after = tuple(one if whole else one._replace(per_task=False) for one in after)
    plan = replace(plan, after=after, not_before=await _not_before(database, job, plan))
    token = await submissions.database_token(database) + database.runtime.token(3)
    return replace(_made(database, job, token, plan), retry_for=retry_for)


def _made(database: Database, job: Job, token: str, plan: _Plan) -> LaunchRequest:
    return LaunchRequest(
        token=token,
        job_id=job.id,
        spec=job.spec,
        tasks=plan.tasks,
        at_once=plan.at_once,
        after=plan.after,
        not_before=plan.not_before,
        time_limit=job.spec.timeout,
        folder=folder_of(database, job),
        logs=log_start(job.spec),
    )


async def _after(database: Database, engine: Engine, job: Job) -> tuple[After, ...] | None:
    """Return what the engine is to hold a job for; None where it must wait here first."""
    others = await schedule.summaries(database, [one.job_id for one in job.spec.dependencies])
    # what was deleted meanwhile is waited for no more
    waits = [one for one in job.spec.dependencies if one.job_id in others and not others[one.job_id].finished]
    if any(one.kind not in engine.capabilities.holds for one in waits):
        return None
    sent: dict[int, list[Submission]] = {one.job_id: [] for one in waits}
    for submission in await submissions.active(database, sent):
        sent[submission.job_id].append(submission)
    for job_id, some in sent.items():
        elsewhere = others[job_id].engine != job.spec.engine
        if elsewhere or not some or any(one.native_id is None for one in some):
            return None
    known = {one.id: one for one in await jobs.get(database, sent)}
    if any(one.spec.retry is not None for one in known.values()):
        return None  # the engine would let it go after the first attempt
    return tuple(
        _held_by(database, job, one, known[one.job_id], sent[one.job_id])
        for one in waits
        if one.job_id in known
    )


def _held_by(database: Database, job: Job, one: Dependency, other: Job, sent: Sequence[Submission]) -> After:
    whole = len(sent) == 1 and not sent[0].task_map
    arrays = (job.spec.array, other.spec.array)
    same = all(arrays) and len({array.ranges for array in arrays if array}) == 1
    return After(
        native_ids=tuple(submission.native_id for submission in sent if submission.native_id is not None),
        kind=one.kind,
        per_task=one.kind is Kind.CORR and whole and same,
        folder=folder_of(database, other),
        tasks=other.spec.array,
        job_id=other.id,
        stop_on_failure=other.spec.stop_on_failure,
    )


async def _not_before(database: Database, job: Job, plan: _Plan) -> float | None:
    """Return the earliest time for these attempts: the delay after those that failed.

    An attempt that failed for a cause to be retried is always followed by a retry: that it is one need
    not be stored.
    """
    retry = job.spec.retry
    if retry is None or not retry.delay or isinstance(plan.tasks, ArraySpec):
        return None
    attempts = {one.task_id: one.attempt for one in plan.tasks}
    now = database.runtime.time()
    first = await tasks.first_attempts(database, [(job.id, task_id) for task_id in attempts])
    ends = [
        min(task.finished_at or now, now)  # a node's clock may be ahead
        for task in await tasks.attempts_since(database, job.id, now - retry.delay)
        if attempts.get(task.task_id) == task.attempt + 1
        and task.status is Status.FAILURE
        and task.attempt >= first.get((job.id, task.task_id), 1)  # else somebody submitted it again
    ]
    return max(ends) + retry.delay if ends else None


async def _tasks(database: Database, job: Job) -> _Plan | None:
    """Return which tasks are to go: the whole array where nothing of it has run, or chosen attempts.

    None where as many as may are at it already, or where the job was deleted meanwhile.
    """
    array = job.spec.array
    if array is None:
        row = await tasks.get(database, job.id, PLAIN_TASK)
        return _whole(job, row.attempt if row else 1)
    states = (await submissions.task_states(database, [job.id])).get(job.id)
    if states is None:
        return None
    sendable = {Status.SUBMITTED}
    if not await submissions.active(database, [job.id]):
        sendable.add(Status.WAITING)  # else it is held there
    again: Mapping[int, int] = {
        task_id: task.attempt
        for task_id, (task, _) in sorted(states.unfinished.items())
        if task.status in sendable
    }
    fresh = states.default_status in sendable
    at_once = array.throttle
    if at_once is not None:
        at_once -= await _live(database, job, at_once)
        if at_once <= 0:
            return None
    if fresh and not states.unfinished and not states.finished and len(array.ranges) == 1:
        return _Plan(array, at_once)
    if fresh:
        touched = {task.task_id async for task in tasks.select(database, job.id)}
        again = {**again, **{task_id: 1 for task_id in array if task_id not in touched}}
    refs = tuple(Ref(job.id, task_id, attempt) for task_id, attempt in sorted(again.items()))
    return _Plan(refs, at_once) if refs else None


def _whole(job: Job, attempt: int) -> _Plan:
    array = job.spec.array
    if array is None:
        return _Plan((Ref(job.id, PLAIN_TASK, attempt),), None)
    if len(array.ranges) == 1:
        return _Plan(array, array.throttle)
    return _Plan(tuple(Ref(job.id, task_id, 1) for task_id in array), array.throttle)


async def _live(database: Database, job: Job, throttle: int) -> int:
    """Return how many tasks of a job may run at a time by the launches that are there already."""
    found = await situation(database, job.spec.engine, [job.id])
    return sum(min(throttle, unfinished_of(one)) for one in found.watched)
