"""Why a job is in the state that it is in, with the evidence."""

from __future__ import annotations

from collections.abc import Sequence

from asyncjman.api.evidence import Evidence
from asyncjman.api.logfiles import tail
from asyncjman.api.operations import Operations
from asyncjman.api.resubmission import UNSUCCESSFUL
from asyncjman.errors import JmanError
from asyncjman.executors.sge.accounting import read_time
from asyncjman.executors.sge.limits import judge
from asyncjman.executors.sge.parse import JobDetail
from asyncjman.executors.sge.verification import why_never
from asyncjman.model.graph import Kind
from asyncjman.model.job import Job, Task
from asyncjman.model.status import FINISHED, Status
from asyncjman.scheduler.grid.interpret import has_known_end
from asyncjman.store.submissions import Submission

_TAIL_LINES = 5
_MAX_TASKS = 5
_NEEDS = {
    Kind.ANY: "to end",
    Kind.OK: "to succeed",
    Kind.NOTOK: "to fail",
    Kind.CORR: "to succeed, task by task",
}


async def explain(
    operations: Operations, job: Job, evidence: Evidence, only: Sequence[int] = ()
) -> list[str]:
    """Return lines that say why a job is as it is: evidence first, advice where there is some.

    ``only``: of the tasks that ended these alone; of those that have not, how they are.
    """
    lines = await _dependencies(operations, job)
    if job.status is Status.SUCCESS:
        lines.append("all of it succeeded")
    elif job.spec.executor == "local":
        lines += await _local(operations, job)
    elif job.status not in FINISHED:
        lines += _on_grid(job, evidence, operations.database.runtime.time())
    if job.status in UNSUCCESSFUL or job.counts.get(Status.FAILURE):
        lines += await _failures(operations, job, only)
    for task in [task async for task in operations.tasks(job, only)] if only else ():
        if task.status not in UNSUCCESSFUL:
            lines.append(f"{job.id}.{task.task_id} is {task.status}")
    return lines


_NOTES = {
    "suspended": "suspended: somebody with the right to (qmod -usj) can let it go on",
    "suspended with its queue": "suspended with its queue, which an administrator can let go on",
    "suspended by a load threshold": "suspended while its host has too much to do",
    "being deleted": "being deleted on the cluster, as soon as its host says so",
}


async def _dependencies(operations: Operations, job: Job) -> list[str]:
    if job.status in FINISHED:
        return []
    others = {one.id: one for one in await operations.get([one.job_id for one in job.spec.dependencies])}
    lines = []
    for one in job.spec.dependencies:
        other = others.get(one.job_id)
        if other is not None and other.status not in FINISHED:
            lines.append(f"waits for job {other.id} {_NEEDS[one.kind]}; that one is {other.status}")
    return lines


async def _local(operations: Operations, job: Job) -> list[str]:
    if job.status in (Status.SUBMITTED, Status.QUEUED) or (
        job.status is Status.WAITING and not job.spec.dependencies
    ):
        if not operations.is_owner:
            return ["only its owner's jman runs it"]
        if await operations.has_runner():
            return ["waits for a free slot of the jman execute that runs"]
        return ["no jman execute runs: jman --local execute --parallel N runs it"]
    if job.status is Status.EXECUTING:
        return [f"runs on {job.host or 'this machine'}"]
    return []


def _on_grid(job: Job, evidence: Evidence, now: float) -> list[str]:
    sent = evidence.sent.get(job.id, [])
    if not sent:
        what = "its next attempt has" if job.grid_id is not None else "has"
        return [f"{what} not been sent to the cluster yet"]
    if evidence.is_anothers:
        return [f"on the cluster as {one.grid_id}, which only the owner's jman asks" for one in sent]
    if evidence.silent is not None:
        return [f"the cluster does not answer: {evidence.silent}"]
    lines = []
    for one in sent:
        assert one.grid_id is not None
        detail = evidence.details.get(one.grid_id)
        if detail is None:
            lines.append(f"the cluster does not list {one.grid_id} any more; its end is not known yet")
        else:
            lines += _of_detail(detail, one, job, evidence, now)
    if job.note in _NOTES:
        lines.append(_NOTES[job.note])
    if not lines and job.status is Status.QUEUED:
        lines.append("waits in the queue; the scheduler says nothing more (schedd_job_info may be off)")
    if not lines and job.status is Status.EXECUTING:
        lines.append(f"runs on {job.host or 'the grid'}")
    return list(dict.fromkeys(lines))


