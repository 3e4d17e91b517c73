"""What a cluster says of jobs that wait or run there: asked once, whatever their number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from asyncjman.api.operations import Operations
from asyncjman.errors import JmanError
from asyncjman.executors.sge.executor import SgeExecutor
from asyncjman.executors.sge.parse import JobDetail, is_error
from asyncjman.executors.sge.verification import Verdict, is_doubtful
from asyncjman.model.job import PLAIN_TASK, Job
from asyncjman.model.status import FINISHED, Status
from asyncjman.store import submissions
from asyncjman.store.submissions import Standing, Submission

_AT_ONCE = 200
"""Jobs that are named in one command."""


@dataclass(slots=True)
class Evidence:
    """All of it; ``silent`` is why the cluster gave no answer."""

    sent: dict[int, list[Submission]] = field(default_factory=lambda: defaultdict(list))
    """What is on the cluster, by job id."""
    details: dict[int, JobDetail] = field(default_factory=dict)
    in_error: dict[int, set[int]] = field(default_factory=lambda: defaultdict(set))
    """The cluster's numbers of tasks that are in error now (1 for a job with no array)."""
    ever: dict[int, Verdict] = field(default_factory=dict)
    now: dict[int, Verdict] = field(default_factory=dict)
    silent: JmanError | None = None
    is_anothers: bool = False
    """The jobs are of another user, whose own jman asks the cluster."""


async def gather(operations: Operations, some: Sequence[Job]) -> Evidence:
    """Ask the cluster for what explains jobs: in three commands, or in five."""
    found = Evidence()
    unfinished = {job.id: job for job in some if job.spec.executor != "local" and job.status not in FINISHED}
    standings = await submissions.standings(operations.database, unfinished)
    later: dict[int, set[int]] = defaultdict(set)
    for one in reversed(await submissions.active(operations.database, unfinished)):
        standing = standings.get(one.job_id)
        if standing is not None and _has_any(one, unfinished[one.job_id], standing, later[one.job_id]):
            found.sent[one.job_id].insert(0, one)
        later[one.job_id].update(one.mapped or (PLAIN_TASK,))
    sent = [one for mine in found.sent.values() for one in mine]
    grid_ids = [one.grid_id for one in sent if one.grid_id is not None]
    found.is_anothers = not operations.is_owner
    if not grid_ids or found.is_anothers:
        return found
    executor = operations.grid.executor
    try:
        for part in _parts(grid_ids):
            found.details |= {one.grid_id: one for one in await executor.detail(part)}
        if any(one.error_reasons for one in found.details.values()) or any(
            one.note == "error" for one in sent
        ):
            await _find_errors(executor, found)
    except JmanError as error:
        found.silent = error
        return found
    waiting = {one.id for one in unfinished.values() if one.status in (Status.QUEUED, Status.WAITING)}
    pending = [
        one.grid_id
        for job_id in waiting
        for one in found.sent[job_id]
        if one.grid_id in found.details and one.grid_id not in found.in_error
    ]
    with suppress(JmanError):  # it says less then
        await _verify(executor, found, sorted(pending))
    return found


def _has_any(submission: Submission, job: Job, standing: Standing, later: Collection[int]) -> bool:
    """Tell whether the cluster has any task by this submission, not by a ``later`` one, or none as yet."""
    if submission.grid_id is None:
        return False
    rest_is_there = standing.rest not in FINISHED and standing.rest is not Status.SUBMITTED
    rows = len(standing.unfinished) + len(standing.finished)
    if not submission.mapped and job.spec.array is not None and rest_is_there and rows < job.task_count:
        return True
    tasks = submission.mapped or (standing.unfinished if job.spec.array is not None else (PLAIN_TASK,))
    for task_id in tasks:
        if task_id in later or task_id in standing.finished:
            continue
        row = standing.unfinished.get(task_id)
        first = submission.mapped or job.spec.array is None or row is None or row[0].attempt == 1
        if first and (rest_is_there if row is None else row[0].status is not Status.SUBMITTED):
            return True
    return False


async def _find_errors(executor: SgeExecutor, found: Evidence) -> None:
    """The text of an error stays with a job that runs: only the state tells whether it holds."""
    for entry in await executor.query():
        if is_error(entry.letters):
            numbers = {number for one in entry.tasks or (range(1, 2),) for number in one}
            found.in_error[entry.grid_id] |= numbers


async def _verify(executor: SgeExecutor, found: Evidence, grid_ids: Sequence[int]) -> None:
    for part in _parts(grid_ids):
        found.ever |= await executor.verify_jobs(part, "v")
    doubtful = [
        grid_id
        for grid_id, verdict in found.ever.items()
        if verdict.suitable is False and is_doubtful(verdict, _requested(found.details, grid_id))
    ]
    for part in _parts(doubtful):
        found.now |= await executor.verify_jobs(part, "p")


def _requested(details: Mapping[int, JobDetail], grid_id: int) -> Mapping[str, str]:
    return details[grid_id].resources


def _parts(grid_ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(grid_ids), _AT_ONCE):
        yield grid_ids[start : start + _AT_ONCE]
