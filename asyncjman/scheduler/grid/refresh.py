"""One look at the cluster for all jobs: what is seen is stored, what follows from it is done."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from asyncjman.errors import EnvironmentProblem, JmanError
from asyncjman.executors import records
from asyncjman.executors.command import CommandFailed
from asyncjman.executors.logs import spool_folder
from asyncjman.executors.records import Record, RecordKind
from asyncjman.executors.sge.accounting import AccountingRecord
from asyncjman.executors.sge.executor import SgeExecutor
from asyncjman.executors.sge.qstat import QueueEntry
from asyncjman.model.job import PLAIN_TASK, Job, Task
from asyncjman.model.status import FINISHED, Status
from asyncjman.runtime import Runtime
from asyncjman.scheduler.grid.dispatch import at_work, dispatch
from asyncjman.scheduler.grid.interpret import Findings, View, interpret, members
from asyncjman.scheduler.settle import bring_back, settle
from asyncjman.store import jobs, schedule, submissions, tasks, transitions
from asyncjman.store.database import Database, Transaction
from asyncjman.store.submissions import Standing, Submission

_TOKEN = re.compile(r"jm\d+_([0-9a-f]{14})(?:_|$)", re.ASCII)
SUBMIT_SECONDS = 5.0
"""A call of qsub isn't begun where less time is left."""
ORPHAN_SECONDS = 60.0
"""How long a call of qsub may go on after the process that made it, on another host, was killed."""


@dataclass(slots=True)
class Refreshed:
    """What a look at the cluster gave."""

    ended: list[int] = field(default_factory=list)
    """Jobs that ended."""
    seen: list[Task] = field(default_factory=list)
    """Tasks of which something new was seen."""
    in_error: list[int] = field(default_factory=list)
    """Jobs that came into the cluster's error state, which only a person can end."""
    pending: int = 0
    """How many submissions still have unfinished tasks."""
    problem: JmanError | None = None
    """Why the cluster did not answer, or did not take a job."""
    answered: bool = True
    """Whether it said how the jobs are, where it was asked."""


async def refresh(
    database: Database, executor: SgeExecutor, *, grace: float, patience: float = 0.0
) -> Refreshed:
    """Find out what all jobs on the cluster are doing: one qstat, however many there are.

    ``grace``: seconds until a task that vanished counts as failed; ``patience``: seconds for which a
    cluster that doesn't answer is asked again.
    """
    result = Refreshed()
    await _correct_missing(database, result)
    active = await submissions.active(database)
    if active:
        entries = await _query(executor, patience, result)
        if entries is not None:
            async with database.transaction(quiet=True) as tx:
                await submissions.answered(tx, tx.runtime.time())
        active = await _adopt(database, active, entries)
        await _look(database, executor, active, entries, grace, result)
    await _settle_here(database, executor, result)
    if result.answered:
        await _send_rest(database, executor, result)
    result.pending = len(await submissions.active(database))
    return result


async def _query(
    executor: SgeExecutor, patience: float, result: Refreshed
) -> dict[str, list[QueueEntry]] | None:
    try:
        entries = await executor.query(patience=patience)
    except JmanError as error:
        result.problem = error
        result.answered = False
        return None
    return by_token(entries)


def by_token(entries: Iterable[QueueEntry]) -> dict[str, list[QueueEntry]]:
    """Return what the cluster lists by the tokens in the names."""
    found: dict[str, list[QueueEntry]] = defaultdict(list)
    for entry in entries:
        if match := _TOKEN.match(entry.name):
            found[match[1]].append(entry)
    return found


async def delete_listed(
    executor: SgeExecutor, doomed: Iterable[Submission], entries: Mapping[str, Sequence[QueueEntry]]
) -> None:
    """Delete what the cluster lists by our names: a number alone may be another job's by now.

    What it doesn't list as yet finds out by itself that it is not to run.
    """
    listed = [entry.grid_id for one in doomed for entry in entries.get(one.token, ())]
    if listed:
        await executor.delete(listed, {})


# -- intents that a killed process left --------------------------------------------------------------


