"""Why a job is in the state that it is in, with the evidence."""

from __future__ import annotations

from collections.abc import Sequence

from asyncjman.api import tasks
from asyncjman.api.evidence import Evidence
from asyncjman.api.failures import groups
from asyncjman.api.first_cause import first_cause
from asyncjman.api.logfiles import logs as logs_of
from asyncjman.api.logfiles import tail
from asyncjman.api.session import Session
from asyncjman.engines.base import Watched
from asyncjman.model.efficiency import efficiency
from asyncjman.model.failure import Cause
from asyncjman.model.graph import Kind
from asyncjman.model.job import LOCAL, Job, Task, Usage
from asyncjman.model.selection import TaskFilter, format_ids
from asyncjman.model.signature import lines_of
from asyncjman.model.status import FINISHED, UNSUCCESSFUL, Status, in_words
from asyncjman.scheduler.watching import may_run
from asyncjman.store import failures, jobs
from asyncjman.store.usage import used

_TAIL_LINES = 5
_MAX_TASKS = 5
_MAX_GROUPS = 5
_MAX_IDS = 60
_NOT_FAILED = (Status.STOPPED, Status.SKIPPED)
_NEEDS = {
    Kind.ANY: "to end",
    Kind.OK: "to succeed",
    Kind.NOTOK: "to fail",
    Kind.CORR: "to succeed, task by task",
}


async def explain(
    session: Session,
    job: Job,
    evidence: Evidence,
    only: Sequence[int] = (),
    wanted: TaskFilter | None = None,
) -> list[str]:
    """Return lines that say why a job is as it is: evidence first, advice where there is some.

    ``only``: of the tasks that ended these alone; of those that have not, how they are. ``wanted``: such
    tasks alone, which may be none.
    """
    if wanted:
        return await _failures(session, job, only, wanted)
    lines = await _dependencies(session, job)
    if job.status is Status.SUCCESS:
        lines.append("all of it succeeded")
    elif job.spec.engine == LOCAL:
        lines += _local(session, job, evidence)
    elif job.status not in FINISHED:
        lines += _on_cluster(session, job, evidence)
    if not only:
        lines += await _efficiency(session, job)
    if job.status is Status.SKIPPED and (cause := await first_cause(session.database, job)):
        lines.append(f"skipped: {cause}")
    elif job.status in UNSUCCESSFUL or job.counts.get(Status.FAILURE):
        lines += await _failures(session, job, only)
    for task in [task async for task in tasks.select(session.database, job, only)] if only else ():
        if task.status not in UNSUCCESSFUL:
            lines.append(f"{job.id}.{task.task_id} {in_words(task.status)}")
    return lines


async def _efficiency(session: Session, job: Job) -> list[str]:
    """Say what a job used of what it asked its cluster for; of one task that failed that is said with it."""
    if job.spec.engine == LOCAL or job.status not in FINISHED:
        return []
    if job.spec.array is None and job.status is not Status.SUCCESS:
        return []
    found = await used(session.database, job.id)
    return [] if found is None else [efficiency(found, job.spec.resources)]


async def _dependencies(session: Session, job: Job) -> list[str]:
    if job.status in FINISHED or not job.spec.dependencies:
        return []
    ids = [one.job_id for one in job.spec.dependencies]
    others = {one.id: one for one in await jobs.get(session.database, ids)}
    lines = []
    for one in job.spec.dependencies:
        other = others.get(one.job_id)
        if other is not None and other.status not in FINISHED:
            lines.append(f"waits for job {other.id} {_NEEDS[one.kind]}; that one {in_words(other.status)}")
    return lines


def _local(session: Session, job: Job, evidence: Evidence) -> list[str]:
    if job.status in (Status.SUBMITTED, Status.QUEUED) or (
        job.status is Status.WAITING and not job.spec.dependencies
    ):
        if not session.is_owner:
            return ["only its owner's jman runs it"]
        if evidence.has_runner:
            return ["waits for a free slot of the jman execute that runs"]
        return ["no jman execute runs: jman --local execute --parallel N runs it"]
    if job.status is Status.EXECUTING:
        return [f"runs on {job.host or 'this machine'}"]
    return []


def _on_cluster(session: Session, job: Job, evidence: Evidence) -> list[str]:
    sent = evidence.sent.get(job.id, [])
    if not sent:
        what = "its next attempt has" if job.native_id is not None else "has"
        why = f": {session.trouble}" if session.trouble is not None else ""
        return [f"{what} not been sent to the cluster yet{why}"]
    if evidence.is_anothers:
        return [f"on the cluster as {one.native_id}, which only the owner's jman asks" for one in sent]
    unsent = _unsent(session, job, sent)
    if evidence.silent is not None:
        return [f"the cluster does not answer: {evidence.silent}", *unsent]
    lines = evidence.lines[job.id]
    if not lines and job.status is Status.EXECUTING:
        lines = [f"runs on {job.host or 'the cluster'}"]
    return [*lines, *unsent]


