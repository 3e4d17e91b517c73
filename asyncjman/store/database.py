"""One connection to the database file: opening, locking, transactions, errors."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import aiosqlite

from asyncjman.errors import DatabaseProblem
from asyncjman.store import header
from asyncjman.store.completion import to_completion
from asyncjman.store.filesystem import is_network
from asyncjman.store.migrate import latest_version, migrate

BUSY_SECONDS = 30.0


class Database:
    """A connection; transactions of one process follow each other, reads never see half of one."""

    def __init__(
        self,
        path: Path,
        connection: aiosqlite.Connection,
        identity: tuple[int, int] | None,
        *,
        in_memory: bool,
    ) -> None:
        self.path = path
        self._connection = connection
        self._identity = identity
        self._in_memory = in_memory
        self._lock = asyncio.Lock()
        self._commits = 0
        self._committed = asyncio.Event()

    @classmethod
    async def open(cls, path: Path, *, create: bool) -> Database:
        """Open the file, or make it; without ``create`` a missing one is an empty one in memory.

        Raises DatabaseProblem when the file can't be opened, isn't a database of asyncjman's, or
        was written by a newer one; the file is left as it is then.
        """
        while True:
            fresh = _check(path)
            in_memory = fresh and not create
            if fresh and create:
                _touch(path)
            identity = _identity(path)
            with _translated(path):
                connection = await _connect(path, in_memory=in_memory)
                try:
                    if fresh or _version(path) < latest_version():
                        await _transact_migration(connection)
                    if not in_memory:
                        await _set_journal_mode(connection, path)
                except BaseException:
                    await connection.close()
                    raise
            if in_memory or _identity(path) == identity:
                return cls(path, connection, identity, in_memory=in_memory)
            await connection.close()  # deleted by another process meanwhile: what we opened is no more

    async def close(self) -> None:
        with _translated(self.path):
            await self._connection.close()

    async def fetch(self, sql: str, parameters: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        """Return all rows, seen between transactions of this process."""
        async with self._lock:
            with _translated(self.path):
                return list(await self._connection.execute_fetchall(sql, parameters))  # type: ignore[arg-type]

    async def stream(self, sql: str, parameters: Iterable[Any] = ()) -> AsyncIterator[tuple[Any, ...]]:
        """Yield rows a few hundred at a time: for results that may not fit the memory."""
        with _translated(self.path):
            async with self._connection.execute(sql, parameters) as cursor:
                while rows := await cursor.fetchmany(500):
                    for row in rows:
                        yield row  # type: ignore[misc]

    @asynccontextmanager
    async def transaction(self, *, quiet: bool = False) -> AsyncIterator[Transaction]:
        """Hold the write lock of this process and of the file; commit at the end, or roll back.

        A ``quiet`` one is no change that ``change`` tells of.
        """
        async with self._lock:
            with _translated(self.path):
                try:
                    await to_completion(self._begin())
                    yield Transaction(self.path, self._connection)
                    await to_completion(self._connection.execute("COMMIT"))
                    if not quiet:
                        self._commits += 1
                        self._committed.set()
                except BaseException:
                    await to_completion(self._roll_back())
                    raise

    async def change(self, seen: tuple[int, int] | None, seconds: float) -> tuple[int, int]:
        """Return the state of the file when it is no longer the one that was ``seen``.

        Commits of this process are noticed at once, those of others after ``seconds`` at most (which is
        when this returns anyway).
        """
        version = await self._version()
        if version == seen:
            self._committed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._committed.wait()
            version = await self._version()
        return version

    async def _version(self) -> tuple[int, int]:
        rows = await self.fetch("PRAGMA data_version")
        return int(rows[0][0]), self._commits

    async def remove_if(self, empty_sql: str) -> bool:
        """Delete the file when ``empty_sql`` gives 0 and no other process has it open.

        Other processes that wait for the lock meanwhile find that their file is gone, and start
        over with a new one.
        """
        if self._in_memory:
            return False
        async with self._lock:
            connection = self._connection
            try:
                # leaves WAL only when no other connection exists, and takes the side files along
                await connection.execute("PRAGMA busy_timeout = 0")
                await connection.execute_fetchall("PRAGMA journal_mode = DELETE")
                await connection.execute("BEGIN EXCLUSIVE")
                mode = await _scalar(connection, "PRAGMA journal_mode")
                left = await _scalar(connection, empty_sql)
                if left or mode != "delete" or _identity(self.path) != self._identity:
                    await connection.execute("ROLLBACK")
                    return False
                self.path.unlink()
                await connection.execute("ROLLBACK")
            except (sqlite3.OperationalError, OSError):
                return False
            finally:
                await connection.execute(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
        return True

    async def _begin(self) -> None:
        while True:
            await self._connection.execute("BEGIN IMMEDIATE")
            if self._in_memory or _identity(self.path) == self._identity:
                await self._connection.execute("UPDATE clock SET revision = revision + 1")
                return
            await self._connection.execute("ROLLBACK")
            await self._reopen()

    async def _reopen(self) -> None:
        fresh = await Database.open(self.path, create=True)
        await self._connection.close()
        self._connection = fresh._connection
        self._identity = fresh._identity

    async def _roll_back(self) -> None:
        if self._connection.in_transaction:
            await self._connection.execute("ROLLBACK")


class Transaction:
    """What may be done while the write lock is held."""

    def __init__(self, path: Path, connection: aiosqlite.Connection) -> None:
        self._path = path
        self._connection = connection

    async def execute(self, sql: str, parameters: Iterable[Any] = ()) -> int:
        """Run one statement; return the row id of the last row that was inserted."""
        with _translated(self._path):
            async with self._connection.execute(sql, parameters) as cursor:
                return cursor.lastrowid or 0

    async def execute_many(self, sql: str, rows: Sequence[Iterable[Any]]) -> None:
        if rows:
            with _translated(self._path):
                await self._connection.executemany(sql, rows)

    async def fetch(self, sql: str, parameters: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        with _translated(self._path):
            return list(await self._connection.execute_fetchall(sql, parameters))  # type: ignore[arg-type]


async def _connect(path: Path, *, in_memory: bool) -> aiosqlite.Connection:
    connection = await aiosqlite.connect(
        ":memory:" if in_memory else path, timeout=BUSY_SECONDS, isolation_level=None
    )
    await connection.execute("PRAGMA foreign_keys = ON")
    # what was committed survives a power loss
    await connection.execute("PRAGMA synchronous = FULL")
    # a database that somebody else made runs nothing
    await connection.execute("PRAGMA trusted_schema = OFF")
    return connection


async def _scalar(connection: aiosqlite.Connection, sql: str) -> Any:
    return next(iter(await connection.execute_fetchall(sql)))[0]


async def _transact_migration(connection: aiosqlite.Connection) -> None:
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
    if await _scalar(connection, "PRAGMA journal_mode") != wanted:
        try:
            await connection.execute(f"PRAGMA journal_mode = {wanted}")
        except sqlite3.OperationalError:
            if wanted == "delete":
                raise


def _touch(path: Path) -> None:
    try:
        path.touch()
    except OSError as error:
        raise DatabaseProblem(f"can't make the database {path}: {error.strerror}") from error


def _check(path: Path) -> bool:
    """Refuse what is no database of ours; return whether there is nothing there yet."""
    try:
        with path.open("rb") as file:
            head = file.read(header.HEADER_BYTES)
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise DatabaseProblem(f"the folder of the database {path} does not exist") from None
        return True
    except IsADirectoryError:
        raise DatabaseProblem(f"the database {path} is a folder: name a file with --database") from None
    except OSError as error:
        raise DatabaseProblem(f"can't read the database {path}: {error.strerror}") from error
    kind = header.kind_of(head)
    if kind is header.Kind.NOT_SQLITE:
        raise DatabaseProblem(f"{path} is not a database: name another file with --database")
    if kind is header.Kind.OTHER_SQLITE and header.schema_version(head) == 0 and _is_gridtk(path):
        raise DatabaseProblem(
            f"{path} is a database of gridtk: finish its jobs with gridtk and move it away, "
            "or name another file with --database"
        )
    if kind is header.Kind.OTHER_SQLITE and _has_tables(path):
        raise DatabaseProblem(f"{path} is some other program's database: name another file with --database")
    if kind is header.Kind.OURS and header.schema_version(head) > latest_version():
        raise DatabaseProblem(
            f"{path} was written by a newer asyncjman (schema {header.schema_version(head)}, "
            f"this one knows {latest_version()}): upgrade asyncjman"
        )
    return kind is not header.Kind.OURS


def _tables(path: Path) -> set[str]:
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            return {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise DatabaseProblem(f"{path} is damaged: {error}") from error


def _is_gridtk(path: Path) -> bool:
    return {"Job", "ArrayJob"} <= _tables(path)


def _has_tables(path: Path) -> bool:
    return bool(_tables(path))


def _version(path: Path) -> int:
    with path.open("rb") as file:
        return header.schema_version(file.read(header.HEADER_BYTES))


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - on the hot path, half the time of Path.stat
    except OSError:
        return None
    return found.st_dev, found.st_ino


_ADVICE = {
    "database or disk is full": "the disk is full, nothing was changed",
    "database is locked": f"another process has held it for {BUSY_SECONDS:.0f} seconds; try again",
    "attempt to write a readonly database": "no permission to write it",
    "unable to open database file": "it can't be opened: is the folder writable?",
    "disk I/O error": "the disk reports an error",
}


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """Turn errors of the driver into a DatabaseProblem that names the file."""
    try:
        yield
    except sqlite3.Error as error:
        raise DatabaseProblem(f"database {path}: {_ADVICE.get(str(error), str(error))}") from error
