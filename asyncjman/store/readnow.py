"""Reading a database at once: for commands that only look, and are to answer before an event loop is there.

The queries are the store's own. They are coroutines that ``immediate.at_once`` runs: here none of them waits.
"""

from __future__ import annotations

from contextlib import asynccontextmanager

from asyncjman.store.errands import removes
from asyncjman.store.immediate import at_once
from asyncjman.store.opening import open_as_it_is

TYPE_CHECKING = False  # the typing module takes as long as opening the file
if TYPE_CHECKING:
    import sqlite3
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path
    from typing import Any


class ReadNow:
    """A connection that reads one state of the file, in this thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.execute("BEGIN")

    @classmethod
    def open(cls, path: Path) -> ReadNow | None:
        """Open a database of this user's; None where more is to be done than to read it."""
        connection = open_as_it_is(path)
        if connection is None:
            return None
        source = cls(connection)
        if at_once(removes(source)):
            source.close()
            return None
        return source

    def close(self) -> None:
        self._connection.close()

    async def fetch(self, sql: str, parameters: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, tuple(parameters)).fetchall()

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[ReadNow]:
        yield self