async def _adopt(
    database: Database, active: Sequence[Submission], entries: Mapping[str, Sequence[QueueEntry]] | None
) -> list[Submission]:
    """Find out of each intent whether the cluster has it; return the submissions that it has."""
    sent: list[Submission] = []
    for one in active:
        if one.grid_id is not None:
            sent.append(one)
            continue
        grid_id = await _find(database, one, entries)
        async with database.transaction() as tx:
            if grid_id is not None:
                await submissions.sent(tx, one.id, grid_id, Status.QUEUED)
            elif entries is not None and await database.runtime.in_thread(
                _is_abandoned, one, database.runtime
            ):
                # nobody can still be submitting it: it is submitted anew with the rest
                await submissions.drop(tx, one.id)
    if len(sent) != len(active):
        return [one for one in await submissions.active(database) if one.grid_id is not None]
    return sent


async def _find(
    database: Database, one: Submission, entries: Mapping[str, Sequence[QueueEntry]] | None
) -> int | None:
    if entries and (listed := entries.get(one.token)):
        return listed[0].grid_id
    found = await jobs.get(database, [one.job_id])
    if not found:
        return None  # deleted meanwhile
    folder = spool_folder(database.path, found[0].spec.token)
    # what an earlier submission left of these tasks was cleared before the intent was stored
    mine = set(members(one, found[0].spec.array))
    seen = [record for record in await database.runtime.in_thread(_records, folder) if record.task_id in mine]
    return next((record.grid_id for record in seen if record.grid_id is not None), None)


def _is_abandoned(one: Submission, runtime: Runtime) -> bool:
    """Tell whether no process can be at work on this intent any more."""
    import psutil

    if one.token in at_work:
        return False
    if one.host != runtime.host() or one.pid == runtime.pid():
        # of this process: a call of qsub that got no answer
        return runtime.time() - one.created_at > ORPHAN_SECONDS
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            created_before = process.create_time() <= one.created_at + 1
            if process.pid == one.pid and created_before:
                return False
            if any(one.token in word for word in process.cmdline()):
                return False  # a qsub that outlives the jman that called it
    return True


# -- what the active ones are doing ------------------------------------------------------------------


async def _look(
    database: Database,
    executor: SgeExecutor,
    active: Sequence[Submission],
    entries: Mapping[str, Sequence[QueueEntry]] | None,
    grace: float,
    result: Refreshed,
) -> None:
    known = {job.id: job for job in await jobs.get(database, {one.job_id for one in active})}
    standings = await submissions.standings(database, known)
    # another process may have deleted jobs
    active = [one for one in active if one.job_id in known and one.job_id in standings]
    folders = {job.id: _folder(database, job) for job in known.values()}
    read = await database.runtime.in_thread(
        lambda: {job_id: _records(path) for job_id, path in folders.items()}
    )
    found = await _interpret_all(database, active, known, standings, read, entries, grace)
    if any(one.ask_accounting for one in found.values()):
        pattern = f"jm*_{await submissions.database_token(database)}*"
        accounting = await executor.account(pattern)
        if accounting is not None:
            found = await _interpret_all(database, active, known, standings, read, entries, grace, accounting)
    await _secure(database, folders, read, [task for one in found.values() for task, _ in one.tasks])
    doomed = await _store(database, active, known, standings, found, result)
    ended: dict[int, dict[int, Task]] = defaultdict(dict)
    for task in result.seen:
        if task.status in FINISHED:
            ended[task.job_id][task.task_id] = task
    for job_id, mine in ended.items():
        # only what is stored: a record that comes late for a task that was given up is still to be read
        stored = [
            record
            for record in read.get(job_id, ())
            if record.kind is RecordKind.EXIT
            and record.task_id in mine
            and record.attempt == mine[record.task_id].attempt
        ]
        by_record = {record.task_id for record in stored}
        silent = [
            (task_id, task.status is Status.SUCCESS, task.attempt)
            for task_id, task in mine.items()
            if task_id not in by_record
        ]
        with suppress(OSError):
            await database.runtime.in_thread(_tidy, Path(folders[job_id]), stored, silent)
    with suppress(CommandFailed):
        await delete_listed(executor, doomed, entries or {})


