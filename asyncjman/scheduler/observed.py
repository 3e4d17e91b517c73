"""Storing what engines report of launches, with all that follows from it: retries, ends, skips."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from asyncjman.engines.base import IN_ERROR, Observation, Ref, Saw
from asyncjman.model.array import ArraySpec
from asyncjman.model.failure import KEPT_BYTES, Cause
from asyncjman.model.job import JobSpec, Task
from asyncjman.model.status import FINISHED, Status
from asyncjman.scheduler.resolving import resolve_dependents, unskip
from asyncjman.scheduler.watching import Situation
from asyncjman.store import intents, jobs, schedule, submissions, tasks, transitions
from asyncjman.store.database import Database, Transaction
from asyncjman.store.submissions import Submission
from asyncjman.system.logs import log_paths, read_end

_PENDING = {Saw.PENDING: Status.QUEUED, Saw.HELD: Status.WAITING}
_ENDS = {Saw.SKIPPED: Status.SKIPPED, Saw.STOPPED: Status.STOPPED}


@dataclass(slots=True)
class Stored:
    """What was stored."""

    ended: list[int] = field(default_factory=list)
    """Jobs that ended."""
    seen: list[Task] = field(default_factory=list)
    """Tasks of which something new was seen."""
    ends: list[Observation] = field(default_factory=list)
    """The ends among it."""
    in_error: list[int] = field(default_factory=list)
    """Jobs that only a person can help now."""
    intents: bool = False
    """Whether it became known that intents were carried out, or were not."""


async def store(database: Database, found: Situation, seen: Sequence[Observation]) -> Stored:
    """Store what an engine has seen of launches.

    Of jobs that another process changed meanwhile nothing is stored: what was concluded of them may be
    wrong by now. The next poll concludes anew.
    """
    stored = Stored()
    failed = [one for one in seen if one.saw is Saw.ENDED and one.cause is not None and one.ref is not None]
    # all that a job was asked for is read of those alone that failed: there may be thousands that did not
    specs = await jobs.specs(database, {one.ref.job_id for one in failed if one.ref}) if failed else {}
    await _read_errors(database, specs, failed)
    late = [one for one in seen if one.token not in found.launches]
    of_launches = [one for one in seen if one.token in found.launches]
    # of thousands of jobs that wait on as they did nothing is read again because one of them ended
    job_ids = {found.launches[one.token].job_id for one in of_launches if _is_news(found, one)}
    of_launches = [one for one in of_launches if found.launches[one.token].job_id in job_ids]
    if of_launches:
        async with database.transaction() as tx:
            active = {one.id for one in await submissions.active(tx, job_ids)}
            now = await submissions.task_states(tx, job_ids)
            summaries = await schedule.summaries(tx, job_ids)
            known = {i for i, one in summaries.items() if has_array(found.known[i].array, one.array)}
            valid = [
                one
                for one in of_launches
                if found.launches[one.token].job_id in known
                and _holds(found, found.launches[one.token], active, now)
            ]
            await _launches(tx, found, valid, stored)
            await _tasks(tx, found, valid, stored)
            await _retry(tx, specs, stored.seen)
            await close(tx, {task.job_id for task in stored.seen}, stored)
    if late:
        await _correct(database, found, late, stored)
    return stored


def _is_news(found: Situation, one: Observation) -> bool:
    """Tell whether something may be to be stored: of what waits on as it did there is nothing."""
    states = found.task_states[found.launches[one.token].job_id]
    if one.saw not in _PENDING:
        return True
    if one.ref is None:
        return _PENDING[one.saw] is not states.default_status
    row = states.unfinished.get(one.ref.task_id)
    if row is None:
        return True
    (task, since), after = row, task_after(row[0], one)
    return (task.status, task.reason, since) != (after.status, after.reason, None)


async def _read_errors(
    database: Database, specs: Mapping[int, JobSpec], failed: Iterable[Observation]
) -> None:
    """Have what failed carry the end of its error log: before the transaction, as the disk may be slow."""
    logs: list[tuple[Observation, str]] = []
    for one in failed:
        if one.ref is not None and (spec := specs.get(one.ref.job_id)) is not None:
            paths = log_paths(spec, one.ref.job_id, one.ref.task_id)
            if paths is not None:
                logs.append((one, paths[1]))
    if logs:
        texts = await database.runtime.in_thread(_read_ends, [path for _, path in logs])
        for (one, _), text in zip(logs, texts, strict=True):
            one.errors = text


def _read_ends(paths: Sequence[str]) -> list[bytes]:
    return [read_end(path, KEPT_BYTES) for path in paths]


def has_array(known: ArraySpec | None, array: str | None) -> bool:
    """Tell whether a job still has the array that it was read with: tasks of it may be deleted meanwhile."""
    return array == (str(known) if known else None)


def _holds(found: Situation, one: Submission, active: set[int], now: Mapping[int, object]) -> bool:
    return one.id in active and now.get(one.job_id) == found.task_states[one.job_id]


async def _launches(tx: Transaction, found: Situation, seen: Iterable[Observation], stored: Stored) -> None:
    """Store what was seen of whole launches."""
    notes = []
    for one in seen:
        if one.ref is not None:
            continue
        launch = found.launches[one.token]
        if one.saw is Saw.NOT_SENT:
            # nobody can still be at work on it: it is launched anew with the others
            await intents.drop(tx, launch.id)
            stored.intents = True
        elif one.saw is Saw.SENT and one.native_id is not None:
            await intents.sent(tx, launch.id, one.native_id, Status.QUEUED)
            stored.intents = True
        elif one.saw is Saw.SENT:
            notes.append((one.engine_state, launch.id))
            if one.engine_state == IN_ERROR and launch.engine_state != IN_ERROR:
                stored.in_error.append(launch.job_id)
        elif one.saw in _PENDING and _PENDING[one.saw] is not found.task_states[launch.job_id].default_status:
            await submissions.set_default_status(tx, launch.job_id, _PENDING[one.saw])
    await submissions.set_engine_states(tx, notes)


async def _tasks(tx: Transaction, found: Situation, seen: Iterable[Observation], stored: Stored) -> None:
    """Store what was seen of single tasks."""
    changed: dict[tuple[int, int], tuple[Task, float | None]] = {}
    for one in seen:
        if one.ref is None or _is_taken_back(found.launches[one.token], one):
            continue
        key = (one.ref.job_id, one.ref.task_id)
        states = found.task_states[one.ref.job_id]
        known = changed.get(key) or states.unfinished.get(one.ref.task_id)
        task, since = known or (_task(one.ref, states.default_status), None)
        after = task_after(task, one)
        if one.saw in _PENDING and (task.status, task.reason, since) == (after.status, after.reason, None):
            continue
        changed[key] = (after, one.missing_since)
        if after.status in FINISHED:
            stored.ends.append(one)
    await submissions.put_tasks(tx, list(changed.values()))
    started = [(task.started_at, task.job_id) for task, _ in changed.values() if task.started_at is not None]
    await transitions.mark_jobs_started(tx, started)
    stored.seen.extend(task for task, _ in changed.values())


def is_gone(one: Observation) -> bool:
    """Tell whether an engine doesn't know a task, and nothing tells how it ended."""
    return one.saw is Saw.MISSING or one.cause is Cause.VANISHED


