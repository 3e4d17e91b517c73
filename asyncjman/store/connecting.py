"""Connections of SQLite to a database file of this user's.

In a folder where others may make files, another user could put a journal or a write-ahead log beside
the database in the moment that it is opened, and SQLite would carry it over into the database. There a
connection that can't write goes first: while it holds its lock no journal is played back, and what is open is
checked before anything is written.
"""

from __future__ import annotations

import os
import re
import sqlite3
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from asyncjman.errors import DatabaseProblem
from asyncjman.store.authority import others_may_add

Identity = tuple[int, int]
"""Device and inode of a file: whether a path still leads to the file that was opened."""


def real_path(path: Path) -> Path:
    """Return a path with no links in it: SQLite keeps its side files beside the file itself."""
    return Path(os.path.realpath(path))


def connect(real: Path, retry_for: float) -> sqlite3.Connection:
    """Open a database file, which is there; ``retry_for``: seconds to wait for the locks of others."""
    if not others_may_add(real.parent):
        return prepared(_open(real, "rw", retry_for))
    with _guard(real, retry_for) as guarded:
        connection = prepared(_open(real, "rw", retry_for))
        try:
            if real.stat().st_size == 0:
                # the schema goes into it without a journal beside it
                connection.execute("PRAGMA journal_mode = MEMORY").fetchall()
            connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
            if guarded:
                _check(connection, real, connections=2)
        except BaseException:
            connection.close()
            raise
    return connection


@contextmanager
def no_journal_of_others(path: Path) -> Iterator[None]:
    """Let no other user put a journal beside a database that has no write-ahead log any more.

    Raises DatabaseProblem where one was faster: it must not be read again then.
    """
    real = real_path(path)
    if not others_may_add(real.parent):
        yield
        return
    journal = Path(f"{real}-journal")
    try:
        _make(journal, real)  # an empty one is as good as none
    except FileExistsError:
        raise DatabaseProblem(f"{journal} was put beside the database while it was being deleted") from None
    try:
        yield
    finally:
        journal.unlink(missing_ok=True)


def prepared(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Set what all our connections have; on an error the connection is closed."""
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        # what was committed survives a power loss; EXTRA: also where a commit is the unlinking of a journal
        connection.execute("PRAGMA synchronous = EXTRA")
        # a database that another user made runs nothing
        connection.execute("PRAGMA trusted_schema = OFF")
    except BaseException:
        connection.close()
        raise
    return connection


def in_memory() -> sqlite3.Connection:
    """Return an empty database."""
    return prepared(sqlite3.connect(":memory:", isolation_level=None))


def _open(real: Path, mode: str, retry_for: float) -> sqlite3.Connection:
    # never makes a file
    name = re.sub(rb"[^A-Za-z0-9/._-]", lambda found: b"%%%02X" % ord(found[0]), os.fsencode(real))
    uri = f"file:{name.decode('ascii')}?mode={mode}"
    return sqlite3.connect(uri, uri=True, timeout=retry_for, isolation_level=None)


@contextmanager
def _guard(real: Path, retry_for: float) -> Iterator[bool]:
    """Hold a lock that keeps journals from being played back; give False where one of ours must be."""
    made = _occupy(real) if real.stat().st_size else []
    guard = _open(real, "ro", retry_for)
    try:
        guard.execute("PRAGMA trusted_schema = OFF")
        try:
            guard.execute("BEGIN")
            guard.execute("SELECT count(*) FROM sqlite_master").fetchall()
        except sqlite3.OperationalError as error:
            if str(error) != "attempt to write a readonly database":
                raise
            yield False  # an earlier process of ours was killed while it wrote
            return
        if not _has_log(guard):
            for name in made:  # of no use
                Path(name).unlink(missing_ok=True)
        _check(guard, real, connections=1)
        yield True
    finally:
        guard.close()


def _occupy(real: Path) -> list[str]:
    """Make side files where there are none, so that no other user can; empty ones are as good as none."""
    made = []
    for suffix in ("-wal", "-shm"):
        with suppress(FileExistsError):
            _make(Path(f"{real}{suffix}"), real)
            made.append(f"{real}{suffix}")
    return made


def _make(name: Path, real: Path) -> None:
    """Make an empty file where there is none, with the rights of the database."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    os.close(os.open(name, flags, stat.S_IMODE(real.stat().st_mode)))


def _has_log(connection: sqlite3.Connection) -> bool:
    """Tell whether a connection uses a write-ahead log."""
    return bool(connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal")


def _check(connection: sqlite3.Connection, real: Path, *, connections: int) -> None:
    """See that what is open are the files of this user that are there. Raises DatabaseProblem."""
    is_open = _open_files()
    if is_open is None:
        return  # not to be known here
    least = {str(real): connections}
    if _has_log(connection):
        least |= {f"{real}-wal": connections, f"{real}-shm": 1}  # all connections share the latter
    for name, count in least.items():
        found = os.lstat(name)
        ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
        if not ours or is_open[found.st_dev, found.st_ino] < count:
            raise DatabaseProblem(f"{name} was put in the place of another file while it was opened")


def _open_files() -> Counter[Identity] | None:
    """Return how often this process has each file open."""
    found: Counter[Identity] = Counter()
    try:
        for name in Path("/dev/fd").iterdir():
            with suppress(OSError):
                status = os.fstat(int(name.name))
                found[status.st_dev, status.st_ino] += 1
    except OSError:
        return None
    return found
