"""One connection to the database file: opening, locking, transactions, errors.

A ``Reader`` is what everybody gets who may read the file; a ``Database``, which can change it, only its
owner. What sends, deletes, signals, concludes or runs takes a ``Database``.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import aiosqlite

from asyncjman.runtime import SYSTEM, Runtime
from asyncjman.store import home
from asyncjman.store.authority import OWNER, Authority
from asyncjman.store.completion import to_completion
from asyncjman.store.connecting import Identity
from asyncjman.store.driver import Opened, in_its_thread, open_connection
from asyncjman.store.file import identity
from asyncjman.store.folderlock import deleting
from asyncjman.store.home import Home
from asyncjman.store.immediate import at_once
from asyncjman.store.opening import translated
from asyncjman.store.removing import remove_file
from asyncjman.store.transaction import AtOnce, Transaction, View
from asyncjman.suspension import unsuspended

if TYPE_CHECKING:
    from asyncjman.store.copying import Mark

__all__ = ["CHANGE_SECONDS", "Database", "Reader", "Transaction", "View"]

T = TypeVar("T")

CHANGE_SECONDS = 0.2
"""How soon a change that another process makes is noticed."""
_REST = 10
"""A copy is made anew after this many times as long as it took, at the earliest."""


class Reader:
    """A connection that reads; each of its reads sees whole transactions."""

    def __init__(
        self,
        path: Path,
        connection: aiosqlite.Connection,
        file: Identity | None,
        *,
        in_memory: bool,
        runtime: Runtime = SYSTEM,
        authority: Authority = OWNER,
    ) -> None:
        self.path = path
        self.runtime = runtime
        self.authority = authority
        self._connection = connection
        self._identity = file
        self._in_memory = in_memory
        self._lock = asyncio.Lock()
        self._commits = 0
        self._committed = asyncio.Event()
        self._streams = 0
        self._copied: tuple[Mark, float] | None = None
        self._copied_at = 0.0

    @classmethod
    async def open(cls, path: Path, *, create: bool, runtime: Runtime = SYSTEM) -> Reader:
        """Open the file, or make it; without ``create`` a missing one is an empty one in memory.

        Raises DatabaseProblem when the file can't be opened, isn't a database of asyncjman's, or
        was written by a newer one; the file is left as it is then.
        """
        opened = await _open(path, create=create)
        kind = Database if opened.found.authority.is_owner else Reader
        found = kind(
            path,
            opened.connection,
            opened.found.identity,
            in_memory=opened.found.identity is None,
            runtime=runtime,
            authority=opened.found.authority,
        )
        found._take(opened)
        return found

    def writer(self) -> Database:
        """Return what can change the database. Raises NotOwner where this user may only read it."""
        raise self.authority.error()

    def _take(self, opened: Opened) -> None:
        self._connection = opened.connection
        self._identity = opened.found.identity
        self._copied = opened.found.copied
        self._copied_at = self.runtime.monotonic()

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
        self._streams += 1
        try:
            with translated(self.path):
                cursor = await self._connection.execute(sql, parameters)
        except BaseException:
            self._streams -= 1
            raise
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
            self._streams -= 1
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

    async def change(self, seen: tuple[int, int] | None, seconds: float = CHANGE_SECONDS) -> tuple[int, int]:
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

    async def next_change(self, seen: tuple[int, int] | None) -> tuple[int, int]:
        """Return the state of the file once it is no longer the one that was ``seen``."""
        while (now := await self.change(seen)) == seen:
            pass
        return now

    async def version(self) -> tuple[int, int]:
        """Return the state of the file: another one once this or another process committed to it."""
        await self.renew()
        rows = await self.fetch("PRAGMA data_version")
        return int(rows[0][0]), self._commits

    async def renew(self) -> None:
        """Check the file once more, where what is read is a copy of it."""
        if self._copied is None or self._streams or self._lock.locked():
            return
        from asyncjman.store import copying

        mark, seconds = self._copied
        rested = self.runtime.monotonic() - self._copied_at >= seconds * _REST
        if not rested or copying.mark(self.path) == mark:
            return
        async with self._lock:
            before = self._connection
            opened = await _open(self.path, create=False)
            if opened.found.copied is None and opened.found.identity is not None:
                await opened.connection.close()  # it is this user's own now: the next command sees that
                return
            self._take(opened)
            self._commits += 1
            await before.close()

    @property
    def opened_file(self) -> Identity | None:
        """Return which file this is connected to: another one once the first was deleted."""
        return self._identity

    @property
    def is_at_its_path(self) -> bool:
        """Tell whether the path still leads to the file that is open."""
        return self._in_memory or identity(self.path) == self._identity

    async def _roll_back(self) -> None:
        if self._connection.in_transaction:
            await self._connection.execute("ROLLBACK")


class Database(Reader):
    """The connection of the owner; transactions of one process follow each other."""

    _moved_to: Home | None = None
    _only_reads = False

    @classmethod
    async def open(cls, path: Path, *, create: bool, runtime: Runtime = SYSTEM) -> Database:
        """Open the file as its owner. Raises NotOwner, and what ``Reader.open`` raises."""
        found = await Reader.open(path, create=create, runtime=runtime)
        try:
            return found.writer()
        except BaseException:
            await found.close()
            raise

    def writer(self) -> Database:
        return self

    def _take(self, opened: Opened) -> None:
        super()._take(opened)
        self._moved_to = opened.found.moved_to
        self._only_reads = opened.found.identity is not None

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

    async def carry_out(
        self, work: Callable[[Transaction], Coroutine[Any, Any, T]], *, quiet: bool = False
    ) -> T:
        """Do ``work`` in one transaction, all of it in the thread of the connection.

        It awaits nothing but its transaction, and touches nothing that others change meanwhile. This is
        ``transaction`` for what comes often: the loop and the thread take turns once, not for each statement.
        """
        async with self._lock:
            with unsuspended(), translated(self.path):
                return await to_completion(self._carry_out(work, quiet=quiet))

    async def remove_if(self, empty_sql: str) -> bool:
        """Delete the file when ``empty_sql`` gives 0 and no other process has it open.

        Other processes that wait for the lock meanwhile find that their file was deleted, and start
        over with a new one.
        """
        if self._in_memory:
            return False
        async with self._lock:
            with unsuspended(), deleting(self.path.parent) as alone:
                if not alone:
                    return False
                await in_its_thread(self._connection, self._allow_writing_here)
                return await to_completion(
                    remove_file(self._connection, self.path, self._identity, empty_sql)
                )

    async def _begin(self) -> None:
        while not await in_its_thread(self._connection, self._begin_here):
            await self._reopen()

    def _begin_here(self, connection: sqlite3.Connection) -> bool:
        """Begin in the thread of a connection; False: that is to another file than the one at its path."""
        self._allow_writing_here(connection)
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            if self.is_at_its_path:  # SQLite doesn't write to a file that was deleted
                raise
            return False
        if not self.is_at_its_path:
            connection.execute("ROLLBACK")
            return False
        if self._moved_to is not None:  # have the database say where it is
            for sql, values in home.statements(self._moved_to):
                connection.execute(sql, values)
        connection.execute("UPDATE meta SET revision = revision + 1")
        return True

    def _allow_writing_here(self, connection: sqlite3.Connection) -> None:
        if self._only_reads:
            connection.execute("PRAGMA query_only = OFF")
            self._only_reads = False

    async def _carry_out(self, work: Callable[[Transaction], Coroutine[Any, Any, T]], *, quiet: bool) -> T:
        here = partial(self._carry_out_here, work, quiet)
        while (done := await in_its_thread(self._connection, here)) is None:
            await self._reopen()
        self._note_commit(quiet=quiet)
        return done[0]

    def _carry_out_here(
        self,
        work: Callable[[Transaction], Coroutine[Any, Any, T]],
        quiet: bool,
        connection: sqlite3.Connection,
    ) -> tuple[T] | None:
        """Do ``work`` in the thread of a connection; None: see ``_begin_here``."""
        try:
            if not self._begin_here(connection):
                return None
            tx = AtOnce(self.path, connection, self.runtime)
            result = at_once(work(tx))
            self._commit_here(tx, quiet, connection)
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return (result,)

    async def _reopen(self) -> None:
        opened = await _open(self.path, create=True)
        if not opened.found.authority.is_owner:
            await opened.connection.close()
            raise opened.found.authority.error()
        before = self._connection
        self._take(opened)
        await before.close()

    async def _commit(self, tx: Transaction, *, quiet: bool) -> None:
        await in_its_thread(self._connection, partial(self._commit_here, tx, quiet))
        self._note_commit(quiet=quiet)

    def _commit_here(self, tx: Transaction, quiet: bool, connection: sqlite3.Connection) -> None:
        """Commit in the thread of a connection."""
        if quiet and connection.total_changes == tx.changes_before:
            connection.execute("ROLLBACK")
        else:
            connection.execute("COMMIT")
            self._moved_to = None
        tx.committed = True

    def _note_commit(self, *, quiet: bool) -> None:
        if not quiet:
            self._commits += 1
            self._committed.set()


async def _open(path: Path, *, create: bool) -> Opened:
    with unsuspended(), translated(path):
        return await to_completion(
            open_connection(path, create=create), lambda opened: opened.connection.close()
        )
