"""One connection to the database file: opening, locking, transactions, errors."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiosqlite

from asyncjman.runtime import SYSTEM, Runtime
from asyncjman.store.completion import to_completion
from asyncjman.store.folderlock import deleting
from asyncjman.store.opening import BUSY_SECONDS, Identity, identity, open_connection, scalar, translated
from asyncjman.suspension import unsuspended


class Database:
    """A connection; transactions of one process follow each other, reads never see half of one."""

    def __init__(
        self,
        path: Path,
        connection: aiosqlite.Connection,
        file: Identity | None,
        *,
        in_memory: bool,
        runtime: Runtime = SYSTEM,
    ) -> None:
        self.path = path
        self.runtime = runtime
        self._connection = connection
        self._identity = file
        self._in_memory = in_memory
        self._lock = asyncio.Lock()
        self._commits = 0
        self._committed = asyncio.Event()

    @classmethod
    async def open(cls, path: Path, *, create: bool, runtime: Runtime = SYSTEM) -> Database:
        """Open the file, or make it; without ``create`` a missing one is an empty one in memory.

        Raises DatabaseProblem when the file can't be opened, isn't a database of asyncjman's, or
        was written by a newer one; the file is left as it is then.
        """
        with unsuspended(), translated(path):
            opened = await to_completion(
                open_connection(path, create=create), lambda one: one.connection.close()
            )
        in_memory = opened.identity is None
        return cls(path, opened.connection, opened.identity, in_memory=in_memory, runtime=runtime)

    async def close(self) -> None:
        with translated(self.path):
            await self._connection.close()

    async def fetch(self, sql: str, parameters: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        """Return all rows, seen between transactions of this process."""
        async with self._lock:
            with unsuspended(), translated(self.path):
                # aiosqlite names fewer iterables than it takes
                return list(await self._connection.execute_fetchall(sql, parameters))  # type: ignore[arg-type]

    async def stream(self, sql: str, parameters: Iterable[Any] = ()) -> AsyncIterator[tuple[Any, ...]]:
        """Yield rows a few hundred at a time: for results that may not fit the memory."""
        with translated(self.path):
            cursor = await self._connection.execute(sql, parameters)
        try:
            while True:
                with translated(self.path):
                    rows = await cursor.fetchmany(500)
                if not rows:
                    return
                for row in rows:
                    # aiosqlite calls its rows sqlite3.Row, which only a row factory would make them
                    yield row  # type: ignore[misc]
        finally:
            # who leaves a loop early may have closed the connection before this is reached
            with suppress(sqlite3.Error, ValueError):
                await cursor.close()

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[View]:
        """Have several reads see the same state of the file, whatever other processes do meanwhile.

        Inside, nothing but the view is to be read from.
        """
        async with self._lock:
            with translated(self.path):
                try:
                    await to_completion(self._connection.execute("BEGIN"))
                    yield View(self.path, self._connection, self.runtime)
                finally:
                    await to_completion(self._roll_back())

    @asynccontextmanager
    async def transaction(self, *, quiet: bool = False) -> AsyncIterator[Transaction]:
        """Hold the write lock of this process and of the file; commit at the end, or roll back.

        A ``quiet`` one is no change that ``change`` tells of, nor is to other processes where it changed
        nothing: two that wait for the same would wake each other for ever.
        """
        async with self._lock:
            with unsuspended(), translated(self.path):
                try:
                    await to_completion(self._begin())
                    tx = Transaction(self.path, self._connection, self.runtime)
                    yield tx
                    await to_completion(self._commit(tx, quiet=quiet))
                except BaseException:
                    await to_completion(self._roll_back())
                    raise

    async def change(self, seen: tuple[int, int] | None, seconds: float) -> tuple[int, int]:
        """Return the state of the file when it is no longer the one that was ``seen``.

        Commits of this process are noticed at once, those of others after ``seconds`` at most (which is
        when this returns anyway).
        """
        version = await self.version()
        if version == seen:
            self._committed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._committed.wait()
            version = await self.version()
        return version

    async def version(self) -> tuple[int, int]:
        """Return the state of the file: another one once this or another process committed to it."""
        rows = await self.fetch("PRAGMA data_version")
        return int(rows[0][0]), self._commits

    async def remove_if(self, empty_sql: str) -> bool:
        """Delete the file when ``empty_sql`` gives 0 and no other process has it open.

        Other processes that wait for the lock meanwhile find that their file is gone, and start
        over with a new one.
        """
        if self._in_memory:
            return False
        async with self._lock, deleting(self.path.parent) as alone:
            with unsuspended():
                return alone and await to_completion(self._remove_if(empty_sql))

    async def _remove_if(self, empty_sql: str) -> bool:
        connection = self._connection
        try:
            if await scalar(connection, empty_sql):
                return False  # and the write-ahead log stays on
            # leaves WAL only when no other connection exists, and takes the side files along
            await connection.execute_fetchall("PRAGMA busy_timeout = 0")
            await connection.execute_fetchall("PRAGMA journal_mode = DELETE")
            await connection.execute("BEGIN EXCLUSIVE")
            mode = await scalar(connection, "PRAGMA journal_mode")
            left = await scalar(connection, empty_sql)
            removable = not left and mode == "delete" and identity(self.path) == self._identity
            if removable:
                self.path.unlink()
            await connection.execute("ROLLBACK")
            return removable
        except (sqlite3.OperationalError, OSError):
            await self._roll_back()
            return False
        finally:
            await connection.execute_fetchall(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")

    @property
    def opened_file(self) -> Identity | None:
        """Return which file this is connected to: another one once the first was deleted."""
        return self._identity

    @property
    def is_at_its_path(self) -> bool:
        """Tell whether the path still leads to the file that is open."""
        return self._in_memory or identity(self.path) == self._identity

    async def _begin(self) -> None:
        while True:
            try:
                await self._connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                if self.is_at_its_path:  # SQLite doesn't write to a file that was deleted
                    raise
            else:
                if self.is_at_its_path:
                    await self._connection.execute("UPDATE clock SET revision = revision + 1")
                    return
                await self._connection.execute("ROLLBACK")
            await self._reopen()

    async def _reopen(self) -> None:
        fresh = await Database.open(self.path, create=True, runtime=self.runtime)
        await self._connection.close()
        self._connection = fresh._connection
        self._identity = fresh._identity

    async def _commit(self, tx: Transaction, *, quiet: bool) -> None:
        if quiet and self._connection.total_changes == tx.changes_before:
            await self._connection.execute("ROLLBACK")
        else:
            await self._connection.execute("COMMIT")
        tx.committed = True
        if not quiet:
            self._commits += 1
            self._committed.set()

    async def _roll_back(self) -> None:
        if self._connection.in_transaction:
            await self._connection.execute("ROLLBACK")


class View:
    """What may be read of one state of the file."""

    def __init__(self, path: Path, connection: aiosqlite.Connection, runtime: Runtime = SYSTEM) -> None:
        self.path = path
        self._connection = connection
        self.runtime = runtime
        self.changes_before = connection.total_changes
        self.committed = False
        """Whether it is on the disk: it may be although whoever waited for that was cancelled."""

    async def fetch(self, sql: str, parameters: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        with translated(self.path):
            # aiosqlite names fewer iterables than it takes
            return list(await self._connection.execute_fetchall(sql, parameters))  # type: ignore[arg-type]


class Transaction(View):
    """What may be done while the write lock is held."""

    async def execute(self, sql: str, parameters: Iterable[Any] = ()) -> int:
        """Run one statement; return the row id of the last row that was inserted."""
        with translated(self.path):
            async with self._connection.execute(sql, parameters) as cursor:
                return cursor.lastrowid or 0

    async def execute_many(self, sql: str, rows: Sequence[Iterable[Any]]) -> None:
        if rows:
            with translated(self.path):
                await self._connection.executemany(sql, rows)