async def _secure(
    database: Database,
    folders: Mapping[int, str],
    read: Mapping[int, Sequence[Record]],
    concluded: Iterable[Task],
) -> None:
    """Have the records on the disk from which ends were concluded: before these are stored."""
    ends = {(task.job_id, task.task_id, task.attempt) for task in concluded if task.status in FINISHED}
    for job_id in {job_id for job_id, _, _ in ends}:
        some = [one for one in read.get(job_id, ()) if (job_id, one.task_id, one.attempt) in ends]
        await database.runtime.in_thread(records.secure, Path(folders[job_id]), some)


async def _interpret_all(
    database: Database,
    active: Sequence[Submission],
    known: Mapping[int, Job],
    standings: Mapping[int, Standing],
    read: Mapping[int, Sequence[Record]],
    entries: Mapping[str, Sequence[QueueEntry]] | None,
    grace: float,
    accounting: Mapping[tuple[int, int], AccountingRecord] | None = None,
) -> dict[int, Findings]:
    found: dict[int, Findings] = {}
    now = database.runtime.time()
    elsewhere: dict[int, frozenset[int]] = {}
    later: dict[int, frozenset[int]] = defaultdict(frozenset)
    for one in reversed(await submissions.active(database)):
        elsewhere[one.id] = later[one.job_id]
        later[one.job_id] |= set(one.mapped) or {PLAIN_TASK}
    for one in active:
        job = known[one.job_id]
        standing = standings[one.job_id]
        mine = set(one.mapped)
        view = View(
            submission=one,
            array=job.spec.array,
            rest=standing.rest,
            rows=standing.unfinished,
            finished=standing.finished,
            to_stop=standing.to_stop,
            elsewhere=elsewhere.get(one.id, frozenset()),
            records=[record for record in read[job.id] if not mine or record.task_id in mine],
            entries=None if entries is None else entries.get(one.token, ()),
            accounting=accounting,
            now=now,
            grace=grace,
        )
        found[one.id] = interpret(view)
    return found


async def _store(
    database: Database,
    active: Sequence[Submission],
    known: Mapping[int, Job],
    standings: Mapping[int, Standing],
    found: Mapping[int, Findings],
    result: Refreshed,
) -> list[Submission]:
    """Store what was found; return what must not run because of it.

    Of jobs that another process changed meanwhile nothing is stored: what was concluded of them may be
    wrong by now. The next look concludes anew.
    """
    changed = [
        one
        for one in active
        if found[one.id].tasks or found[one.id].rest is not None or found[one.id].note != one.note
    ]
    if not changed:
        return []
    async with database.transaction() as tx:
        job_ids = {one.job_id for one in changed}
        still_active = {one.id for one in await submissions.active(tx, job_ids)}
        now = await submissions.standings(tx, job_ids)
        changed = [
            one for one in changed if one.id in still_active and now.get(one.job_id) == standings[one.job_id]
        ]
        seen = [pair for one in changed for pair in found[one.id].tasks]
        notes = [(found[one.id].note, one.id) for one in changed]
        rests = [(one.job_id, rest) for one in changed if (rest := found[one.id].rest) is not None]
        await submissions.put_tasks(tx, seen)
        await submissions.set_notes(tx, notes)
        for job_id, rest in rests:
            await submissions.set_rest(tx, job_id, rest)
        started = [(task.started_at, task.job_id) for task, _ in seen if task.started_at is not None]
        await transitions.mark_jobs_started(tx, started)
        await _retry(tx, known, [task for task, _ in seen])
        doomed = await _close(tx, {task.job_id for task, _ in seen}, result)
    result.seen.extend(task for task, _ in seen)
    result.in_error.extend(
        one.job_id for one in changed if found[one.id].note == "error" and one.note != "error"
    )
    return doomed


async def _close(tx: Transaction, touched: Iterable[int], result: Refreshed) -> list[Submission]:
    closed = await transitions.close_jobs(tx, touched, tx.runtime.time())
    skipped = await settle(tx, closed) if closed else []
    doomed = await submissions.active(tx, skipped)
    await submissions.deactivate(tx, [*closed, *skipped])
    result.ended.extend([*closed, *skipped])
    return doomed


