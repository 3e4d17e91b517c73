"""What an engine is to hold a launch for: jobs that it has itself, as they stand now."""

from __future__ import annotations

from collections.abc import Sequence

from asyncjman.engines.base import After, Engine
from asyncjman.model.graph import Dependency, Kind
from asyncjman.model.job import Job
from asyncjman.model.status import Status
from asyncjman.scheduler.watching import folder_of
from asyncjman.store import jobs, schedule, submissions
from asyncjman.store.database import Reader, Transaction
from asyncjman.store.submissions import Submission


async def after_of(source: Reader | Transaction, engine: Engine, job: Job) -> tuple[After, ...] | None:
    """Return what the engine is to hold a job for; None where it must wait here first."""
    others = await schedule.summaries(source, [one.job_id for one in job.spec.dependencies])
    # what was deleted meanwhile is waited for no more
    waits = [one for one in job.spec.dependencies if one.job_id in others and not others[one.job_id].finished]
    if not {one.kind for one in waits} <= engine.capabilities.holds:
        return None
    as_a_whole = {one.job_id for one in waits if one.kind is not Kind.CORR}
    sent: dict[int, list[Submission]] = {one.job_id: [] for one in waits}
    for submission in await submissions.active(source, sent):
        sent[submission.job_id].append(submission)
    for job_id, some in sent.items():
        elsewhere = others[job_id].engine != job.spec.engine
        # a task that was skipped here has left no record for the job script: what follows is decided here
        skipped = others[job_id].counts.get(Status.SKIPPED) and job_id in as_a_whole
        unsent = others[job_id].counts.get(Status.SUBMITTED) or any(one.native_id is None for one in some)
        if elsewhere or skipped or unsent or not some:
            return None
    known = {one.id: one for one in await jobs.get(source, sent)}
    if any(one.spec.retry is not None for one in known.values()):
        return None  # the engine would let it go after the first attempt
    return tuple(
        _held_by(source, job, one, known[one.job_id], sent[one.job_id])
        for one in waits
        if one.job_id in known
    )


def _held_by(
    source: Reader | Transaction, job: Job, one: Dependency, other: Job, sent: Sequence[Submission]
) -> After:
    whole = len(sent) == 1 and not sent[0].task_map
    arrays = (job.spec.array, other.spec.array)
    same = all(arrays) and len({array.ranges for array in arrays if array}) == 1
    return After(
        native_ids=tuple(submission.native_id for submission in sent if submission.native_id is not None),
        kind=one.kind,
        per_task=one.kind is Kind.CORR and whole and same,
        folder=folder_of(source, other),
        tasks=other.spec.array,
        job_id=other.id,
        stop_on_failure=other.spec.stop_on_failure,
        whole=whole,
    )
