"""Having jobs run once more, with their ids and dependencies kept: whole or not at all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Container, Iterable, Mapping, Sequence
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
from asyncjman.model.difference import differences
from asyncjman.model.job import LOCAL, PLAIN_TASK, Job, JobSpec
from asyncjman.model.resources import checked
from asyncjman.model.retry import Retry
from asyncjman.model.selection import Selection, TaskFilter
from asyncjman.model.status import UNSUCCESSFUL, Status
from asyncjman.scheduler import removal
from asyncjman.scheduler.portions import is_one, portions
from asyncjman.scheduler.reconcile import recover_orphans
from asyncjman.scheduler.resolving import resolve_jobs
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
    tasks: int = 0
    """How many tasks run once more; 0: those that had not begun stay as they are."""
    differences: list[str] = field(default_factory=list)
    """What is asked for differently from now on, in words."""


@dataclass(slots=True)
class Outcome:
    """What came of a resubmission."""

    done: list[Resubmitted] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)
    """Jobs that stay skipped: left on purpose, or because of other jobs that they depend on."""

    def add(self, more: Outcome) -> None:
        """Take in what came of a later transaction, in which jobs of an earlier one may have been again."""
        known = {one.job.id for one in self.done}
        self.done += [one for one in more.done if one.job.id not in known]
        self.skipped = sorted({*self.skipped, *more.skipped} - {one.job.id for one in more.done})


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


async def resubmit(session: Session, job_ids: Sequence[int], request: Resubmission) -> AsyncIterator[Outcome]:
    """Do it in one transaction; of very many jobs in several, the first jobs first: see ``portions``.

    Yields what came of each. Raises UsageError where it makes no sense; nothing is changed then.
    """
    database = session.writer()
    await recover_orphans(database, session.engine(LOCAL))
    if request.command and len(job_ids) != 1:
        raise UsageError("--overwrite-command goes with one job: jman resubmit -j 3 -o COMMAND...")
    if not is_one(job_ids) and (request.to is not None or request.changes):
        await _check_all(session, job_ids, request)
    for some in portions(job_ids) if job_ids else ():
        async with database.transaction() as tx:
            changed, behind, differences = await _resubmit(tx, some, request, session)
            now = await schedule.summaries(tx, {*changed, *behind})
        skipped = {job_id for job_id, one in now.items() if one.status is Status.SKIPPED}
        outcome = Outcome(skipped=sorted(skipped))
        removed, left_over = await removal.finish_or_tell(database)
        for job in await jobs.get(database, now.keys() - skipped if request.dependents else changed):
            paths, problems = removed.paths.get(job.id, []), removed.problems.get(job.id, [])
            tasks_again = changed.get(job.id, job.task_count)
            outcome.done.append(Resubmitted(job, paths, problems, tasks_again, differences.get(job.id, [])))
        if outcome.done:
            outcome.done[-1].problems.extend(left_over)
        yield outcome


async def _resubmit(
    tx: Transaction, job_ids: Sequence[int], request: Resubmission, session: Session
) -> tuple[dict[int, int], list[int], dict[int, list[str]]]:
    """Return the jobs that are to run, each with how many of its tasks; those that were skipped because of
    these; and what is different, by job.
    """
    chosen = await jobs.get(tx, job_ids)
    launched = {one.job_id for one in await submissions.active(tx, job_ids)}
    _check(chosen, request, launched)
    _refuse_cycle(await jobs.dependency_edges(tx))
    changed = await _reset(tx, chosen, request, launched)
    differences = await _change(tx, [job for job in chosen if job.id in changed], request, session)
    if request.to is not None or request.changes:
        for job in await jobs.get(tx, changed):
            session.refuse(job.spec)
    behind = [one for one in await schedule.skipped_behind(tx, changed) if one not in changed]
    if request.dependents:
        await _reset_behind(tx, behind)
    await resolve_jobs(tx, changed.keys() | set(await schedule.open_dependents(tx, changed)))
    return dict(sorted(changed.items())), behind, differences


async def _check_all(session: Session, job_ids: Sequence[int], request: Resubmission) -> None:
    """Look for what makes no sense before the first of several transactions."""
    database = session.database
    for some in portions(job_ids):
        chosen = await jobs.get(database, some)
        _check(chosen, request, {one.job_id for one in await submissions.active(database, some)})
        for job in chosen:
            if job.status in PENDING or any(job.counts.get(one) for one in request.statuses):
                session.refuse(_changed(job.spec, request, session))


def _check(chosen: Sequence[Job], request: Resubmission, launched: Container[int]) -> None:
    """``launched``: the jobs that a cluster has something of, or may have: an intent is one, too."""
    for job in chosen if request.command else ():
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


async def _reset(
    tx: Transaction, chosen: Sequence[Job], request: Resubmission, launched: Container[int]
) -> dict[int, int]:
    """Reset the tasks of the jobs that are meant; return the jobs that are to run, with how many tasks."""
    plain: dict[Status, list[int]] = defaultdict(list)
    changed = {job.id: 0 for job in chosen if job.status in PENDING}
    ended: dict[int, list[tuple[int, int]]] = {}
    for job in chosen:
        # what waits is held there where the job is on a cluster, and what is to be sent is submitted
        target = Status.WAITING if job.spec.dependencies and job.id not in launched else Status.SUBMITTED
        only = request.tasks.get(job.id, ())
        if job.spec.array is None:
            plain[target].append(job.id)
            continue
        if request.clean:
            ended[job.id] = await tasks.ended_in(tx, job.id, request.statuses, only)
        count = await transitions.reset(
            tx, job.id, request.statuses, target, job.spec.array, tx.runtime.time(), only
        )
        if count:
            changed[job.id] = count
    for target, job_ids in plain.items():
        if request.clean:
            latest = await tasks.plain_attempts(tx, job_ids, request.statuses)
            ended |= {job_id: [(PLAIN_TASK, attempt)] for job_id, attempt in latest.items()}
        again = await transitions.reset_plain(tx, job_ids, request.statuses, target, tx.runtime.time())
        changed |= dict.fromkeys(again, 1)
    for job in chosen:
        if job.id in changed and ended.get(job.id) and (start := log_start(job.spec)) is not None:
            await removals.add_logs(tx, job.id, job.spec.exec_dir, start, ended[job.id])
    return changed


async def _change(
    tx: Transaction, some: Sequence[Job], request: Resubmission, session: Session
) -> dict[int, list[str]]:
    """Store what is different in jobs from now on; return it in words, by job."""
    found = {}
    for job in some:
        spec = _changed(job.spec, request, session)
        if spec != job.spec:
            await jobs.replace_spec(tx, job.id, spec)
            found[job.id] = differences(job.spec, spec)
    return found


async def _reset_behind(tx: Transaction, job_ids: Sequence[int]) -> None:
    """Reset what was skipped because of jobs that are to run."""
    launched = {one.job_id for one in await submissions.active(tx, job_ids)}
    summaries = await schedule.summaries(tx, job_ids)
    plain: dict[Status, list[int]] = {Status.WAITING: [], Status.SUBMITTED: []}
    for job_id, one in summaries.items():
        target = Status.SUBMITTED if job_id in launched else Status.WAITING
        if one.array is None:
            plain[target].append(job_id)
        else:
            await transitions.reset(tx, job_id, [Status.SKIPPED], target, None, tx.runtime.time())
    for target, some in plain.items():
        await transitions.reset_plain(tx, some, [Status.SKIPPED], target, tx.runtime.time())


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


async def as_they_stand(database: Database, done: Sequence[Resubmitted]) -> list[Resubmitted]:
    """Return the jobs as they are now; those that another process deleted meanwhile are left out."""
    if all(one.job.spec.engine == LOCAL for one in done):
        return list(done)  # they were read a moment ago
    now = {job.id: job for job in await jobs.get(database, [one.job.id for one in done])}
    return [replace(one, job=now[one.job.id]) for one in done if one.job.id in now]
