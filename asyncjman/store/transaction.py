"""What may be read of one state of a database, and what may be done while its write lock is held."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

from asyncjman.runtime import SYSTEM, Runtime
from asyncjman.store.opening import translated

T = TypeVar("T")


class View:
    """What may be read of one state of the file."""

    def __init__(self, path: Path, connection: aiosqlite.Connection, runtime: Runtime = SYSTEM) -> None:
        self.path = path
        self._connection = connection
        self.runtime = runtime
        self.changes_before = connection.total_changes
        self.committed = False
        """Whether it is on the disk: it may be although whoever waited for that was cancelled."""

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[View]:
        """Give this itself: all that it reads is of one state."""
        yield self

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


class AtOnce(Transaction):
    """A transaction in the thread of its connection: what is awaited of it is there at once."""

    def __init__(self, path: Path, connection: sqlite3.Connection, runtime: Runtime) -> None:
        self.path = path
        self._driver = connection
        self.runtime = runtime._replace(in_thread=_here)  # this is one
        self.changes_before = connection.total_changes
        self.committed = False

    async def fetch(self, sql: str, parameters: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        return self._driver.execute(sql, tuple(parameters)).fetchall()

    async def execute(self, sql: str, parameters: Iterable[Any] = ()) -> int:
        return self._driver.execute(sql, tuple(parameters)).lastrowid or 0

    async def execute_many(self, sql: str, rows: Sequence[Iterable[Any]]) -> None:
        if rows:
            self._driver.executemany(sql, rows)  # type: ignore[arg-type]


async def _here(function: Callable[..., T], /, *arguments: object) -> T:
    return function(*arguments)
