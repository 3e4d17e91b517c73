"""What an engine says of jobs that wait or run there: asked once, whatever their number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from asyncjman.api.session import Session
from asyncjman.engines.base import Watched
from asyncjman.errors import JmanError
from asyncjman.model.job import PLAIN_TASK, Job
from asyncjman.model.status import FINISHED, Status
from asyncjman.scheduler.watching import watched_of
from asyncjman.store import submissions
from asyncjman.store.submissions import Standing, Submission


@dataclass(slots=True)
class Evidence:
    """All of it; ``silent`` is why the engine gave no answer."""

    sent: dict[int, list[Watched]] = field(default_factory=lambda: defaultdict(list))
    """What is there, by job id."""
    lines: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    """What the engine says of a job."""
    silent: JmanError | None = None
    is_anothers: bool = False
    """The jobs are of another user, whose own jman asks the engine."""


async def gather(session: Session, some: Sequence[Job]) -> Evidence:
    """Ask for what explains jobs."""
    found = Evidence()
    unfinished = {job.id: job for job in some if job.is_open_elsewhere}
    standings = await submissions.standings(session.database, unfinished)
    later: dict[int, set[int]] = defaultdict(set)
    for one in reversed(await submissions.active(session.database, unfinished)):
        standing, job = standings.get(one.job_id), unfinished[one.job_id]
        if standing is not None and _has_any(one, job, standing, later[one.job_id]):
            elsewhere = frozenset(later[one.job_id])
            found.sent[one.job_id].insert(0, watched_of(session.database, one, job, standing, elsewhere))
        later[one.job_id].update(one.mapped or (PLAIN_TASK,))
    sent = [one for mine in found.sent.values() for one in mine]
    found.is_anothers = not session.is_owner
    if not sent or found.is_anothers:
        return found
    for name in sorted({job.spec.executor for job in unfinished.values()}):
        own = [one for one in sent if unfinished[one.job_id].spec.executor == name]
        try:
            for evidence in await session.engine(name).explain(own):
                found.lines[evidence.job_id].append(evidence.words)
        except JmanError as error:
            found.silent = error
    return found


def _has_any(submission: Submission, job: Job, standing: Standing, later: Collection[int]) -> bool:
    """Tell whether the engine has any task by this submission, not by a ``later`` one, or none as yet."""
    if submission.native_id is None:
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
