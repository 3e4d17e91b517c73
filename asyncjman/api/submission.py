"""Storing new jobs, after all that can be wrong with them was looked for."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from asyncjman.errors import BadDependency, UsageError
from asyncjman.model.duration import time_limit_of
from asyncjman.model.graph import Dependency, Kind
from asyncjman.model.job import Job, JobSpec
from asyncjman.model.selection import format_ids
from asyncjman.store import jobs
from asyncjman.store.database import Database, Transaction


class _DryRun(Exception):
    """Ends a transaction that must not be committed."""


async def store(
    database: Database, spec: JobSpec, on_stored: Callable[[list[Job]], None], *, repeat: int = 1
) -> None:
    """Store a job (``repeat`` times, each waiting for the one before), and send it nowhere.

    ``on_stored`` is given it as soon as it is on the disk: also where the caller is cancelled in that
    moment. Where it isn't called, nothing is stored. Raises BadDependency where it waits for a job that
    isn't there, and UsageError.
    """
    import os

    from asyncjman.system import git
    from asyncjman.system.origin import origin_of

    commit, dirty = await git.describe(Path(spec.exec_dir))
    origin = origin_of(spec.argv_start, os.environ)
    spec = replace(spec, git_commit=commit, git_dirty=dirty, origin=origin)
    tx: Transaction | None = None
    try:
        async with database.transaction() as tx:
            stored = await jobs.get(tx, await store_repeated(tx, spec, repeat, tx.runtime.time()))
    finally:
        if tx is not None and tx.committed:
            on_stored(stored)


async def would_store(database: Database, spec: JobSpec, *, repeat: int = 1) -> list[Job]:
    """Return what would be stored, with all that can be wrong with it looked for."""
    with suppress(_DryRun):
        async with database.transaction() as tx:
            stored = await jobs.get(tx, await store_repeated(tx, spec, repeat, tx.runtime.time()))
            raise _DryRun
    return stored


async def store_all(tx: Transaction, specs: Sequence[JobSpec], now: float) -> list[int]:
    """Store the jobs; return their ids.

    Raises BadDependency or UsageError, and then the caller's transaction must not be committed.
    """
    ids: list[int] = []
    for spec in specs:
        check_spec(spec)
        await _check_dependencies(tx, spec)
        ids.append(await jobs.insert(tx, spec, now))
    return ids


async def store_repeated(tx: Transaction, spec: JobSpec, times: int, now: float) -> list[int]:
    """Store a job so many times, each one waiting for the one before."""
    ids: list[int] = []
    dependencies = spec.dependencies
    for _ in range(times):
        before = tuple(Dependency(job_id, Kind.ANY) for job_id in ids[-1:])
        one = replace(spec, dependencies=(*dependencies, *before), token=spec.token or tx.runtime.token(8))
        ids.extend(await store_all(tx, [one], now))
    return ids


def check_spec(spec: JobSpec) -> None:
    """Raise UsageError for what no process can be given, and what could not be read again."""
    if not spec.command:
        raise UsageError("a command is missing: jman submit [OPTIONS] COMMAND [ARGUMENT]...")
    for text in _texts(spec):
        if not isinstance(text, str):
            raise UsageError(f"a text is needed, and not {text!r}")
        if "\0" in text:
            raise UsageError(f"a NUL character can't be passed to a command: {text!r}")
        try:
            os.fsencode(text)
        except UnicodeEncodeError:
            raise UsageError(f"no process can be given half a character: {text!r}") from None
    for key in spec.environment:
        if not key or "=" in key:
            raise UsageError(f"bad name of an environment variable: {key!r}")
    if spec.timeout is not None and time_limit_of(spec.timeout) != spec.timeout:
        raise UsageError(f"bad timeout {spec.timeout!r}: a number of seconds is needed")
    try:
        json.dumps(dict(spec.resources))
    except (TypeError, ValueError) as error:
        raise UsageError(f"bad resources: {error}") from None


def _texts(spec: JobSpec) -> Iterator[str]:
    """Yield all texts that a process or the cluster may be given."""
    yield from (spec.name, spec.engine, spec.queue, spec.exec_dir, spec.log_dir or "")
    yield from spec.interpreter
    yield from spec.command
    yield from spec.environment
    yield from spec.environment.values()
    for name, values in spec.sweep.columns if spec.sweep else ():
        yield name
        yield from values


async def _check_dependencies(tx: Transaction, spec: JobSpec) -> None:
    if not spec.dependencies:
        return
    from asyncjman.store import schedule  # most jobs wait for nothing

    wanted = {one.job_id for one in spec.dependencies}
    known = await schedule.summaries(tx, wanted)
    if missing := wanted - known.keys():
        raise BadDependency(f"can't wait for job {format_ids(missing)}: no such job")
    for one in spec.dependencies:
        if one.kind is Kind.CORR:
            other = known[one.job_id].array
            _check_pair(spec, one.job_id, other)


def _check_pair(spec: JobSpec, other_id: int, other: str | None) -> None:
    if spec.array is None or other is None:
        which = "this job" if spec.array is None else f"job {other_id}"
        raise BadDependency(f"--after-corr {other_id} is between two arrays, but {which} has no array")
    from asyncjman.model.array import ArraySpec

    others = ArraySpec.parse(other)
    unpaired = next((task_id for task_id in spec.array if task_id not in others), None)
    if unpaired is not None:
        raise BadDependency(
            f"--after-corr {other_id}: job {other_id} (tasks {others}) has no task {unpaired}"
        )
