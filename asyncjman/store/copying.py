"""A copy of a database that is only read: in private, so that nothing is done beside the original.

SQLite would make files beside a database to read it, and, as root, give them to its owner, whatever they lead
to by then; and it would play back any journal that lies there. So the files are copied as they are, by
descriptors of the very files that were checked, and SQLite sees the copy alone.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import sqlite3
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from asyncjman.errors import DatabaseProblem
from asyncjman.ownership import ROOT
from asyncjman.runtime import SYSTEM
from asyncjman.store.connecting import in_memory, prepared

_PAUSE_SECONDS = 0.01
_FRESH_SECONDS = 0.02
"""A file may change within so long without its time of change being another one."""
_SHARED_LOCK = (510, 0x40000002)
"""Length and start of the bytes that a reader without a write-ahead log locks (SQLite file format)."""
_LOG_HEADER = 32
_WITH_LOG = b"\x02\x02"
"""At byte 18 of a database that has a write-ahead log."""

Mark = tuple[tuple[int, int, int, int], ...] | None
"""What tells whether a database changed: of it and its side files device, inode, size, time of change."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A connection to a copy, and by what to see that the original is another one now."""

    connection: sqlite3.Connection
    mark: Mark
    seconds: float
    """How long it took to make."""


def mark(path: Path) -> Mark:
    """Look whether a database changed; None where there is none."""
    real = os.path.realpath(path)
    found = []
    for name in (real, f"{real}-wal", f"{real}-journal"):
        try:
            seen = os.lstat(name)
            found.append((seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns))
        except OSError:
            if name == real:
                return None
            found.append((0, 0, 0, 0))
    return tuple(found)


def take(path: Path, retry_for: float, prepare: Callable[[sqlite3.Connection], None]) -> Copy:
    """Copy a database, as its last transaction left it; a missing one is empty.

    ``prepare`` may change the copy. Raises DatabaseProblem where it can't be read, or changes all the time.
    """
    began = SYSTEM.monotonic()
    while True:
        before = mark(path)
        if before is None:
            connection = in_memory()
            _prepare(connection, prepare)
            return Copy(connection, before, 0.0)
        with tempfile.TemporaryDirectory(prefix="jman-") as folder:
            copy = Path(folder, "database")
            if _copy(Path(os.path.realpath(path)), copy):
                connection = _connect(copy)
                _prepare(connection, prepare)
                # what is open stays readable without its name; SQLite would not write to it any more
                return Copy(connection, before, SYSTEM.monotonic() - began)
        if SYSTEM.monotonic() - began > retry_for:
            raise DatabaseProblem(f"the database {path} changes faster than it can be read; try again")
        time.sleep(_PAUSE_SECONDS)


def _prepare(connection: sqlite3.Connection, prepare: Callable[[sqlite3.Connection], None]) -> None:
    try:
        prepare(connection)
        connection.execute("PRAGMA query_only = ON")
    except BaseException:
        connection.close()
        raise


def _connect(copy: Path) -> sqlite3.Connection:
    connection = prepared(sqlite3.connect(copy, isolation_level=None))
    try:
        connection.execute("PRAGMA cell_size_check = ON")
        connection.execute("PRAGMA synchronous = OFF")
        # alone with it, it keeps its lock; what is in the log goes into the copy, and no other file is needed
        connection.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
        connection.execute("PRAGMA journal_mode = DELETE").fetchall()
        connection.execute("PRAGMA journal_mode = MEMORY").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


def _copy(real: Path, copy: Path) -> bool:
    """Copy a database and its side files; tell whether they fit together."""
    with ExitStack() as stack:
        database = stack.enter_context(_reading(real))
        if database is None:
            return False  # it was deleted, and is missing at the next check
        known = os.fstat(database.fileno())
        if 0 <= SYSTEM.time() - known.st_mtime < _FRESH_SECONDS:
            return False
        has_log = database.read(100)[18:20] == _WITH_LOG
        if not has_log and not _lock(database):
            return False
        beside = f"{real}-wal" if has_log else f"{real}-journal"
        identity = _identity(beside)
        side = stack.enter_context(_reading(Path(beside), known))
        start = side.read(_LOG_HEADER) if side else b""
        for source, suffix in ((database, ""), (side, "-wal" if has_log else "-journal")):
            if source is not None:
                source.seek(0)
                with Path(f"{copy}{suffix}").open("wb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
        if side is not None:
            side.seek(0)
            if side.read(_LOG_HEADER) != start:
                return False  # it began anew meanwhile
        now = os.fstat(database.fileno())
        return (
            (now.st_size, now.st_mtime_ns) == (known.st_size, known.st_mtime_ns)
            and _identity(str(real)) == (known.st_dev, known.st_ino)
            and _identity(beside) == identity
        )


def _identity(name: str) -> tuple[int, int] | None:
    try:
        found = os.lstat(name)
    except OSError:
        return None
    return found.st_dev, found.st_ino


@contextmanager
def _reading(path: Path, database: os.stat_result | None = None) -> Iterator[FileIO | None]:
    """Open a plain file; give None where it isn't there.

    So it is for a side file of one who may not write the database, too.
    """
    try:
        # a pipe, or a link that leads anywhere, may have been put there a moment ago
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        yield None
        return
    except OSError as error:
        what = "it is a symbolic link" if error.errno == errno.ELOOP else error.strerror
        raise DatabaseProblem(f"can't read the database {path}: {what}") from error
    with FileIO(descriptor) as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise DatabaseProblem(f"{path} is not a regular file")
        others_may_write = database is not None and database.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        is_theirs = database is None or others_may_write or found.st_uid in (database.st_uid, ROOT)
        yield file if is_theirs else None


def _lock(database: FileIO) -> bool:
    """Hold off writers without a write-ahead log until the file is closed; tell whether there is none now."""
    length, start = _SHARED_LOCK
    try:
        fcntl.lockf(database, fcntl.LOCK_SH | fcntl.LOCK_NB, length, start)
    except BlockingIOError:
        return False
    except OSError:
        return True  # no locks on this file system
    return True
