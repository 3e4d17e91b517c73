"""Making a database one's own: copied, or written by others before.

What is in it goes into a new file: no process has that open, under another name or for writing. Nothing of it
runs by itself afterwards, for it is not known who asked for it.
"""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing, suppress
from pathlib import Path

from asyncjman.errors import DatabaseProblem
from asyncjman.model.paths import absolute
from asyncjman.model.status import Status
from asyncjman.store import home, opening, schedule, transitions
from asyncjman.store.authority import SIDE_FILES, against_spool
from asyncjman.store.connecting import real_path
from asyncjman.store.database import Database, Reader, Transaction
from asyncjman.store.home import Home

STOPPED = "stopped when the database was taken over"


async def is_copy(reader: Reader) -> bool:
    """Tell whether a file is a copy of another one, which lives on: what runs of it is the other's."""
    real = real_path(reader.path)
    said = home.of_rows(await reader.fetch(home.SELECT))
    here = Home.of(real)
    return said is not None and not said.is_same_file(here)


async def take_over(reader: Reader) -> list[int]:
    """Have the database belong to this user alone, as an original; return the jobs that are stopped by it.

    All is done, or nothing is. Raises DatabaseProblem.
    """
    real = real_path(reader.path)
    fresh = real.with_name(f".{real.name}.{reader.runtime.token(4)}")
    try:
        await reader.runtime.in_thread(_write, real, fresh)
        database = await Database.open(fresh, create=False, runtime=reader.runtime)
        try:
            async with database.transaction() as tx:
                stopped = await _stop_all(tx)
                for sql, values in home.statements(Home.of(fresh, path=real)):
                    await tx.execute(sql, values)
        finally:
            await database.close()
        await reader.runtime.in_thread(_put_in_place, fresh, real)
        await reader.runtime.in_thread(_put_spool_aside, reader.path)
    except OSError as error:
        name = error.filename or real
        raise DatabaseProblem(f"can't take over {real}: {name}: {error.strerror}") from error
    finally:
        _remove(fresh)
    return stopped


async def _stop_all(tx: Transaction) -> list[int]:
    """Have nothing run, sent, polled, accounted or removed by itself; return the jobs that were open."""
    now = tx.runtime.time()
    unfinished = await schedule.open_jobs(tx)
    await transitions.end_all(tx, unfinished, Status.STOPPED, STOPPED, now)
    await transitions.close_jobs(tx, unfinished, now)
    for statement in (
        "UPDATE task SET runner = NULL, pid = NULL, stop = NULL",
        "UPDATE task SET missing_since = NULL WHERE missing_since IS NOT NULL",
        "DELETE FROM runner",
        "UPDATE submission SET active = 0, engine_state = NULL, taken_back = NULL, accounted = 1",
        "DELETE FROM removal",
        # another name on the cluster than that of the original, or of the one before
        "UPDATE meta SET token = lower(hex(randomblob(4)))",
        "DELETE FROM engine",
    ):
        await tx.execute(statement)
    return unfinished


def _write(real: Path, fresh: Path) -> None:
    """Write the contents of a database, brought to the latest version, into a new file of this user's."""
    mode = stat.S_IMODE(real.stat().st_mode) & 0o644 | 0o600
    os.close(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode))
    with (
        closing(opening.open_copy(real).connection) as source,
        closing(sqlite3.connect(fresh, isolation_level=None)) as target,
    ):
        source.backup(target)
        target.execute("BEGIN")
        for sql, values in home.statements(Home.of(fresh)):
            target.execute(sql, values)
        target.execute("COMMIT")


def _remove(file: Path) -> None:
    for suffix in ("", *SIDE_FILES):
        Path(f"{file}{suffix}").unlink(missing_ok=True)


def _put_in_place(fresh: Path, real: Path) -> None:
    """Put a file in the place of a database and of what lies beside it."""
    aside = Path(f"{fresh}.old")
    moved: list[tuple[Path, Path]] = []
    try:
        for suffix in ("", *SIDE_FILES):
            name, kept = Path(f"{real}{suffix}"), Path(f"{aside}{suffix}")
            with suppress(FileNotFoundError):
                name.rename(kept)
                moved.append((name, kept))
        fresh.rename(real)
    except BaseException:
        for name, kept in reversed(moved):
            kept.rename(name)
        raise
    descriptor = os.open(real.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    for _, kept in moved:
        kept.unlink()


def _put_spool_aside(path: Path) -> None:
    """Give a folder of records and job scripts another name where others may have written there."""
    spool = Path(f"{absolute(path)}.spool")
    if against_spool(spool):
        number = 1
        while (aside := Path(f"{spool}.before{number}")).exists():
            number += 1
        spool.rename(aside)
