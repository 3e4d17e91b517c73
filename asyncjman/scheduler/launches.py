"""Launching jobs where tasks survive us: first the intent is stored, then the engine is called."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from asyncjman.engines.base import After, Capabilities, Engine, Launched, LaunchRequest, Preview, Ref, Why
from asyncjman.errors import EnvironmentProblem, UsageError
from asyncjman.model.array import ArraySpec
from asyncjman.model.job import PLAIN_TASK, Job, JobSpec
from asyncjman.model.status import Status
from asyncjman.scheduler.holding import after_of
from asyncjman.scheduler.intents import in_flight, lock_of
from asyncjman.scheduler.removal import finish_before_all
from asyncjman.scheduler.resolving import resolve_jobs
from asyncjman.scheduler.watching import folder_of, may_run, situation
from asyncjman.scheduler.withdrawing import withdraw
from asyncjman.store import intents, jobs, submissions, tasks
from asyncjman.store.database import Database, Reader, Transaction
from asyncjman.store.runnerlock import held
from asyncjman.system.logs import log_start

NOT_STORED = 0
"""The id of a job that is only looked at, to see how it would be launched."""
TOKEN_BYTES = 6
"""Of the part of a launch's token that is its own. By the token it is found in the queue: two launches of the
same one would be taken for each other. Of 5,000 with 3 bytes, each second time two are the same."""
RETRY_SECONDS = 30.0
"""So long an engine that can't take a job is asked again, where somebody waits for it."""


FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 5.0


class NotLaunched(EnvironmentProblem):
    """An engine did not take a job; it is AMBIGUOUS whether it did, maybe."""

    def __init__(self, why: Why, words: str, *, again: bool = False) -> None:
        """``again``: whether it may be taken in a moment."""
        super().__init__(words)
        self.why = why
        self.again = again

    @property
    def ambiguous(self) -> bool:
        """Tell whether it may have been taken all the same."""
        return self.why is Why.AMBIGUOUS


async def launch(database: Database, engine: Engine, job: Job, *, retry_for: float = 0.0) -> list[Launched]:
    """Launch what of a job is to be launched, in parts where the engine does not take it at once.

    Returns the launches, none where it must wait here first. Raises NotLaunched in the engine's words, and
    UsageError for what makes no sense there. Nothing is launched then, unless it is AMBIGUOUS: the intent
    stays, and a poll finds out. LIMIT says, too, that parts were launched and the others wait here.
    """
    await _resolve(database, job)
    try:
        await engine.open()
    except EnvironmentProblem as error:
        raise NotLaunched(Why.LATER, str(error)) from error
    launched: list[Launched] = []
    pauses = _Pauses(database, retry_for)
    while True:
        try:
            done = await _carry_out(database, engine, job)
        except (NotLaunched, UsageError) as error:
            if isinstance(error, NotLaunched) and error.again and await pauses.passed():
                continue  # planned anew: what it waits for may have ended, or be open again
            if not launched or (isinstance(error, NotLaunched) and error.ambiguous):
                raise
            raise NotLaunched(Why.LIMIT, str(error)) from error
        if done is None:
            break
        answer, plan = done
        launched.append(answer)
        if job.spec.dependencies and await after_of(database, engine, job) != plan.after:
            # who submitted again what it waits for, while it was sent, could not take it back
            await withdraw(database, engine, known=await situation(database, engine.name, [job.id]))
        if not plan.more:
            break
    return launched


class _Pauses:
    """The pauses between tries at one launch: they grow, for so many seconds in all."""

    def __init__(self, database: Database, seconds: float) -> None:
        self._clock = database.runtime.monotonic
        self._deadline = self._clock() + seconds
        self._pause = FIRST_PAUSE_SECONDS

    async def passed(self) -> bool:
        """Wait for the next try; False, at once, where no time is left for one."""
        if self._clock() + self._pause >= self._deadline:
            return False
        await asyncio.sleep(self._pause)
        self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)
        return True