def _of_detail(
    detail: JobDetail, submission: Submission, job: Job, evidence: Evidence, now: float
) -> list[str]:
    lines = []
    in_error = evidence.in_error.get(detail.grid_id, set())
    told = [number for number in detail.error_reasons if number in in_error]
    for number in told[:_MAX_TASKS]:
        reasons = detail.error_reasons[number]
        task = f" of task {submission.task_id(number)}" if job.spec.array else ""
        lines += [f"error{task}: {reason}" for reason in reasons]
        lines += _advice(reasons)
    if in_error:
        lines.append(
            f"it stays so until somebody acts: mend the cause, then qmod -cj {detail.grid_id}; "
            f"or jman stop {job.id} and jman resubmit {job.id}"
        )
    start = read_time(detail.not_before)
    if detail.not_before and job.status is Status.QUEUED and (start is None or start > now):
        lines.append(f"starts not before {detail.not_before}")
    if detail.hold:
        lines.append(f"held on the grid by {', '.join(map(str, detail.hold))}")
    ever, at_present = evidence.ever.get(detail.grid_id), evidence.now.get(detail.grid_id)
    if never := why_never(ever, at_present, detail.resources):
        lines += never
        lines.append(
            f"to ask for something else: jman stop {job.id}, then jman resubmit {job.id} "
            "with -q, -m, -p or --time"
        )
    # what the scheduler says is about tasks that wait
    if not never and any(job.counts.get(one) for one in (Status.QUEUED, Status.WAITING)):
        lines += list(dict.fromkeys(detail.scheduling))[:10]
    return lines


def _advice(reasons: Sequence[str]) -> list[str]:
    text = " ".join(reasons)
    if "can't chdir" in text:
        return ["the working folder is missing on the node"]
    if "can't open output file" in text or "can't open error file" in text:
        return ["the log folder is missing on the node, or can't be written there"]
    if "execvlp" in text or "unable to find shell" in text:
        return ["the command is missing on the node, or its #! line is wrong"]
    return []


async def _failures(operations: Operations, job: Job, only: Sequence[int]) -> list[str]:
    lines: list[str] = []
    count = 0
    async for task in operations.tasks(job, only):
        if task.status not in UNSUCCESSFUL:
            continue
        count += 1
        if count <= _MAX_TASKS:
            lines += _failure(operations, job, task)
    if count > _MAX_TASKS:
        lines.append(f"and {count - _MAX_TASKS} more tasks (jman report -e {job.id})")
    return lines


def _limits(operations: Operations, job: Job, task: Task) -> list[str]:
    """Hold the limits that the cluster was given against what the task used."""
    if job.spec.executor == "local" or task.status is not Status.FAILURE or task.started_at is None:
        return []
    if not operations.is_owner:
        return []  # these would be held against settings of another user
    try:
        limits = operations.grid.executor.limits({**job.spec.resources, "queue": job.spec.queue})
    except JmanError:
        return []  # the settings are others now
    seconds = None if task.finished_at is None else task.finished_at - task.started_at
    return judge(limits, seconds=seconds, cpu_seconds=task.cpu_seconds, peak_bytes=task.peak_memory_bytes)


def _failure(operations: Operations, job: Job, task: Task) -> list[str]:
    name = f"{job.id}.{task.task_id}" if task.task_id else f"{job.id}"
    what = [f"{name} {task.status}: {task.reason or 'no reason is known'}"]
    host = task.host or "some host"
    if task.started_at is not None and not has_known_end(task):
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
    what += _limits(operations, job, task)
    lines = ["; ".join(what)]
    logs = operations.logs(job, task.task_id)
    if logs is not None and task.started_at is not None:
        for log in reversed(logs):
            if last := tail(log, _TAIL_LINES):
                lines += [f"  {log}", *(f"  | {line}" for line in last)]
                break
    return lines
