"""Taking back what an engine may start although a job that it waits for is open again.

An engine holds a launch for the launches that were there when it was made. What is submitted again since, or
runs elsewhere, it knows nothing of: what has not started is taken back, and is launched anew when it may be.
Where what was submitted again has ended by then, and not as it should, what is taken back is skipped.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass

from asyncjman.engines.base import Engine, Observation, Ref, Target, Watched
from asyncjman.errors import EnvironmentProblem
from asyncjman.model.graph import Dependency, Verdict
from asyncjman.model.job import PLAIN_TASK
from asyncjman.model.status import FINISHED, Status
from asyncjman.scheduler.dependencies import judge
from asyncjman.scheduler.observed import has_array, is_gone, store
from asyncjman.scheduler.resolving import resolve_jobs
from asyncjman.scheduler.watching import Situation, situation
from asyncjman.store import schedule, submissions, transitions
from asyncjman.store.database import Database
from asyncjman.store.schedule import JobSummary
from asyncjman.store.submissions import Submission, TaskStates

LOOKS = 10
PAUSE_SECONDS = 0.5
REASON = "taken back: a job that it waits for is open again"
_UNSTARTED = (Status.QUEUED, Status.WAITING)


@dataclass(frozen=True, slots=True)
class _Premature:
    """A launch, and what of it must not start now."""

    launch: Submission
    watched: Watched
    tasks: tuple[int, ...]

    @property
    def is_whole(self) -> bool:
        """Tell whether nothing else of the launch was left."""
        return set(_unfinished(self.watched)) == set(self.tasks)

    @property
    def target(self) -> Target:
        refs = tuple(Ref(self.watched.job_id, one, 0) for one in self.tasks if one != PLAIN_TASK)
        return Target(self.watched.token, self.launch.native_id or "", refs, self.watched.tasks)


async def withdraw(
    database: Database,
    engine: Engine,
    *,
    seen: Iterable[Observation] = (),
    known: Situation | None = None,
    budget: float = math.inf,
) -> bool:
    """Take back what must not start as its dependencies stand; tell whether nothing of that is left there.

    ``seen`` is what the poll saw a moment ago; ``known`` how the launches stand, where that was read already.
    What is left, because the engine does not answer or is slow, the next poll takes back.
    """
    found = known or await situation(database, engine.name)
    wanted = await _premature(database, engine, found, list(seen))
    await _mark(database, found, wanted)
    if not wanted:
        return True
    try:
        left = await _cancel(engine, [one.target for one in wanted], budget)
    except EnvironmentProblem:
        return False
    gone = [one for one in wanted if one.watched.token not in left]
    # one that started, or ended, before it was deleted has left a record
    polled = await engine.poll([one.watched for one in gone], budget)
    if not polled.answered:
        return False
    stored = await store(database, found, polled.seen)
    if stored.ends:
        await engine.stored(stored.ends)
    found = await situation(database, engine.name)
    jobs: dict[int, list[_Premature]] = {}
    for one in gone:
        if one.watched.token in found.launches:  # else another process has taken it back
            jobs.setdefault(one.watched.job_id, []).append(one)
    done = [await _take_back(database, found, job_id, launches) for job_id, launches in jobs.items()]
    return all(done) and len(gone) == len(wanted)


async def _mark(database: Database, found: Situation, wanted: Sequence[_Premature]) -> None:
    """Store what is about to be taken back: who is killed before that is stored leaves it to the next poll,
    and what is gone there by then is no loss.
    """
    tasks = {one.launch.id: one.tasks for one in wanted}
    changed = [
        (tasks.get(one.id, ()), one.id)
        for one in found.launches.values()
        if tasks.get(one.id, ()) != one.taken_back
    ]
    if changed:
        async with database.transaction(quiet=True) as tx:
            await submissions.set_taken_back(tx, changed)


async def _cancel(engine: Engine, targets: Sequence[Target], budget: float) -> Set[str]:
    """Have the engine delete them; return the tokens of those that it still has.

    Raises EnvironmentProblem.
    """
    left: Sequence[Target] = targets
    for _ in range(LOOKS):
        left = await engine.cancel(left, force=False, budget=budget)
        if not left:
            break
        await asyncio.sleep(PAUSE_SECONDS)
    return {one.token for one in left}


async def _take_back(
    database: Database, found: Situation, job_id: int, launches: Sequence[_Premature]
) -> bool:
    """Store that tasks of a job are to be launched anew; False where somebody changed it in this moment.

    All its launches at once: what is deleted there, and not taken back here, would be taken for lost.
    """
    known = found.task_states.get(job_id)
    launched = [one for one in found.launches.values() if one.job_id == job_id]
    elsewhere = {one.token: one.elsewhere for one in found.watched}
    async with database.transaction() as tx:
        states = (await submissions.task_states(tx, [job_id])).get(job_id)
        if states is None:
            return True
        summary = (await schedule.summaries(tx, [job_id]))[job_id]
        active = await submissions.active(tx, [job_id])
        if (states, active) != (known, launched) or not has_array(found.known[job_id].array, summary.array):
            return False
        now = tx.runtime.time()
        resettable = [*_UNSTARTED, Status.STOPPED]
        for one in launches:
            array = one.watched.array
            again = elsewhere[one.watched.token]  # another process has sent these again
            tasks = [i for i in one.tasks if i not in states.finished and i not in again]
            await transitions.withdraw(tx, job_id, tasks, REASON, now)
            rows = [] if array is None and PLAIN_TASK not in states.unfinished else tasks
            await transitions.reset(tx, job_id, resettable, Status.SUBMITTED, array, now, rows, retry=True)
            if one.is_whole:
                await submissions.deactivate_one(tx, one.launch.id)
            else:
                await submissions.set_taken_back(tx, [((), one.launch.id)])
        await resolve_jobs(tx, [job_id])
    return True


# -- what must not start ------------------------------------------------------------------------------


async def _premature(
    database: Database, engine: Engine, found: Situation, seen: Sequence[Observation]
) -> list[_Premature]:
    # a script that is on its node may still look at records: its command has not begun
    early = {(one.token, one.ref.task_id) for one in seen if one.ref is not None and one.is_unrecorded}
    gone = {(one.token, one.ref.task_id) for one in seen if one.ref is not None and is_gone(one)}
    waits = await schedule.dependencies(database, found.known)
    others = await schedule.summaries(database, {one.job_id for some in waits.values() for one in some})
    unfinished = {job_id for job_id, one in others.items() if not one.finished}
    # it was let go by what it waits for, which ran again since, or was stopped before it did
    refused = {job_id for job_id, some in waits.items() if _says(some, others) is Verdict.SKIP}
    ages = await _ages(database, [others[job_id] for job_id in unfinished])
    result = []
    for watched in found.watched:
        if watched.token not in found.launches:
            continue  # it was given up: its record may come late
        launch = found.launches[watched.token]
        open_now = {one.job_id for one in waits.get(launch.job_id, ()) if one.job_id in unfinished}
        if launch.native_id is None:
            continue
        held = launch.job_id not in refused and all(
            others[i].engine == engine.name and ages[i] < launch.id for i in open_now
        )
        if held and not launch.taken_back:
            continue  # its tasks, which may be very many, need not be looked at
        startable = set(_startable(watched))
        tasks = tuple(
            one
            for one in _unfinished(watched)
            if one not in watched.stop
            and (
                (not held and (one in startable or (launch.token, one) in early))
                # of what another process began to take back nobody knows how much is there still
                or (one in launch.taken_back and (one in startable or (launch.token, one) in gone))
            )
        )
        if tasks:
            result.append(_Premature(launch, watched, tasks))
    return result


def _says(waits: Iterable[Dependency], others: Mapping[int, JobSummary]) -> Verdict:
    """Judge all dependencies of a job but the pairings; what was deleted meanwhile is waited for no more."""
    return judge([one for one in waits if one.job_id in others], others)


async def _ages(database: Database, summaries: Sequence[JobSummary]) -> Mapping[int, float]:
    """Return for each job the latest launch that something unfinished of it is in; infinite where something
    is still to be launched.
    """
    launches: dict[int, list[Submission]] = {one.id: [] for one in summaries}
    for launch in await submissions.active(database, launches):
        launches[launch.job_id].append(launch)
    task_states = await submissions.task_states(database, launches)
    found: dict[int, float] = {}
    for one in summaries:
        states = task_states.get(one.id, TaskStates(one.default_status))
        some = [launch for launch in launches[one.id] if _is_about(launch, states)]
        unsent = one.counts.get(Status.SUBMITTED, 0) or any(launch.native_id is None for launch in some)
        found[one.id] = math.inf if unsent or not some else max(launch.id for launch in some)
    return found


def _is_about(launch: Submission, states: TaskStates) -> bool:
    """Tell whether something unfinished may be in a launch."""
    return not launch.task_map or any(one not in states.finished for one in launch.task_map)


def _unfinished(one: Watched) -> Iterable[int]:
    """Yield the tasks of a launch that have not ended, but for those that are to be launched anew."""
    for task_id in one.tasks or one.array or (PLAIN_TASK,):
        row = one.rows.get(task_id)
        if task_id in one.elsewhere or task_id in one.ended or (one.array and task_id not in one.array):
            continue
        again = row is not None and row.attempt > 1 and one.array is not None and not one.tasks
        status = row.status if row is not None else one.default
        if not again and status not in FINISHED and status is not Status.SUBMITTED:
            yield task_id


def _startable(one: Watched) -> Iterable[int]:
    """Yield the tasks of a launch that have not started."""
    for task_id in _unfinished(one):
        row = one.rows.get(task_id)
        if (row.status if row is not None else one.default) in _UNSTARTED:
            yield task_id
