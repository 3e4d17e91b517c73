"""Having jobs run once more, with their ids and dependencies kept: whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asyncjman.engines.base import Why
from asyncjman.errors import BadDependency, BadSelection, UsageError
from asyncjman.executors.logs import log_start
from asyncjman.executors.program import resolve
from asyncjman.model.graph import dependents
from asyncjman.model.job import Job
from asyncjman.model.resources import checked
from asyncjman.model.status import Status
from asyncjman.scheduler import removal
from asyncjman.scheduler.launches import NotLaunched
from asyncjman.scheduler.reconcile import repair
from asyncjman.scheduler.settle import settle_jobs
from asyncjman.store import jobs, removals, schedule, submissions, tasks, transitions
from asyncjman.store.database import Database, Transaction

if TYPE_CHECKING:
    from asyncjman.api.grid import Grid

PENDING = frozenset({Status.SUBMITTED, Status.WAITING})
UNSUCCESSFUL = frozenset({Status.FAILURE, Status.STOPPED, Status.SKIPPED})


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
    queue: str = ""
    log_dir: str | None = None
    """Of jobs that move to another engine; the folder is for those that have none."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """New values of what a cluster is asked for (``queue`` among them)."""


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


async def resubmit(database: Database, selected: Sequence[Job], request: Resubmission) -> Outcome:
    """Do it in one transaction. Raises UsageError where it makes no sense; nothing is changed then."""
    await repair(database)
    async with database.transaction() as tx:
        chosen = await jobs.get(tx, [job.id for job in selected])
        _check(
            chosen, request, {one.job_id for one in await submissions.active(tx, [job.id for job in chosen])}
        )
        edges = await jobs.dependency_edges(tx)
        _refuse_cycle(edges)
        changed = [job.id for job in chosen if await _reset(tx, job, request)]
        behind = await _skipped_behind(tx, edges, changed)
        if request.dependents:
            for job_id in behind:
                await transitions.reset(tx, job_id, [Status.SKIPPED], Status.WAITING, None, tx.runtime.time())
        await settle_jobs(tx, {*changed, *dependents(edges, changed)})
        now = await schedule.outlines(tx, {*changed, *behind})
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
        if job.spec.executor == request.to:
            continue
        if job.status in (Status.QUEUED, Status.EXECUTING) or job.id in launched:
            raise BadSelection(f"job {job.id} is {job.status}: stop it before it moves to {request.to}")


def _refuse_cycle(edges: Mapping[int, Iterable[int]]) -> None:
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        raise BadDependency(f"jobs wait for each other: {' -> '.join(map(str, error.args[1]))}") from None


async def _reset(tx: Transaction, job: Job, request: Resubmission) -> bool:
    """Reset the tasks of a job that are meant; tell whether it is to run."""
    # of a job that has something on a cluster, what waits is held there, and what is to be sent is submitted
    waits = bool(job.spec.dependencies) and not await submissions.active(tx, [job.id])
    target = Status.WAITING if waits else Status.SUBMITTED
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
    if request.command:
        interpreter, words = resolve(tuple(request.command), Path(job.spec.exec_dir))
        await jobs.update_command(tx, job.id, words, interpreter)
    moves = request.to is not None and job.spec.executor != request.to
    if moves or request.changes:
        await _ask_for(tx, job, request)
    return True


async def _ask_for(tx: Transaction, job: Job, request: Resubmission) -> None:
    """Store where a job runs from now on, and what it asks for; what it asked for before stays."""
    executor, spec = request.to or job.spec.executor, job.spec
    resources = checked({**spec.resources, **request.changes})
    queue = spec.queue
    if executor != spec.executor:
        queue = request.queue
        log_dir = spec.log_dir or request.log_dir
        await jobs.move(tx, job.id, executor=executor, queue=queue, log_dir=log_dir)
    if executor != "local":
        queue = resources.get("queue", queue)
    await jobs.update_resources(tx, job.id, queue, resources)


async def _skipped_behind(
    tx: Transaction, edges: Mapping[int, Iterable[int]], changed: Sequence[int]
) -> list[int]:
    """Return the jobs, other than these, that depend on these and of which something was skipped."""
    behind = await schedule.outlines(tx, set(dependents(edges, changed)) - set(changed))
    return [job_id for job_id, one in behind.items() if one.counts.get(Status.SKIPPED)]


async def send_again(
    database: Database, cluster: Callable[[str], Grid], done: Sequence[Resubmitted]
) -> str | None:
    """Send to clusters what is to run there once more; ``cluster`` is called where something is.

    Where a limit of the site is reached, what is left waits here for a later poll: return a line on that.
    """
    from asyncjman.api.grid import waits

    await _poll_dependents(database, cluster, [one.job.id for one in done])
    on_grid = [one.job for one in done if one.job.spec.executor != "local"]
    unsent: dict[str, set[int]] = {}
    for engine in {job.spec.executor for job in on_grid}:
        unsent[engine] = set(await submissions.unsent_jobs(database, engine))
    for number, job in enumerate(on_grid):
        if job.id not in unsent[job.spec.executor] and job.status is not Status.WAITING:
            continue
        try:
            await cluster(job.spec.executor).send(job)
        except NotLaunched as error:
            if error.why is not Why.LIMIT:
                raise
            return waits([one.id for one in on_grid[number:]], error)
    return None


async def _poll_dependents(
    database: Database, cluster: Callable[[str], Grid], job_ids: Sequence[int]
) -> None:
    """Have clusters polled that have something which waits for these jobs: they are open again."""
    found = dependents(await jobs.dependency_edges(database), job_ids)
    launched = {one.job_id for one in await submissions.active(database, found)}
    outlines = await schedule.outlines(database, launched)
    for name in sorted({one.executor for one in outlines.values()}):
        await cluster(name).poll()


async def as_they_stand(database: Database, done: Sequence[Resubmitted]) -> list[Resubmitted]:
    """Return the jobs as they are now; those that another process deleted meanwhile are left out."""
    now = {job.id: job for job in await jobs.get(database, [one.job.id for one in done])}
    return [replace(one, job=now[one.job.id]) for one in done if one.job.id in now]
