"""Having jobs run once more, with their ids and dependencies kept: whole or not at all."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from asyncjman.api import tasks as task_rows
from asyncjman.api.ids import where_tasks
from asyncjman.api.request import placed
from asyncjman.api.session import Session
from asyncjman.errors import BadDependency, BadSelection, UsageError
from asyncjman.model.array import ArraySpec
from asyncjman.model.graph import dependents
from asyncjman.model.job import LOCAL, Job, JobSpec
from asyncjman.model.resources import checked
from asyncjman.model.retry import Retry
from asyncjman.model.selection import Selection, TaskFilter
from asyncjman.model.status import UNSUCCESSFUL, Status
from asyncjman.scheduler import removal
from asyncjman.scheduler.reconcile import recover_orphans
from asyncjman.scheduler.resolving import resolve_jobs, waiting_status
from asyncjman.store import jobs, removals, schedule, submissions, tasks, transitions
from asyncjman.store.database import Database, Transaction
from asyncjman.system.logs import log_start
from asyncjman.system.program import resolve

PENDING = frozenset({Status.SUBMITTED, Status.WAITING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """New values of what was asked for; None, or nothing: as it was."""

    resources: Mapping[str, Any] = field(default_factory=dict)
    """Of what a cluster is asked for (``queue`` among them)."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that are added, or have other values."""
    name: str | None = None
    timeout: float | None = None
    """Seconds that an attempt may take."""
    retry: Retry | None = None
    at_once: int | None = None
    """How many tasks of an array may run at a time; 0: any number."""

    def __bool__(self) -> bool:
        return self != Changes()

    def applied(self, spec: JobSpec) -> JobSpec:
        """Return a job with these changes. Raises UsageError for what makes no sense."""
        resources = checked({**spec.resources, **self.resources})
        array = spec.array
        if self.at_once is not None and array is not None:
            array = ArraySpec(array.ranges, self.at_once or None)
        return replace(
            spec,
            resources=resources,
            queue=spec.queue if spec.engine == LOCAL else resources.get("queue", spec.queue),
            environment={**spec.environment, **self.environment},
            name=spec.name if self.name is None else self.name,
            timeout=spec.timeout if self.timeout is None else self.timeout,
            retry=spec.retry if self.retry is None else self.retry,
            array=array,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Resubmission:
    """What is to run once more, and what is different then.

    Jobs that haven't started yet count too: they are where they should be, and take over the changes.
    """

    statuses: frozenset[Status] = UNSUCCESSFUL
    """The tasks of the named jobs: those that ended in one of these."""
    tasks: Mapping[int, Sequence[int]] = field(default_factory=dict)
    """Of these jobs only these; of others all."""
    dependents: bool = True
    """Whether what was skipped because of these jobs comes along."""
    clean: bool = False
    """Whether their logs are removed."""
    command: Sequence[str] = ()
    """A new one, for one job."""
    to: str | None = None
    """The engine that they run on from now on."""
    changes: Changes = field(default_factory=Changes)
    """What is different in the jobs from now on."""
    wanted: TaskFilter | None = None
    """Of the tasks only such."""


@dataclass(frozen=True, slots=True)
class Resubmitted:
    """A job that is to run once more, and the log files that were removed for it."""

    job: Job
    removed: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Outcome:
    """What came of a resubmission."""

    done: list[Resubmitted] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)
    """Jobs that stay skipped: left on purpose, or because of other jobs that they depend on."""


def narrowed(
    selected: Sequence[Job], selection: Selection, request: Resubmission, where: Mapping[str, str]
) -> tuple[Sequence[Job], Resubmission]:
    """Return the jobs, and the request for those of their tasks that are meant.

    Raises UsageError for an engine that isn't there, and BadSelection where ``where`` means no task.
    """
    if request.to is not None:
        from asyncjman.engines.registry import check

        check(request.to)
    tasks_of = selection.tasks
    if where:
        tasks_of = where_tasks(selected, where)
        selected = [job for job in selected if job.id in tasks_of]
    return selected, replace(request, tasks=tasks_of)


async def matching(
    database: Database, selected: Sequence[Job], request: Resubmission
) -> tuple[Sequence[Job], Resubmission]:
    """Return the jobs that have tasks of those that are wanted, and the request for these tasks."""
    tasks_of: dict[int, list[int]] = {}
    for job in selected:
        only = request.tasks.get(job.id, ())
        async for task in task_rows.select(database, job, only, request.wanted):
            tasks_of.setdefault(job.id, []).append(task.task_id)
    return [job for job in selected if job.id in tasks_of], replace(request, tasks=tasks_of)