def _is_taken_back(launch: Submission, one: Observation) -> bool:
    """Tell whether a task is missing because it was taken back: that is still to be stored."""
    return is_gone(one) and one.ref is not None and one.ref.task_id in launch.taken_back


def _task(ref: Ref, status: Status) -> Task:
    return Task(job_id=ref.job_id, task_id=ref.task_id, attempt=ref.attempt, status=status)


def task_after(task: Task, one: Observation) -> Task:
    """Return a task as it is after what was seen of it."""
    if one.saw is Saw.MISSING:
        return task
    if one.saw in _PENDING:
        return replace(task, status=_PENDING[one.saw], reason=one.reason, started_at=None, host=None)
    host, started_at = one.host or task.host, one.started_at or task.started_at
    if one.saw is Saw.RUNNING:
        return replace(task, status=Status.EXECUTING, reason=None, host=host, started_at=started_at)
    status = _ENDS.get(one.saw, Status.SUCCESS if one.cause is None else Status.FAILURE)
    # not by replace, which takes thrice as long: thousands may end at once
    return Task(
        job_id=task.job_id,
        task_id=task.task_id,
        attempt=task.attempt,
        status=status,
        exit_status=one.exit_status,
        signal=one.signal,
        reason=one.reason,
        cause=one.cause,
        host=host,
        started_at=None if status is Status.SKIPPED else started_at,
        finished_at=one.at,
        cpu_seconds=one.usage.cpu_seconds if one.usage else None,
        peak_memory_bytes=one.usage.peak_memory_bytes or None if one.usage else None,
        errors=one.errors,
    )


async def close(tx: Transaction, touched: Iterable[int], stored: Stored) -> None:
    """Close the jobs that ended by it, and skip what must not run because of that."""
    closed = await transitions.close_jobs(tx, touched, tx.runtime.time())
    skipped = await resolve_dependents(tx, closed) if closed else []
    await submissions.deactivate(tx, closed)
    stored.ended.extend([*closed, *skipped])


async def _retry(tx: Transaction, specs: Mapping[int, JobSpec], seen: Iterable[Task]) -> None:
    """Have tasks that failed run again, where that was asked for: before their job counts as ended.

    What never started is not tried again: somebody took it out of the queue.
    """
    again: dict[int, list[int]] = defaultdict(list)
    failed = [one for one in seen if one.status is Status.FAILURE and one.started_at is not None]
    failed = [one for one in failed if specs[one.job_id].retry is not None]
    first = await tasks.first_attempts(tx, [(one.job_id, one.task_id) for one in failed])
    for task in failed:
        retry = specs[task.job_id].retry
        tries = task.attempt - first.get((task.job_id, task.task_id), 1) + 1
        if retry is not None and retry.applies(task.cause, task.signal, tries):
            again[task.job_id].append(task.task_id)
    for job_id, task_ids in again.items():
        array = specs[job_id].array
        await transitions.reset(
            tx, job_id, [Status.FAILURE], Status.SUBMITTED, array, tx.runtime.time(), task_ids, retry=True
        )


async def _correct(database: Database, found: Situation, late: Iterable[Observation], stored: Stored) -> None:
    """Correct tasks that were given up, and whose records came late after all."""
    async with database.transaction() as tx:
        left = {(task.job_id, task.task_id): task for task, _ in await submissions.unproven(tx)}
        corrected = []
        for one in late:
            assert one.ref is not None
            task = left.get((one.ref.job_id, one.ref.task_id))
            if task is not None and task.attempt == one.ref.attempt:
                corrected.append((task_after(task, one), None))
        await submissions.put_tasks(tx, corrected)
        for job_id in {task.job_id for task, _ in corrected if task.status is Status.SUCCESS}:
            stored.ended.extend(await unskip(tx, job_id))
    stored.seen.extend(task for task, _ in corrected)
