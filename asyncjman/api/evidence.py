"""What an engine says of jobs that wait or run there: asked once, whatever their number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from asyncjman.api.runners import has_runner
from asyncjman.api.session import Session
from asyncjman.engines.base import Watched
from asyncjman.errors import JmanError
from asyncjman.model.job import LOCAL, PLAIN_TASK, Job
from asyncjman.model.status import FINISHED, Status
from asyncjman.scheduler.watching import watched_of
from asyncjman.store import submissions
from asyncjman.store.submissions import Submission, TaskStates
from asyncjman.system.logs import spool_folder


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
    has_runner: bool = False
    """Whether some process runs local jobs now, or may do so; asked for where one waits."""


async def gather(session: Session, some: Sequence[Job]) -> Evidence:
    """Ask for what explains jobs."""
    found = Evidence()
    if any(job.spec.engine == LOCAL and job.status not in FINISHED for job in some):
        found.has_runner = await has_runner(session.database)
    unfinished = {job.id: job for job in some if job.is_open_elsewhere}
    task_states = await submissions.task_states(session.database, unfinished)
    later: dict[int, set[int]] = defaultdict(set)
    place = spool_folder(session.database.path, "")
    for one in reversed(await submissions.active(session.database, unfinished)):
        states, job = task_states.get(one.job_id), unfinished[one.job_id]
        if states is not None and _has_any(one, job, states, later[one.job_id]):
            elsewhere = frozenset(later[one.job_id])
            found.sent[one.job_id].insert(0, watched_of(place, one, job.spec, states, elsewhere))
        later[one.job_id].update(one.task_map or (PLAIN_TASK,))
    sent = [one for mine in found.sent.values() for one in mine]
    found.is_anothers = not session.is_owner
    if not sent or found.is_anothers:
        return found
    for name in sorted({job.spec.engine for job in unfinished.values()}):
        own = [one for one in sent if unfinished[one.job_id].spec.engine == name]
        try:
            for evidence in await session.engine(name).explain(own):
                found.lines[evidence.job_id].append(evidence.words)
        except JmanError as error:
            found.silent = error
    return found


def _has_any(submission: Submission, job: Job, states: TaskStates, later: Collection[int]) -> bool:
    """Tell whether the engine has any task by this submission, not by a ``later`` one, or none as yet."""
    if submission.native_id is None:
        return False
    others_are_there = states.default_status not in FINISHED and states.default_status is not Status.SUBMITTED
    rows = len(states.unfinished) + len(states.finished)
    if not submission.task_map and job.spec.array is not None and others_are_there and rows < job.task_count:
        return True
    tasks = submission.task_map or (states.unfinished if job.spec.array is not None else (PLAIN_TASK,))
    for task_id in tasks:
        if task_id in later or task_id in states.finished:
            continue
        row = states.unfinished.get(task_id)
        first = submission.task_map or job.spec.array is None or row is None or row[0].attempt == 1
        if first and (others_are_there if row is None else row[0].status is not Status.SUBMITTED):
            return True
    return False