async def resubmit(session: Session, selected: Sequence[Job], request: Resubmission) -> Outcome:
    """Do it in one transaction. Raises UsageError where it makes no sense; nothing is changed then."""
    database = session.writer()
    await recover_orphans(database, session.engine(LOCAL))
    async with database.transaction() as tx:
        chosen = await jobs.get(tx, [job.id for job in selected])
        _check(
            chosen, request, {one.job_id for one in await submissions.active(tx, [job.id for job in chosen])}
        )
        edges = await jobs.dependency_edges(tx)
        _refuse_cycle(edges)
        changed = [job.id for job in chosen if await _reset(tx, job, request, session)]
        if request.to is not None or request.changes:
            for job in await jobs.get(tx, changed):
                session.refuse(job.spec)
        behind = await _skipped_behind(tx, edges, changed)
        if request.dependents:
            for job_id in behind:
                target = await waiting_status(tx, job_id)
                await transitions.reset(tx, job_id, [Status.SKIPPED], target, None, tx.runtime.time())
        await resolve_jobs(tx, {*changed, *dependents(edges, changed)})
        now = await schedule.summaries(tx, {*changed, *behind})
    skipped = {job_id for job_id, one in now.items() if one.status is Status.SKIPPED}
    outcome = Outcome(skipped=sorted(skipped))
    removed, left_over = await removal.finish_or_tell(database)
    for job in await jobs.get(database, now.keys() - skipped if request.dependents else changed):
        outcome.done.append(Resubmitted(job, removed.paths[job.id], removed.problems[job.id]))
    if outcome.done:
        outcome.done[-1].problems.extend(left_over)
    return outcome


def _check(chosen: Sequence[Job], request: Resubmission, launched: Container[int]) -> None:
    """``launched``: the jobs that a cluster has something of, or may have: an intent is one, too."""
    if request.command:
        if len(chosen) != 1:
            raise UsageError("--overwrite-command goes with one job: jman resubmit -j 3 -o COMMAND...")
        job = chosen[0]
        if job.status in (Status.QUEUED, Status.EXECUTING):
            raise UsageError(f"job {job.id} is {job.status}: stop it before it gets a new command")
    for job in chosen if request.to is not None else ():
        if job.spec.engine == request.to:
            continue
        if job.status in (Status.QUEUED, Status.EXECUTING) or job.id in launched:
            raise BadSelection(f"job {job.id} is {job.status}: stop it before it moves to {request.to}")


def _refuse_cycle(edges: Mapping[int, Iterable[int]]) -> None:
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        raise BadDependency(f"jobs wait for each other: {' -> '.join(map(str, error.args[1]))}") from None


async def _reset(tx: Transaction, job: Job, request: Resubmission, session: Session) -> bool:
    """Reset the tasks of a job that are meant; tell whether it is to run."""
    target = await waiting_status(tx, job.id) if job.spec.dependencies else Status.SUBMITTED
    only = request.tasks.get(job.id, ())
    if request.clean:
        ended = await tasks.ended_in(tx, job.id, request.statuses, only)
    changed = await transitions.reset(
        tx, job.id, request.statuses, target, job.spec.array, tx.runtime.time(), only
    )
    if not changed and job.status not in PENDING:
        return False
    if request.clean and (start := log_start(job.spec)) is not None:
        await removals.add_logs(tx, job.id, job.spec.exec_dir, start, ended)
    spec = _changed(job.spec, request, session)
    if spec != job.spec:
        await jobs.replace_spec(tx, job.id, spec)
    return True


def _changed(spec: JobSpec, request: Resubmission, session: Session) -> JobSpec:
    """Return what is asked for from now on; what was asked for before stays, also on another engine."""
    if request.command:
        interpreter, words = resolve(tuple(request.command), Path(spec.exec_dir))
        spec = replace(spec, command=words, interpreter=interpreter)
    if request.changes:
        spec = request.changes.applied(spec)
    if request.to is not None and request.to != spec.engine:
        spec = placed(spec, request.to, session.settings)
    return spec


async def _skipped_behind(
    tx: Transaction, edges: Mapping[int, Iterable[int]], changed: Sequence[int]
) -> list[int]:
    """Return the jobs, other than these, that depend on these and of which something was skipped."""
    behind = await schedule.summaries(tx, set(dependents(edges, changed)) - set(changed))
    return [job_id for job_id, one in behind.items() if one.counts.get(Status.SKIPPED)]


async def as_they_stand(database: Database, done: Sequence[Resubmitted]) -> list[Resubmitted]:
    """Return the jobs as they are now; those that another process deleted meanwhile are left out."""
    now = {job.id: job for job in await jobs.get(database, [one.job.id for one in done])}
    return [replace(one, job=now[one.job.id]) for one in done if one.job.id in now]