async def _retry(tx: Transaction, known: Mapping[int, Job], seen: Iterable[Task]) -> None:
    """Have tasks that failed run again, where that was asked for: before their job counts as ended.

    What never started is not tried again: somebody took it out of the queue.
    """
    again: dict[int, list[int]] = defaultdict(list)
    for task in seen:
        retry = known[task.job_id].spec.retry
        failed = task.status is Status.FAILURE and task.started_at is not None
        if failed and retry is not None and retry.applies(task.cause, task.signal, task.attempt):
            again[task.job_id].append(task.task_id)
    for job_id, task_ids in again.items():
        array = known[job_id].spec.array
        await transitions.reset(
            tx, job_id, [Status.FAILURE], Status.SUBMITTED, array, tx.runtime.time(), task_ids
        )


async def _correct_missing(database: Database, result: Refreshed) -> None:
    """Correct tasks that were given up, and whose records came late after all."""
    for job in await jobs.get(database, await schedule.jobs_with_missing(database)):
        late = [
            record
            for record in await database.runtime.in_thread(_records, _folder(database, job))
            if record.kind is RecordKind.EXIT
        ]
        corrected = []
        for record in late:
            task = await tasks.get(database, job.id, record.task_id)
            if task is not None and task.status in FINISHED and task.attempt == record.attempt:
                ended = Task(
                    job_id=job.id,
                    task_id=task.task_id,
                    attempt=task.attempt,
                    status=record.status,
                    exit_status=record.exit_status,
                    signal=record.signal,
                    reason=record.reason
                    or (f"exit status {record.exit_status}" if record.exit_status else None),
                    host=record.host,
                    started_at=record.started_at,
                    finished_at=record.time,
                )
                corrected.append((ended, None))
        if corrected:
            await database.runtime.in_thread(records.secure, Path(_folder(database, job)), late)
            async with database.transaction() as tx:
                await submissions.put_tasks(tx, corrected)
                if any(task.status is Status.SUCCESS for task, _ in corrected):
                    result.ended.extend(await bring_back(tx, job.id))
            result.seen.extend(task for task, _ in corrected)


async def _settle_here(database: Database, executor: SgeExecutor, result: Refreshed) -> None:
    """Let go, or skip, jobs that waited here for something that the cluster doesn't know of."""
    if ended := await submissions.ended_before(database, executor.name):
        async with database.transaction() as tx:
            result.ended.extend(await settle(tx, ended))


async def _send_rest(database: Database, executor: SgeExecutor, result: Refreshed) -> None:
    """Submit jobs that wait for nothing here any more."""
    unsent = await submissions.unsent_jobs(database, executor.name)
    for number, job_id in enumerate(unsent):
        if not executor.budget.has_time_for(SUBMIT_SECONDS):
            # a qsub that is broken off leaves it open whether the job is there
            result.problem = EnvironmentProblem(
                f"the cluster is slow: {len(unsent) - number} jobs are still to be sent "
                "(jman communicate takes its time for it)"
            )
            return
        found = await jobs.get(database, [job_id])
        if not found:
            continue  # deleted meanwhile
        job = found[0]
        try:
            await dispatch(database, executor, job, patience=0.0)
        except CommandFailed as error:
            if error.transient or error.ambiguous:
                # the cluster may have it: the next look at its names tells
                result.problem = error
                return
            await _refuse(database, job, str(error), result)
        except JmanError as error:
            await _refuse(database, job, str(error), result)


async def _refuse(database: Database, job: Job, reason: str, result: Refreshed) -> None:
    """Record that the cluster doesn't take a job."""
    async with database.transaction() as tx:
        await transitions.end_unstarted(tx, job.id, Status.FAILURE, reason, tx.runtime.time())
        await _close(tx, [job.id], result)


def _tidy(folder: Path, some: Sequence[Record], silent: Sequence[tuple[int, bool, int]]) -> None:
    """Fold stored records away, and write down the ends that left none."""
    records.fold(folder, some)
    if silent:
        records.note(folder, silent)


def _records(folder: str) -> list[Record]:
    return list(records.scan(folder))


def _folder(database: Database, job: Job) -> str:
    return spool_folder(database.path, job.spec.token)