def _unsent(session: Session, job: Job, sent: Sequence[Watched]) -> list[str]:
    """Say why tasks of an array wait here while the cluster has others of it."""
    count = job.counts.get(Status.SUBMITTED, 0)
    if not count or job.spec.array is None:
        return []
    what = "1 task waits here" if count == 1 else f"{count} tasks wait here"
    throttle = job.spec.array.throttle
    if throttle is not None and may_run(sent, throttle) >= throttle:
        return [f"{what}: {throttle} may run at a time, and the cluster has as many that have not ended"]
    why = f": {session.trouble}" if session.trouble is not None else ""
    return [f"{what} to be sent to the cluster{why}"]


async def _failures(
    session: Session, job: Job, only: Sequence[int], wanted: TaskFilter | None = None
) -> list[str]:
    is_plain = wanted is None
    if wanted is None:
        lines = await _by_cause(session, job, only)
        if not any(job.counts.get(status) for status in _NOT_FAILED):
            return lines
        wanted = TaskFilter(frozenset(_NOT_FAILED))
    else:
        lines = []
    count = 0
    async for task in tasks.select(session.database, job, only, wanted):
        if task.status not in UNSUCCESSFUL:
            continue
        count += 1
        if count <= _MAX_TASKS:
            lines += await _failure(session, job, task)
        elif not only and is_plain:
            count = sum(job.counts.get(status, 0) for status in _NOT_FAILED)
            break
    if count > _MAX_TASKS:
        lines.append(f"and {count - _MAX_TASKS} more tasks (jman report -e {job.id})")
    return lines


async def _by_cause(session: Session, job: Job, only: Sequence[int]) -> list[str]:
    """Explain an example of each cause of failures."""
    found = await groups(session.database, [job.id], {job.id: only} if only else None)
    lines: list[str] = []
    for group in found[:_MAX_GROUPS]:
        task = await tasks.get(session.database, job, group.first[1])
        if group.tasks > 1:
            ids = format_ids(group.ids[job.id])
            ids = ids if len(ids) <= _MAX_IDS else f"{ids[: ids.rfind(',', 0, _MAX_IDS)]}…"
            lines.append(f"{group.tasks} tasks failed so, {job.id}.{ids}: {group.signature.text}")
        lines += await _failure(session, job, task)
    if len(found) > _MAX_GROUPS:
        lines.append(f"and {len(found) - _MAX_GROUPS} more causes (jman failures {job.id})")
    return lines


def _limits(session: Session, job: Job, task: Task) -> list[str]:
    """Hold the limits that the cluster was given against what the task used."""
    if job.spec.engine == LOCAL or task.status is not Status.FAILURE or task.started_at is None:
        return []
    if not session.is_owner:
        return []  # these would be held against settings of another user
    seconds = None if task.finished_at is None else task.finished_at - task.started_at
    usage = None
    if task.cpu_seconds is not None or task.peak_memory_bytes is not None:
        usage = Usage(task.cpu_seconds or 0.0, task.peak_memory_bytes or 0)
    return list(session.engine(job.spec.engine).judge(job.spec, seconds, usage))


def _reason(task: Task) -> str:
    if task.status is Status.STOPPED and task.started_at is None:
        return "before it started"
    return task.reason or "no reason is known"


async def _failure(session: Session, job: Job, task: Task) -> list[str]:
    name = f"{job.id}.{task.task_id}" if task.task_id else f"{job.id}"
    given = " ".join(f"{name}={value}" for name, value in job.spec.parameters(task.task_id).items())
    what = [f"{name} {task.status}: {_reason(task)}", *([given] if given else [])]
    host = task.host or "some host"
    if task.started_at is not None and task.cause in (Cause.VANISHED, Cause.NODE):
        what.append(f"it was on {host}; when it ended is not known")
    elif task.started_at is not None and task.finished_at is not None:
        what.append(f"ran {task.finished_at - task.started_at:.1f} seconds on {host}")
    if task.cpu_seconds is not None:
        what.append(f"used {task.cpu_seconds:.1f} CPU seconds")
    if task.peak_memory_bytes:
        what.append(f"{task.peak_memory_bytes / 2**20:.0f} MiB at its peak")
    limits = {key: job.spec.resources[key] for key in ("time", "memory") if key in job.spec.resources}
    if limits:
        what.append("asked for " + ", ".join(f"{key} {value}" for key, value in limits.items()))
    what += _limits(session, job, task)
    lines = ["; ".join(what)]
    if words := await failures.drift_of(session.database, job.id, task.task_id, task.attempt):
        lines.append(f"  another environment than where it was submitted: {words}")
    if task.started_at is None:
        return lines
    for log in reversed(logs_of(job, task.task_id) or ()):
        if last := tail(log, _TAIL_LINES):
            return [*lines, f"  {log}", *(f"  | {line}" for line in last)]
    kept = lines_of(await failures.errors_of(session.database, job.id, task.task_id, task.attempt))
    return [*lines, *(f"  | {line}" for line in kept[-_TAIL_LINES:])]
