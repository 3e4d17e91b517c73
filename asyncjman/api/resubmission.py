"""Having jobs run once more, with their ids and dependencies kept: whole or not at all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from asyncjman.api.request import placed
from asyncjman.api.resubmission_request import Resubmission
from asyncjman.api.session import Session
from asyncjman.errors import BadDependency, BadSelection, UsageError
from asyncjman.model.difference import differences
from asyncjman.model.job import LOCAL, PLAIN_TASK, Job, JobSpec
from asyncjman.model.status import Status
from asyncjman.scheduler import removal
from asyncjman.scheduler.portions import in_turn, is_one, portions
from asyncjman.scheduler.reconcile import recover_orphans
from asyncjman.scheduler.resolving import resolve_with_dependents
from asyncjman.store import jobs, removals, schedule, submissions, tasks, transitions
from asyncjman.store.database import Database, Transaction
from asyncjman.store.rows import array_of
from asyncjman.store.schedule import JobSummary
from asyncjman.system.logs import log_start
from asyncjman.system.program import resolve

PENDING = frozenset({Status.SUBMITTED, Status.WAITING})


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


async def refuse_before_stop(session: Session, job_ids: Sequence[int], request: Resubmission) -> None:
    """Raise UsageError for what makes no sense whatever runs: nothing is to be stopped for it."""
    database = session.writer()
    if Status.STOPPED not in request.statuses:
        raise UsageError(
            "what runs would be stopped, and stay so: --failed-only takes only tasks that failed, "
            "leave out one of --running-jobs and --failed-only"
        )
    await _refuse_first(database, job_ids, request)
    for some in portions(job_ids) if request.changes_specs else ():
        for spec in (await jobs.specs(database, some)).values():
            session.refuse(_changed(spec, request, session))


async def _refuse_first(database: Database, job_ids: Sequence[int], request: Resubmission) -> None:
    if request.command and len(job_ids) != 1:
        raise UsageError("--overwrite-command goes with one job: jman resubmit -j 3 -o COMMAND...")
    await _refuse_cycle(database)


async def resubmit(
    session: Session,
    job_ids: Sequence[int],
    request: Resubmission,
    held: Mapping[int, Status],
) -> AsyncIterator[Outcome]:
    """Do it in one transaction; of very many jobs in several, the first jobs first: see ``portions``.

    Yields what came of each. ``held``: what was skipped or stopped before these were stopped, and as which
    of both (``stop_first``); it waits anew with the last of them. Raises UsageError where it makes no sense;
    nothing is changed then.
    """
    database = session.writer()
    await recover_orphans(database, session.engine(LOCAL))
    await _refuse_first(database, job_ids, request)
    if not is_one(job_ids) and (request.to is not None or request.changes):
        await _check_all(session, job_ids, request)
    left = set(job_ids)
    async for some in in_turn(job_ids):
        left.difference_update(some)
        async with database.transaction() as tx:
            back = {} if left else held
            changed, behind, differences = await _resubmit(tx, some, request, session, left, back)
            now = await jobs.get(tx, {*changed, *behind})
        skipped = {job.id for job in now if job.status is Status.SKIPPED}
        outcome = Outcome(skipped=sorted(skipped))
        removed, left_over = await removal.finish_or_tell(database)
        again = {job.id for job in now} - skipped if request.dependents else changed.keys() | {*back}
        for job in (one for one in now if one.id in again):
            paths, problems = removed.paths.get(job.id, []), removed.problems.get(job.id, [])
            tasks_again = changed.get(job.id, job.task_count)
            outcome.done.append(Resubmitted(job, paths, problems, tasks_again, differences.get(job.id, [])))
        if outcome.done:
            outcome.done[-1].problems.extend(left_over)
        yield outcome


async def _resubmit(
    tx: Transaction,
    job_ids: Sequence[int],
    request: Resubmission,
    session: Session,
    later: Container[int],
    held: Mapping[int, Status],
) -> tuple[dict[int, int], list[int], dict[int, list[str]]]:
    """Return the jobs that are to run, each with how many of its tasks; those that were skipped because of
    these; and what is different, by job. ``later``: the jobs whose turn is in a transaction after this one.
    ``held``: what waits anew in any case.
    """
    chosen = await schedule.summaries(tx, job_ids)
    launched = {one.job_id for one in await submissions.active(tx, job_ids)}
    _check(chosen.values(), request, launched)
    specs = await jobs.specs(tx, chosen) if request.changes_specs or request.clean else {}
    changed = await _reset(tx, chosen, request, launched, specs)
    differences = await _change(tx, {one: specs[one] for one in changed if one in specs}, request, session)
    if request.to is not None or request.changes:
        for job in await jobs.get(tx, changed):
            session.refuse(job.spec)
    skipped = [one for one in await schedule.skipped_behind(tx, changed) if one not in changed]
    behind = [one for one in skipped if one not in later or not _takes_skipped(request, one)]
    again = dict.fromkeys(behind if request.dependents else (), Status.SKIPPED)
    await _reset_behind(tx, {**again, **held})
    behind = sorted({*behind, *held} - changed.keys())
    open_now = {*changed, *behind}
    await resolve_with_dependents(tx, open_now | set(await schedule.waiting_for(tx, open_now)))
    return dict(sorted(changed.items())), behind, differences


def _takes_skipped(request: Resubmission, job_id: int) -> bool:
    """Tell whether all that is skipped of a job is to run again when it is its turn."""
    return Status.SKIPPED in request.statuses and job_id not in request.tasks


async def _check_all(session: Session, job_ids: Sequence[int], request: Resubmission) -> None:
    """Look for what makes no sense before the first of several transactions."""
    database = session.database
    for some in portions(job_ids):
        chosen = await schedule.summaries(database, some)
        _check(chosen.values(), request, {one.job_id for one in await submissions.active(database, some)})
        for job_id, spec in (await jobs.specs(database, chosen)).items():
            counts = chosen[job_id].counts
            if chosen[job_id].status in PENDING or any(counts.get(one) for one in request.statuses):
                session.refuse(_changed(spec, request, session))


def _check(chosen: Iterable[JobSummary], request: Resubmission, launched: Container[int]) -> None:
    """``launched``: the jobs that a cluster has something of, or may have: an intent is one, too."""
    for job in chosen if request.command or request.to is not None else ():
        is_held = job.status in (Status.QUEUED, Status.EXECUTING)
        if request.command and is_held:
            raise UsageError(f"job {job.id} is {job.status}: stop it before it gets a new command")
        if request.to not in (None, job.engine) and (is_held or job.id in launched):
            raise BadSelection(f"job {job.id} is {job.status}: stop it before it moves to {request.to}")


async def _refuse_cycle(database: Database) -> None:
    if not await jobs.waits_for_later(database):
        return
    try:
        TopologicalSorter(await jobs.dependency_edges(database)).prepare()
    except CycleError as error:
        raise BadDependency(f"jobs wait for each other: {' -> '.join(map(str, error.args[1]))}") from None


async def _reset(
    tx: Transaction,
    chosen: Mapping[int, JobSummary],
    request: Resubmission,
    launched: Container[int],
    specs: Mapping[int, JobSpec],
) -> dict[int, int]:
    """Reset the tasks of the jobs that are meant; return the jobs that are to run, with how many tasks."""
    plain: dict[Status, list[int]] = defaultdict(list)
    changed = {job.id: 0 for job in chosen.values() if job.status in PENDING}
    ended: dict[int, list[tuple[int, int]]] = {}
    dependent = await schedule.dependencies(tx, chosen)
    for job in chosen.values():
        # what waits is held there where the job is on a cluster, and what is to be sent is submitted
        target = Status.WAITING if job.id in dependent and job.id not in launched else Status.SUBMITTED
        only = request.tasks.get(job.id, ())
        if job.array is None:
            plain[target].append(job.id)
            continue
        if request.clean:
            ended[job.id] = await tasks.ended_in(tx, job.id, request.statuses, only)
        array = array_of(job.array, job.id)
        count = await transitions.reset(tx, job.id, request.statuses, target, array, tx.runtime.time(), only)
        if count:
            changed[job.id] = count
    for target, job_ids in plain.items():
        if request.clean:
            latest = await tasks.plain_attempts(tx, job_ids, request.statuses)
            ended |= {job_id: [(PLAIN_TASK, attempt)] for job_id, attempt in latest.items()}
        again = await transitions.reset_plain(tx, job_ids, request.statuses, target, tx.runtime.time())
        changed |= dict.fromkeys(again, 1)
    for job_id, some in ended.items():
        if some and job_id in changed and (start := log_start(specs[job_id])) is not None:
            await removals.add_logs(tx, job_id, specs[job_id].exec_dir, start, some)
    return changed


async def _change(
    tx: Transaction, specs: Mapping[int, JobSpec], request: Resubmission, session: Session
) -> dict[int, list[str]]:
    """Store what is different in jobs from now on; return it in words, by job."""
    found = {}
    for job_id, before in specs.items() if request.changes_specs else ():
        spec = _changed(before, request, session)
        if spec != before:
            await jobs.replace_spec(tx, job_id, spec)
            found[job_id] = differences(before, spec)
    return found


async def _reset_behind(tx: Transaction, ended_as: Mapping[int, Status]) -> None:
    """Reset what was skipped, or stopped, because of jobs that are to run: what ended so, by job."""
    launched = {one.job_id for one in await submissions.active(tx, ended_as)}
    summaries = await schedule.summaries(tx, ended_as)
    plain: dict[tuple[Status, Status], list[int]] = defaultdict(list)
    for job_id, one in summaries.items():
        target = Status.SUBMITTED if job_id in launched else Status.WAITING
        ended = ended_as[job_id]
        if one.array is None:
            plain[ended, target].append(job_id)
        else:
            await transitions.reset(tx, job_id, [ended], target, None, tx.runtime.time())
    for (ended, target), some in plain.items():
        await transitions.reset_plain(tx, some, [ended], target, tx.runtime.time())


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
