"""Opening a database file: what it is, the schema, the journal mode.

The file is never opened but by SQLite: closing any other descriptor of it would drop all locks
that this process holds on it (fcntl(2), "Record locks"; https://www.sqlite.org/howtocorrupt.html).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from asyncjman.errors import DamagedDatabase, DatabaseProblem
from asyncjman.store import home, schema
from asyncjman.store.authority import OWNER, Authority, judge, others_may_add
from asyncjman.store.connecting import connect, in_memory
from asyncjman.store.file import identity, is_missing, make
from asyncjman.store.filesystem import is_network
from asyncjman.store.folderlock import opening
from asyncjman.store.home import Home
from asyncjman.store.migrate import APPLICATION_ID, latest_version, migrate

TYPE_CHECKING = False  # the typing module is not loaded for it
if TYPE_CHECKING:
    from typing import Any

    from asyncjman.store.connecting import Identity
    from asyncjman.store.copying import Copy, Mark

BUSY_SECONDS = 30.0

_GRIDTK_TABLES = {"Job", "ArrayJob"}


class Found:
    """What a connection is to."""

    def __init__(self, authority: Authority = OWNER) -> None:
        self.identity: Identity | None = None
        """The file; None for nothing but memory."""
        self.authority = authority
        self.moved_to: Home | None = None
        """Where the file is now, where the database says that it is elsewhere."""
        self.copied: tuple[Mark, float] | None = None
        """For a copy in private: of what it is one, and how many seconds that took."""


def open_file(path: Path, *, create: bool, found: Found) -> sqlite3.Connection:
    """Open the file, as ``open_connection`` does, and note in ``found`` what it is."""
    while True:
        if is_missing(path):
            if not create:
                found.identity, found.authority = None, OWNER
                connection = in_memory()
                migrate(connection)
                return connection
            if not make(path):
                continue  # another process was faster
        try:
            found.authority = judge(path)
        except FileNotFoundError:
            continue  # deleted meanwhile
        connected = _open_own(path, found) if found.authority.is_owner else None
        if connected is not None:
            return connected
        if not found.authority.is_owner:
            return _open_copy(path, found)


def open_as_it_is(path: Path) -> sqlite3.Connection | None:
    """Open a database of this user's that can be read at once; None where ``open_file`` has more to do.

    Nothing is made, mended, brought to a later version or waited for.
    """
    real = Path(os.path.realpath(path))
    if is_missing(path) or others_may_add(real.parent) or os.path.lexists(f"{real}-journal"):
        return None
    found = Found(authority=judge(path))
    if not found.authority.is_owner:
        return None
    return _open_own(path, found, as_it_is=True)


def open_copy(path: Path) -> Copy:
    """Make a copy in private of a database, brought to the latest version."""
    from asyncjman.store import copying

    def prepare(connection: sqlite3.Connection) -> None:
        _check(connection, path)
        migrate(connection)

    return copying.take(path, BUSY_SECONDS, prepare)


def _open_copy(path: Path, found: Found) -> sqlite3.Connection:
    taken = open_copy(path)
    found.identity = identity(path)
    found.copied = (taken.mark, taken.seconds)
    return taken.connection


def _open_own(path: Path, found: Found, *, as_it_is: bool = False) -> sqlite3.Connection | None:
    """Open a file of this user's; None where it is to be judged once more.

    That is so where it was deleted meanwhile, and where it turns out to be a copy of another database;
    ``as_it_is``: also where something would have to be written or waited for.
    """
    real = Path(os.path.realpath(path))
    patience = 0.0 if as_it_is else BUSY_SECONDS
    with opening(path.parent, patience):
        found.identity = identity(path)
        if found.identity is None:
            return None
        try:
            connection = connect(real, patience)
        except (sqlite3.OperationalError, FileNotFoundError):
            if identity(path) != found.identity:
                return None
            raise
        try:
            version = _check(connection, path)
            here = Home.of(real)
            if version >= home.FIRST_VERSION:
                said = home.stored(connection)
                found.authority = home.judge_home(path, said, here, found.authority.owner)
                if not found.authority.is_owner:
                    connection.close()
                    return None
                found.moved_to = here if said is None or said.values != here.values else None
            if as_it_is and (version < latest_version() or not _has_journal_mode(connection, path)):
                connection.close()
                return None
            if version < latest_version():
                _migrate(connection, here)
            _set_journal_mode(connection, path)
            # what only reads is held to it
            connection.execute("PRAGMA query_only = ON")
        except BaseException as error:
            connection.close()
            deleted = identity(path) != found.identity
            if deleted and isinstance(error, sqlite3.OperationalError | FileNotFoundError):
                return None
            raise
        if found.identity == identity(path):
            return connection
        connection.close()  # deleted by another process meanwhile: its path leads elsewhere now
        return None


def _check(connection: sqlite3.Connection, path: Path) -> int:
    """Return the version of the schema, 0 for an empty database. Raises DatabaseProblem for others' files."""
    connection.execute("BEGIN")  # another process may bring it to a later version in this moment
    try:
        application = _value(connection, "PRAGMA application_id")
        version = int(_value(connection, "PRAGMA user_version"))
        if application == APPLICATION_ID:
            if version > latest_version():
                raise DatabaseProblem(
                    f"{path} was written by a newer asyncjman (schema {version}, "
                    f"this one knows {latest_version()}): upgrade asyncjman"
                )
            schema.verify(connection, path, version)
            return version
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    finally:
        connection.execute("ROLLBACK")
    if tables >= _GRIDTK_TABLES:
        raise DatabaseProblem(
            f"{path} is a database of gridtk: finish its jobs with gridtk and move it away, "
            "or name another file with --database"
        )
    if tables or version or application:
        raise DatabaseProblem(f"{path} is another program's database: name another file with --database")
    return 0


def _migrate(connection: sqlite3.Connection, here: Home) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        migrate(connection)  # does nothing where another process was faster
        if home.stored(connection) is None:
            for sql, values in home.statements(here):
                connection.execute(sql, values)
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _journal_mode(path: Path) -> str:
    # WAL needs shared memory, which a network file system hasn't
    return "delete" if is_network(path.parent) else "wal"


def _has_journal_mode(connection: sqlite3.Connection, path: Path) -> bool:
    return bool(_value(connection, "PRAGMA journal_mode") == _journal_mode(path))


def _set_journal_mode(connection: sqlite3.Connection, path: Path) -> None:
    if not _has_journal_mode(connection, path):
        wanted = _journal_mode(path)
        try:
            # fetched: a statement that is not at its end keeps its lock
            connection.execute(f"PRAGMA journal_mode = {wanted}").fetchall()
        except sqlite3.OperationalError:
            if wanted == "delete":
                raise


def _value(connection: sqlite3.Connection, sql: str) -> Any:
    return connection.execute(sql).fetchone()[0]


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
            from asyncjman.store.lockholder import locked

            raise DatabaseProblem(f"database {path}: {locked(path, BUSY_SECONDS)}") from error
        # no room for the memory that processes share is reported as another error
        full = getattr(error, "sqlite_errorname", "") == "SQLITE_IOERR_SHMSIZE"
        words = "database or disk is full" if full else str(error)
        raise DatabaseProblem(f"database {path}: {_ADVICE.get(words, words)}") from error
