"""A connection to SQLite as aiosqlite makes one, without its thread.

Statements queue and are carried out some virtual time later, one after the other, whether or not anybody
still awaits them. The database is a real one: processes lock each other out of it as ever.
"""

from __future__ import annotations

import re
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator, Iterable
from contextlib import suppress
from typing import Any

from tests.simulation.world import Process

_DELAYS = (0.001, 0.002, 0.005, 0.01, 0.015, 0.02, 0.025, 0.025, 0.025, 0.05, 0.05, 0.1)
"""How long SQLite sleeps before it tries again to have a lock (sqliteDefaultBusyCallback)."""
_BUSY_TIMEOUT = re.compile(r"PRAGMA busy_timeout = (\d+)")


class Connection:
    """What asyncjman uses of aiosqlite.Connection."""

    def __init__(self, process: Process, database: sqlite3.Connection, *, timeout: float) -> None:
        self._process = process
        self._queue: deque[tuple[Callable[..., Any], tuple[Any, ...], Any]] = deque()
        self._is_busy = False
        self._tries = 0
        self._waited = 0.0
        self._timeout = timeout
        self._database = database
        # SQLite itself must not wait: the clock would stand
        database.execute("PRAGMA busy_timeout = 0")
        database.execute("PRAGMA synchronous = OFF")  # what is simulated is no power loss
        self._is_closed = False
        self._has_committed = False
        database.set_trace_callback(self._traced)
        process.on_death.append(self._kill)

    def execute(self, sql: str, parameters: Iterable[Any] = ()) -> _Execution:
        return _Execution(self, self._call(self._execute_sql, sql, tuple(parameters)))

    async def executemany(self, sql: str, rows: Iterable[Iterable[Any]]) -> None:
        await self._call(self._database.executemany, sql, [tuple(row) for row in rows])

    async def execute_fetchall(self, sql: str, parameters: Iterable[Any] = ()) -> list[Any]:
        found: list[Any] = await self._call(self._fetch_all, sql, tuple(parameters))
        return found

    async def _execute(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await self._call(function, *arguments)

    @property
    def _conn(self) -> sqlite3.Connection:
        return self._database

    @property
    def in_transaction(self) -> bool:
        return self._database.in_transaction

    @property
    def total_changes(self) -> int:
        return self._database.total_changes

    async def close(self) -> None:
        await self._call(self._close)

    def _traced(self, sql: str) -> None:
        self._has_committed = self._has_committed or sql == "COMMIT"

    def _execute_sql(self, sql: str, parameters: tuple[Any, ...]) -> sqlite3.Cursor:
        if match := _BUSY_TIMEOUT.match(sql):
            self._timeout = int(match[1]) / 1000
            sql = "SELECT 0"
        return self._database.execute(sql, parameters)

    def _fetch_all(self, sql: str, parameters: tuple[Any, ...]) -> list[Any]:
        return self._execute_sql(sql, parameters).fetchall()

    def _close(self) -> None:
        self._is_closed = True
        self._database.close()

    def _kill(self) -> None:
        """Go as the process goes: what was not committed is rolled back."""
        self._queue.clear()
        if not self._is_closed:
            # close() alone keeps the lock where rows of a RETURNING weren't fetched
            with suppress(sqlite3.Error):
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
            self._close()

    def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        future = self._process.create_future()
        self._queue.append((function, arguments, future))
        self._start()
        return future

    def _start(self) -> None:
        if self._queue and not self._is_busy:
            self._is_busy = True
            self._process.call_later(self._process.world.pause(), self._carry_out)

    def _carry_out(self) -> None:
        function, arguments, future = self._queue[0]
        result: Any = None
        failure: Exception | None = None
        try:
            result = function(*arguments)
        except Exception as error:
            if _is_locked(error) and self._waited < self._timeout:
                delay = _DELAYS[min(self._tries, len(_DELAYS) - 1)]
                self._tries += 1
                self._waited += delay
                self._process.call_later(delay, self._carry_out)
                return
            failure = error
        self._tries, self._waited = 0, 0.0
        what = arguments[0] if arguments and isinstance(arguments[0], str) else _name(function)
        has_committed, self._has_committed = self._has_committed, False
        self._process.world.note(self._process.name, what)
        self._queue.popleft()
        self._is_busy = False
        if not future.done():
            if failure is not None:
                future.set_exception(failure)
            else:
                future.set_result(result)
        self._start()
        if has_committed and failure is None:
            self._process.world.on_commit(self._process)


class _Cursor:
    def __init__(self, connection: Connection, cursor: sqlite3.Cursor) -> None:
        self._connection = connection
        self._cursor = cursor

    @property
    def lastrowid(self) -> int | None:
        return self._cursor.lastrowid

    async def fetchmany(self, size: int) -> list[Any]:
        found: list[Any] = await self._connection._call(self._cursor.fetchmany, size)
        return found

    async def close(self) -> None:
        await self._connection._call(self._cursor.close)

    async def fetchone(self) -> Any:
        return await self._connection._call(self._cursor.fetchone)

    async def __aiter__(self) -> AsyncIterator[Any]:
        while rows := await self.fetchmany(64):
            for row in rows:
                yield row


class _Execution:
    """What ``execute`` gives: to be awaited, or for ``async with``."""

    def __init__(self, connection: Connection, future: Any) -> None:
        self._connection = connection
        self._future = future

    def __await__(self) -> Generator[Any, None, _Cursor]:
        return self._cursor().__await__()

    async def __aenter__(self) -> _Cursor:
        return await self._cursor()

    async def __aexit__(self, *_: object) -> None:
        pass

    async def _cursor(self) -> _Cursor:
        return _Cursor(self._connection, await self._future)


def _name(function: Callable[..., Any]) -> str:
    return str(getattr(function, "func", function).__name__)


def _is_locked(error: Exception) -> bool:
    return isinstance(error, sqlite3.OperationalError) and "locked" in str(error)
