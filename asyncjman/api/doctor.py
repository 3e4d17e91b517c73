"""Whether all that jman needs is there: each finding says what to do."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from pathlib import Path

from asyncjman.api.operations import Operations
from asyncjman.errors import JmanError
from asyncjman.executors.command import CommandFailed
from asyncjman.executors.sge.binaries import locate
from asyncjman.executors.sge.executor import SgeExecutor
from asyncjman.executors.sge.resources import queues_in
from asyncjman.model.paths import absolute
from asyncjman.store.filesystem import file_system, is_network


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; ``advice`` is None where it is fine."""

    subject: str
    state: str
    advice: str | None = None


async def examine(operations: Operations) -> AsyncIterator[Finding]:
    """Look at the database's folder, the logs' folder and the cluster."""
    folder = absolute(operations.path).parent
    kind = file_system(folder) or "unknown"
    if is_network(folder):
        yield Finding("database", f"on a network file system ({kind}): no write-ahead log is used there")
    else:
        yield Finding("database", f"on a local file system ({kind}): write-ahead log")
    yield _writable("database folder", folder)
    if operations.only_shown is not None:
        yield Finding("database", operations.only_shown, operations.database.authority.advice)
    yield _writable("log folder", folder / operations.settings.log_dir)
    async for finding in _cluster(operations):
        yield finding


def _writable(subject: str, folder: Path) -> Finding:
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return Finding(subject, f"{folder} can be written")
    return Finding(subject, f"{folder} can't be written", "choose another one, or ask for the permission")


async def _cluster(operations: Operations) -> AsyncIterator[Finding]:
    try:
        path = locate().path("qsub")
    except JmanError as error:
        yield Finding("qsub", "not here", str(error))
        return
    yield Finding("qsub", path)
    executor = SgeExecutor(operations.settings.resources, operations.budget())
    try:
        await executor.query()
    except CommandFailed as error:
        yield Finding("qmaster", "does not answer" if error.transient else "refuses to answer", error.words)
        return
    yield Finding("qmaster", "answers")
    try:
        queues = await executor.queues()
    except CommandFailed as error:
        yield Finding("queue", "the cluster does not say now which there are", str(error))
    else:
        yield _queue(operations, queues)
    refusal = await executor.may_submit()
    if refusal is None:
        yield Finding("submission", "this host and user may submit")
    else:
        yield Finding("submission", "refused", refusal)


def _queue(operations: Operations, queues: Collection[str]) -> Finding:
    missing = [one for one in queues_in(operations.settings.queue) if one not in queues]
    if not queues:
        return Finding("queue", "the cluster does not say which there are")
    if not missing:
        return Finding("queue", f"{operations.settings.queue} is there")
    names = ", ".join(sorted(queues))
    return Finding("queue", f"there is no {', '.join(missing)}", f"set queue to one of {names}")
