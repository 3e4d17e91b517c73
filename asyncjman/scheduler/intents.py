"""Intents to launch something: who carries them out, and whether anybody still does."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from asyncjman.runtime import Runtime
from asyncjman.store import submissions
from asyncjman.store.database import Database
from asyncjman.store.runnerlock import LOCK, LockNames, is_held
from asyncjman.store.submissions import Submission

ORPHAN_SECONDS = 60.0
"""How long a command may go on after the process that called it, on another host, was killed."""

in_flight: set[str] = set()
"""Tokens of the intents that this process is carrying out."""


async def lock_of(database: Database, token: str) -> Path:
    """Return the file that whoever carries out an intent has locked."""
    return LockNames.of(database.path, await submissions.database_token(database), token).path(LOCK)


async def maker_is_dead(database: Database, one: Submission) -> bool:
    """Tell whether no process can be at work on this intent any more."""
    lock = await lock_of(database, one.token)
    return await database.runtime.in_thread(is_abandoned, one, lock, database.runtime)


def is_abandoned(one: Submission, lock: Path, runtime: Runtime) -> bool:
    """Tell whether nobody carries out an intent.

    Where its lock is held, one is, wherever it is, suspended or not. Where it is not, the maker may have had
    no lock, or the command that it called may live on: what can be seen decides, or the time.
    """
    import psutil

    if one.token in in_flight or is_held(lock):
        return False
    if one.host != runtime.host() or one.pid == runtime.pid():
        # of this process: a call that got no answer
        return runtime.time() - one.created_at > ORPHAN_SECONDS
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            created_before = process.create_time() <= one.created_at + 1
            if process.pid == one.pid and created_before:
                return False
            if any(one.token in word for word in process.cmdline()):
                return False  # a command that outlives the jman that called it
    return True
