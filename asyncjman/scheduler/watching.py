"""What the store knows of launches, as engines are given it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from asyncjman.engines.base import Purpose, TaskRow, Watched
from asyncjman.model.job import PLAIN_TASK, Job, JobSpec, Task
from asyncjman.model.status import FINISHED, Status
from asyncjman.scheduler.intents import maker_is_dead
from asyncjman.store import jobs, submissions
from asyncjman.store.database import Database, Reader, Transaction
from asyncjman.store.submissions import SentJob, Submission, TaskStates
from asyncjman.system.logs import spool_folder


@dataclass(slots=True)
class Situation:
    """All launches of an engine that have unfinished tasks, and how these stand."""

    launches: dict[str, Submission] = field(default_factory=dict)
    """By their tokens."""
    known: Mapping[int, SentJob] = field(default_factory=dict)
    """Which tasks the jobs have, and where their records are, by job id."""
    task_states: Mapping[int, TaskStates] = field(default_factory=dict)
    watched: list[Watched] = field(default_factory=list)
    late: dict[tuple[int, int], Task] = field(default_factory=dict)
    """Tasks whose end is not proven, by job and task id."""


async def situation(
    source: Reader | Transaction,
    engine: str,
    job_ids: Iterable[int] | None = None,
    *,
    intents: Database | None = None,
) -> Situation:
    """Return what is to be watched, of all jobs of an engine or of some.

    ``intents``: where it is found out of each intent whether anybody still carries it out.
    """
    active = await submissions.active(source, job_ids, engine=engine)
    known = await submissions.sent_jobs(source, {one.job_id for one in active})
    task_states = await submissions.task_states(source, known)
    found = Situation(known=known, task_states=task_states)
    elsewhere = _elsewhere(active)
    place = spool_folder(source.path, "")  # once: there may be thousands of jobs
    for one in active:
        if one.job_id not in known or one.job_id not in task_states:
            continue  # another process deleted it
        dead = one.native_id is None and intents is not None and await maker_is_dead(intents, one)
        found.launches[one.token] = one
        found.watched.append(
            watched_of(place, one, known[one.job_id], task_states[one.job_id], elsewhere[one.id], dead=dead)
        )
    return found


async def add_late(source: Reader, found: Situation, engine: str) -> None:
    """Add the tasks that were given up: their records may come late."""
    by_job: dict[int, list[tuple[Task, float]]] = defaultdict(list)
    for task, since in await submissions.unproven(source):
        by_job[task.job_id].append((task, since))
    for job in await jobs.get(source, by_job):
        if job.spec.engine != engine:
            continue
        rows = {}
        for task, since in by_job[job.id]:
            found.late[task.job_id, task.task_id] = task
            rows[task.task_id] = TaskRow(task.attempt, task.status, task.started_at, since)
        found.watched.append(
            Watched(
                token=f"late {job.id}",
                native_id="",
                job_id=job.id,
                created_at=job.submitted_at,
                maker_is_dead=True,
                array=job.spec.array,
                tasks=(),
                default=Status.SUCCESS,
                rows=rows,
                ended=frozenset(),
                folder=folder_of(source, job),
                purpose=Purpose.LATE,
            )
        )


def watched_of(
    spools: str,
    one: Submission,
    job: SentJob | JobSpec,
    states: TaskStates,
    elsewhere: frozenset[int] = frozenset(),
    *,
    dead: bool = False,
) -> Watched:
    """Return what the store knows of a launch; ``spools`` begins the paths of all spool folders.

    Where it is to be explained, ``job`` is all that was asked for.
    """
    return Watched(
        token=one.token,
        native_id=one.native_id,
        job_id=one.job_id,
        created_at=one.created_at,
        maker_is_dead=dead,
        array=job.array,
        tasks=one.task_map,
        default=states.default_status,
        spec=job if isinstance(job, JobSpec) else None,
        rows={
            task_id: TaskRow(task.attempt, task.status, task.started_at, since)
            for task_id, (task, since) in states.unfinished.items()
        },
        ended=frozenset(states.finished),
        elsewhere=elsewhere,
        stop=frozenset(states.to_stop),
        folder=f"{spools}{job.token}",
        engine_state=one.engine_state,
    )


def unfinished_of(one: Watched) -> int:
    """Return how many tasks of a launch may still run by it."""
    if one.array is None and not one.tasks:
        return int(PLAIN_TASK not in one.ended)
    count = 0
    for task_id in one.tasks or one.array or ():
        row = one.rows.get(task_id)
        left = task_id in one.elsewhere or task_id in one.ended or (row is None and one.default in FINISHED)
        again = row is not None and (row.status is Status.SUBMITTED or (row.attempt > 1 and not one.tasks))
        deleted = one.array is not None and task_id not in one.array
        count += not left and not again and not deleted
    return count


def may_run(launches: Iterable[Watched], throttle: int) -> int:
    """Return how many tasks of a job may run at a time by launches that are there."""
    return sum(min(throttle, unfinished_of(one)) for one in launches)


def folder_of(source: Reader | Transaction, job: Job) -> str:
    """Return the spool folder of a job."""
    return spool_folder(source.path, job.spec.token)


def _elsewhere(active: Sequence[Submission]) -> dict[int, frozenset[int]]:
    """Return the tasks that a later launch is about, by the ids of launches."""
    found: dict[int, frozenset[int]] = {}
    later: dict[int, frozenset[int]] = defaultdict(frozenset)
    for one in reversed(active):
        found[one.id] = later[one.job_id]
        later[one.job_id] |= set(one.task_map) or {PLAIN_TASK}
    return found