async def _carry_out(database: Database, engine: Engine, job: Job) -> tuple[Launched, _Plan] | None:
    """Store the intent of the next launch, and launch; None where nothing is to be launched now."""
    if await _plan(database, engine, job) is None:
        return None
    token = await submissions.database_token(database) + database.runtime.token(TOKEN_BYTES)
    with held(await lock_of(database, token)):
        intended = await _intend(database, engine, job, token)
        if intended is None:
            return None
        intent, plan, request = intended
        in_flight.add(token)
        try:
            (answer,) = await engine.launch([request])
        finally:
            in_flight.discard(token)
        if isinstance(answer, Launched):
            async with database.transaction() as tx:
                status = Status.WAITING if request.after else Status.QUEUED
                await intents.sent(tx, intent, answer.native_id, status)
            return answer, plan
        if answer.why is not Why.AMBIGUOUS:
            async with database.transaction() as tx:
                await intents.drop(tx, intent)
    if answer.of_request:
        raise UsageError(answer.words)
    raise NotLaunched(answer.why, answer.words, again=answer.again)


async def _intend(
    database: Database, engine: Engine, job: Job, token: str
) -> tuple[int, _Plan, LaunchRequest] | None:
    """Plan a launch, and store the intent of it; return its id, and what is to go.

    In one transaction, with the job as it is then: what it waits for may end, and skip some of it, at any
    time before. None where nothing is to go any more, or another process was faster.
    """
    async with database.transaction() as tx:
        if job.spec.dependencies:
            await resolve_jobs(tx, [job.id])
        found = await jobs.get(tx, [job.id])
        plan = await _plan(tx, engine, found[0]) if found else None
        if plan is None:
            return None
        job = found[0]
        request = replace(_made(tx, job, token, plan), not_before=await _not_before(tx, job, plan))
        task_map = () if isinstance(plan.tasks, ArraySpec) or job.spec.array is None else plan.tasks
        intent = await intents.insert(
            tx,
            job_id=job.id,
            engine=engine.name,
            token=token,
            now=tx.runtime.time(),
            host=tx.runtime.host(),
            pid=tx.runtime.pid(),
            task_map=[one.task_id for one in task_map],
        )
        if intent is None:
            return None
        # only now: what another process has launched may have written something by now
        await finish_before_all(tx, job.id)
        ended = await tasks.ends(tx, job.id) if task_map else []
        await engine.prepare(replace(request, ended=tuple(ended)))
    return intent, plan, request


async def _resolve(database: Database, job: Job) -> None:
    """Have what a job waits for decide, as it stands now: the engine is not asked to run what is skipped."""
    if job.spec.dependencies:
        async with database.transaction() as tx:
            await resolve_jobs(tx, [job.id])


def in_parts(engine: Engine, job: Job) -> str | None:
    """Say that a job goes to an engine in several launches; None where one takes all of it."""
    most = engine.capabilities.max_array
    if job.spec.array is None or len(job.spec.array) <= most:
        return None
    return f"job {job.id} goes to the cluster in parts of {most} tasks: it takes no more at once"


async def preview(database: Database, engine: Engine, spec: JobSpec) -> Preview:
    """Return how a new job would be launched, or its first part. Raises JmanError where it can't be."""
    await engine.open()
    job = Job(
        id=NOT_STORED, spec=spec, submitted_at=database.runtime.time(), counts={}, status=Status.SUBMITTED
    )
    plan = _whole(job, 1, engine.capabilities)
    after = await after_of(database, engine, job) or ()
    return await engine.preview(
        _made(database, job, "0" * (8 + 2 * TOKEN_BYTES), replace(plan, after=() if plan.more else after))
    )


@dataclass(frozen=True, slots=True)
class _Plan:
    """Which tasks go, how many at a time, and what they wait for there."""

    tasks: ArraySpec | tuple[Ref, ...]
    at_once: int | None
    more: bool = False
    """Whether there are others, which the engine does not take in the same launch."""
    after: tuple[After, ...] = ()


