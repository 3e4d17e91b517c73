"""Whether all that jman needs is there: each finding says what to do."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from asyncjman.api.session import Session
from asyncjman.errors import EnvironmentProblem
from asyncjman.model.paths import absolute
from asyncjman.settings import CLUSTER_LOG_DIR
from asyncjman.store import errands
from asyncjman.store.filesystem import file_system, is_network


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; ``advice`` is None where it is fine."""

    subject: str
    state: str
    advice: str | None = None


async def examine(session: Session) -> AsyncIterator[Finding]:
    """Look at the database's folder, the logs' folder and the clusters."""
    settings = session.settings  # what they say that makes no sense is told before all else
    folder = absolute(session.path).parent
    kind = file_system(folder) or "unknown"
    if is_network(folder):
        yield Finding("database", f"on a network file system ({kind}): no write-ahead log is used there")
    else:
        yield Finding("database", f"on a local file system ({kind}): write-ahead log")
    yield _writable("database folder", folder)
    if not session.is_owner:
        yield Finding("database", session.database.authority.against or "", session.database.authority.advice)
    yield _writable("log folder", folder / (settings.log_dir or CLUSTER_LOG_DIR))
    async for finding in _clusters(session):
        yield finding


def _writable(subject: str, folder: Path) -> Finding:
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return Finding(subject, f"{folder} can be written")
    return Finding(subject, f"{folder} can't be written", "choose another one, or ask for the permission")


async def _clusters(session: Session) -> AsyncIterator[Finding]:
    """Look at the cluster that jobs are sent to, and at those that have some; there need not be any."""
    if not session.is_owner:
        return  # only the owner's jman asks it
    names = set(await errands.clusters(session.database))
    try:
        names.add(session.cluster)
    except EnvironmentProblem:  # none is here
        if not names:
            yield Finding(
                "cluster", "none is here, and no job is on one: jman --local runs jobs on this machine"
            )
    for name in sorted(names):
        for one in await session.engine(name).check():
            yield Finding(one.name, one.words, one.advice or None)
