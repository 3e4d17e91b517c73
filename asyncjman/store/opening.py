"""Opening a database file: what it is, the schema, the journal mode.

The file is never opened but by SQLite: closing any other descriptor of it would drop all locks
that this process holds on it (fcntl(2), "Record locks"; https://www.sqlite.org/howtocorrupt.html).
"""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiosqlite

from asyncjman.errors import DamagedDatabase, DatabaseProblem
from asyncjman.store.filesystem import is_network
from asyncjman.store.folderlock import opening
from asyncjman.store.lockholder import locked
from asyncjman.store.migrate import APPLICATION_ID, latest_version, migrate

BUSY_SECONDS = 30.0
Identity = tuple[int, int]
"""Device and inode of a file: whether a path still leads to the file that was opened."""

_LEAST_BYTES = 512  # the smallest page there is
_GRIDTK_TABLES = {"Job", "ArrayJob"}


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection, and the file it is to; None where it is to nothing but memory."""

    connection: aiosqlite.Connection
    identity: Identity | None


async def open_connection(path: Path, *, create: bool) -> Opened:
    """Open the file, or make it; without ``create`` a missing one is an empty one in memory.

    Raises DatabaseProblem when it can't be, isn't asyncjman's, or was written by a newer one.
    """
    async with opening(path.parent):
        return await _open(path, create=create)


async def _open(path: Path, *, create: bool) -> Opened:
    while True:
        missing = _is_missing(path)
        if missing and create and not _make(path):
            continue  # another process was faster
        found = None if missing and not create else identity(path)
        connection = await _connect(path if found else None)
        try:
            await _prepare(connection, path)
            if found is not None:
                await _set_journal_mode(connection, path)
        except BaseException as error:
            await connection.close()
            deleted = found is not None and identity(path) != found
            if deleted and isinstance(error, sqlite3.OperationalError):
                continue
            raise
        if found == (None if found is None else identity(path)):
            return Opened(connection, found)
        await connection.close()  # deleted by another process meanwhile: what we opened is no more


def identity(path: Path) -> Identity | None:
    """Return which file a path leads to, None where there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - on the hot path, half the time of Path.stat
    except OSError:
        return None
    return found.st_dev, found.st_ino


async def scalar(connection: aiosqlite.Connection, sql: str) -> Any:
    """Return the one value of a query."""
    return next(iter(await connection.execute_fetchall(sql)))[0]


def _is_missing(path: Path) -> bool:
    """Tell whether there is nothing there yet; raise DatabaseProblem where nothing can be."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        if path.is_symlink():
            raise DatabaseProblem(
                f"the database {path} is a symbolic link to nothing: remove it, "
                "or name another file with --database"
            ) from None
        if not path.parent.is_dir():
            raise DatabaseProblem(f"the folder of the database {path} does not exist") from None
        return True
    except OSError as error:
        raise DatabaseProblem(f"can't read the database {path}: {error.strerror}") from error
    if stat.S_ISDIR(found.st_mode):
        raise DatabaseProblem(f"the database {path} is a folder: name a file with --database")
    if not stat.S_ISREG(found.st_mode):
        raise DatabaseProblem(f"the database {path} is no file: name one with --database")
    if 0 < found.st_size < _LEAST_BYTES:
        # SQLite would take it for an empty one, and write it over
        raise DatabaseProblem(f"{path} is not a database: name another file with --database")
    if not os.access(path, os.R_OK):
        raise DatabaseProblem(f"can't read the database {path}: Permission denied")
    return False


def _make(path: Path) -> bool:
    """Make an empty file; tell whether it is new."""
    try:
        try:
            # makes it without opening it: another thread's connection may have locks on it by the time
            # that a descriptor would be closed
            os.mknod(path, stat.S_IFREG | 0o666)
        except (AttributeError, PermissionError):  # not everywhere, or for root only
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    except FileExistsError:
        return False
    except OSError as error:
        raise DatabaseProblem(f"can't make the database {path}: {error.strerror}") from error
    return True


async def _connect(path: Path | None) -> aiosqlite.Connection:
    connection = await aiosqlite.connect(path or ":memory:", timeout=BUSY_SECONDS, isolation_level=None)
    try:
        await connection.execute("PRAGMA foreign_keys = ON")
        # what was committed survives a power loss; EXTRA: also where a commit is the unlinking of a journal
        await connection.execute("PRAGMA synchronous = EXTRA")
        # a database that somebody else made runs nothing
        await connection.execute("PRAGMA trusted_schema = OFF")
    except BaseException:
        await connection.close()
        raise
    return connection


async def _prepare(connection: aiosqlite.Connection, path: Path) -> None:
    """Refuse what is no database of ours; bring the schema to the latest version."""
    application = await scalar(connection, "PRAGMA application_id")
    ours = application == APPLICATION_ID
    version = await scalar(connection, "PRAGMA user_version")
    if ours and version > latest_version():
        raise DatabaseProblem(
            f"{path} was written by a newer asyncjman (schema {version}, "
            f"this one knows {latest_version()}): upgrade asyncjman"
        )
    if not ours:
        tables = {row[0] for row in await connection.execute_fetchall("SELECT name FROM sqlite_master")}
        if tables >= _GRIDTK_TABLES:
            raise DatabaseProblem(
                f"{path} is a database of gridtk: finish its jobs with gridtk and move it away, "
                "or name another file with --database"
            )
        # another process may have made ours in this moment
        foreign = tables or version or application
        if foreign and await scalar(connection, "PRAGMA application_id") != APPLICATION_ID:
            raise DatabaseProblem(f"{path} is another program's database: name another file with --database")
    if not ours or version < latest_version():
        await connection.execute("BEGIN IMMEDIATE")
        try:
            await migrate(connection)  # does nothing where another process was faster
        except BaseException:
            await connection.execute("ROLLBACK")
            raise
        await connection.execute("COMMIT")


async def _set_journal_mode(connection: aiosqlite.Connection, path: Path) -> None:
    # WAL needs shared memory, which a network file system hasn't
    wanted = "delete" if is_network(path.parent) else "wal"
    if await scalar(connection, "PRAGMA journal_mode") != wanted:
        try:
            # fetched: a statement that is not at its end keeps its lock
            await connection.execute_fetchall(f"PRAGMA journal_mode = {wanted}")
        except sqlite3.OperationalError:
            if wanted == "delete":
                raise


_ADVICE = {
    "file is not a database": "the file is not a database: name another one with --database",
    "database or disk is full": "the disk is full, nothing was changed",
    "attempt to write a readonly database": "no permission to write it",
    "unable to open database file": "it can't be opened: is the folder writable?",
    "disk I/O error": "the disk reports an error",
}


def damaged(path: Path) -> DamagedDatabase:
    """Return the error that says so of a file."""
    return DamagedDatabase(
        f"the database {path} is damaged: restore it from a copy, or delete it to start anew"
    )


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn errors of the driver into a DatabaseProblem that names the file."""
    try:
        yield
    except UnicodeDecodeError as error:  # of a damaged text, or of a message about one
        raise damaged(path) from error
    except sqlite3.Error as error:
        if "malformed" in str(error) or "Could not decode" in str(error):
            raise damaged(path) from error
        if str(error) == "database is locked":
            raise DatabaseProblem(f"database {path}: {locked(path, BUSY_SECONDS)}") from error
        # no room for the memory that processes share is told as another error
        full = getattr(error, "sqlite_errorname", "") == "SQLITE_IOERR_SHMSIZE"
        words = "database or disk is full" if full else str(error)
        raise DatabaseProblem(f"database {path}: {_ADVICE.get(words, words)}") from error