async def _plan(source: Reader | Transaction, engine: Engine, job: Job) -> _Plan | None:
    """Return what of a job is to go now; None where it must wait here first."""
    after = await after_of(source, engine, job)
    if after is None:
        return None
    plan = await _tasks(source, job, engine.capabilities)
    if plan is None or (plan.more and after):
        return None  # what is held there is there as a whole, or not at all
    whole = isinstance(plan.tasks, ArraySpec)
    return replace(plan, after=tuple(one if whole else one._replace(per_task=False) for one in after))


def _made(source: Reader | Transaction, job: Job, token: str, plan: _Plan) -> LaunchRequest:
    return LaunchRequest(
        token=token,
        job_id=job.id,
        spec=job.spec,
        tasks=plan.tasks,
        at_once=plan.at_once,
        after=plan.after,
        time_limit=job.spec.timeout,
        folder=folder_of(source, job),
        logs=log_start(job.spec),
    )


async def _not_before(source: Reader | Transaction, job: Job, plan: _Plan) -> float | None:
    """Return the earliest time for these attempts: the delay after those that failed.

    An attempt that failed for a cause to be retried is always followed by a retry: that it is one need
    not be stored.
    """
    retry = job.spec.retry
    if retry is None or not retry.delay or isinstance(plan.tasks, ArraySpec):
        return None
    attempts = {one.task_id: one.attempt for one in plan.tasks}
    now = source.runtime.time()
    first = await tasks.first_attempts(source, [(job.id, task_id) for task_id in attempts])
    ends = [
        min(task.finished_at or now, now)  # a node's clock may be ahead
        for task in await tasks.attempts_since(source, job.id, now - retry.delay)
        if attempts.get(task.task_id) == task.attempt + 1
        and task.status is Status.FAILURE
        and task.attempt >= first.get((job.id, task.task_id), 1)  # else somebody submitted it again
    ]
    return max(ends) + retry.delay if ends else None


async def _tasks(source: Reader | Transaction, job: Job, can: Capabilities) -> _Plan | None:
    """Return which tasks are to go: the whole array where nothing of it has run, or chosen attempts.

    Of more than the engine takes at once the first ones. None where as many as may are at it already, or
    where the job was deleted meanwhile.
    """
    array = job.spec.array
    if array is None:
        row = await tasks.get(source, job.id, PLAIN_TASK)
        return _whole(job, row.attempt if row else 1, can)
    states = (await submissions.task_states(source, [job.id])).get(job.id)
    if states is None:
        return None
    sendable = {Status.SUBMITTED}
    if not await submissions.active(source, [job.id]):
        sendable.add(Status.WAITING)  # else it is held there
    at_once = array.throttle
    if at_once is not None:
        at_once -= await _live(source, job, at_once)
        if at_once <= 0:
            return None
    fresh = states.default_status in sendable
    if fresh and not states.unfinished and not states.finished:
        return replace(_whole(job, 1, can), at_once=at_once)
    attempts = {
        task_id: task.attempt for task_id, (task, _) in states.unfinished.items() if task.status in sendable
    }
    if fresh:
        touched = states.unfinished.keys() | states.finished
        attempts |= {task_id: 1 for task_id in array if task_id not in touched}
    refs = tuple(Ref(job.id, task_id, attempt) for task_id, attempt in sorted(attempts.items()))
    most = can.max_array
    return _Plan(refs[:most], at_once, len(refs) > most) if refs else None


def _whole(job: Job, attempt: int, can: Capabilities) -> _Plan:
    array = job.spec.array
    if array is None:
        return _Plan((Ref(job.id, PLAIN_TASK, attempt),), None)
    most = can.max_array
    fits = can.max_number is None or array.last <= can.max_number
    if len(array.ranges) == 1 and len(array) <= most and fits:
        return _Plan(array, array.throttle)
    first = array.slice(0, most)
    return _Plan(tuple(Ref(job.id, one, 1) for one in first), array.throttle, len(array) > most)


async def _live(source: Reader | Transaction, job: Job, throttle: int) -> int:
    """Return how many tasks of a job may run at a time by the launches that are there already."""
    found = await situation(source, job.spec.engine, [job.id])
    return may_run(found.watched, throttle)
