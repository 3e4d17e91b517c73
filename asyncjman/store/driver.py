"""A connection in a thread of its own, which an event loop can wait for."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

from asyncjman.store.opening import Found, open_file

T = TypeVar("T")

_CHUNK = 64
"""How many rows aiosqlite hands over at a time, which is its own default."""


class Opened:
    """A connection, and what it is to."""

    def __init__(self, connection: aiosqlite.Connection, found: Found) -> None:
        self.connection = connection
        self.found = found


async def open_connection(path: Path, *, create: bool) -> Opened:
    """Open the file, or make it; without ``create`` a missing one is an empty one in memory.

    Where this user may only read it, the connection is to a copy of it. Raises DatabaseProblem when it can't
    be read, isn't asyncjman's, or was written by a newer one.
    """
    found = Found()
    problems: list[BaseException] = []

    def connect_in_thread() -> sqlite3.Connection:
        try:
            return open_file(path, create=create, found=found)
        except BaseException as error:
            # aiosqlite would not wait for the end of its thread
            problems.append(error)
            return sqlite3.connect(":memory:")

    connection = await connection_of(connect_in_thread)
    if problems:
        await connection.close()
        raise problems[0]
    return Opened(connection, found)


async def connection_of(connector: Callable[[], sqlite3.Connection]) -> aiosqlite.Connection:
    """Return the connection that a function makes, in the thread that the connection belongs to."""
    connection = aiosqlite.Connection(connector, _CHUNK)
    # a program may end without closing it: the thread would wait for ever. Before aiosqlite 0.22 it is one
    thread: Any = getattr(connection, "_thread", connection)
    thread.daemon = True
    return await connection


async def in_its_thread(connection: aiosqlite.Connection, function: Callable[[sqlite3.Connection], T]) -> T:
    """Call a function with the connection itself, in the thread that it belongs to."""
    # aiosqlite does each of its own statements so, and has no public name for it
    in_thread: Any = connection._execute
    result: T = await in_thread(function, connection._conn)
    return result


async def scalar(connection: aiosqlite.Connection, sql: str) -> Any:
    """Return the one value of a query."""
    return next(iter(await connection.execute_fetchall(sql)))[0]
