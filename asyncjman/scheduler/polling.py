"""One poll of an engine whose tasks survive us: what is seen is stored, what follows from it is done."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, field

from asyncjman.engines.base import Engine, Observation, Poll, Purpose, Why
from asyncjman.errors import EnvironmentProblem, JmanError, UsageError
from asyncjman.model.job import Job, Task
from asyncjman.model.status import Status
from asyncjman.scheduler.givenup import end_given_up
from asyncjman.scheduler.launches import NotLaunched, launch
from asyncjman.scheduler.observed import Stored, close, store
from asyncjman.scheduler.resolving import resolve_dependents
from asyncjman.scheduler.watching import Situation, add_late, situation
from asyncjman.scheduler.withdrawing import withdraw
from asyncjman.store import jobs, submissions, transitions
from asyncjman.store.database import Database

_ROUNDS = 2
"""What became known of an intent in the first is polled for in the second."""


@dataclass(slots=True)
class Polled:
    """What a poll gave."""

    ended: list[int] = field(default_factory=list)
    """Jobs that ended."""
    seen: list[Task] = field(default_factory=list)
    """Tasks of which something new was seen."""
    in_error: list[int] = field(default_factory=list)
    """Jobs that came into a state which only a person can end."""
    problem: JmanError | None = None
    """Why the engine did not answer, or did not take a job."""
    answered: bool = True
    """Whether it said how the jobs are, where it was asked."""

    def add(self, stored: Stored) -> None:
        self.ended += stored.ended
        self.seen += stored.seen
        self.in_error += stored.in_error


async def poll(database: Database, engine: Engine, *, budget: float = math.inf) -> Polled:
    """Find out what all jobs of an engine are doing: one query, however many there are."""
    result = Polled()
    observed: list[Observation] = []
    for _ in range(_ROUNDS):
        version = await database.version()
        found = await situation(database, engine.name, intents=database)
        await add_late(database, found, engine.name)
        if not found.watched:
            break
        with suppress(EnvironmentProblem):  # what records say counts all the same
            await engine.open()
        seen = await engine.poll(found.watched, budget)
        await _note_answer(database, engine.name, found, result, seen)
        observed += seen.seen
        stored = await store(database, found, seen.seen)
        result.add(stored)
        if stored.ends:
            await engine.stored(stored.ends)
        if not stored.intents:
            break
    await _resolve_here(database, engine, result)
    if result.answered:
        await end_given_up(database, engine, budget=budget)
        known = found if await database.version() == version else None
        await withdraw(database, engine, seen=observed, known=known, budget=budget)
        await _launch_waiting(database, engine, result)
    return result


async def _note_answer(database: Database, name: str, found: Situation, result: Polled, seen: Poll) -> None:
    if not seen.answered:
        result.problem = EnvironmentProblem(seen.words)
        result.answered = False
    elif any(one.purpose is Purpose.STATE for one in found.watched):
        async with database.transaction(quiet=True) as tx:
            await submissions.answered(tx, name, tx.runtime.time())


async def _resolve_here(database: Database, engine: Engine, result: Polled) -> None:
    """Let go, or skip, jobs that waited here for something that the engine doesn't know of."""
    if ended := await submissions.ended_before(database, engine.name):
        async with database.transaction() as tx:
            result.ended.extend(await resolve_dependents(tx, ended))
    if freed := await submissions.freed(database, engine.name):
        async with database.transaction() as tx:
            await transitions.set_ready(tx, freed)


async def _launch_waiting(database: Database, engine: Engine, result: Polled) -> None:
    """Launch jobs that wait for nothing here any more."""
    unsent = await submissions.unsent_jobs(database, engine.name)
    for number, job_id in enumerate(unsent):
        found = await jobs.get(database, [job_id])
        if not found:
            continue  # deleted meanwhile
        try:
            await launch(database, engine, found[0])
        except NotLaunched as error:
            if error.why is not Why.REFUSED:
                # it may take them later, or may have taken this one: the next poll tells
                left = f"{len(unsent) - number} jobs are still to be sent" if number + 1 < len(unsent) else ""
                result.problem = EnvironmentProblem("; ".join(filter(None, [str(error), left])))
                return
            await _refuse(database, found[0], str(error), result)
        except UsageError as error:
            await _refuse(database, found[0], str(error), result)


async def _refuse(database: Database, job: Job, reason: str, result: Polled) -> None:
    """Record that the engine doesn't take a job."""
    stored = Stored()
    async with database.transaction() as tx:
        await transitions.end_unstarted(tx, job.id, Status.FAILURE, reason, tx.runtime.time())
        await close(tx, [job.id], stored)
    result.add(stored)
