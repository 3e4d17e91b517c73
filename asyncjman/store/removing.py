"""Deleting the file of a database that has nothing left in it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import aiosqlite

from asyncjman.store.connecting import Identity, no_journal_of_others
from asyncjman.store.driver import scalar
from asyncjman.store.file import identity
from asyncjman.store.opening import BUSY_SECONDS


async def remove_file(
    connection: aiosqlite.Connection, path: Path, file: Identity | None, empty_sql: str
) -> bool:
    """Delete a file that is open, when ``empty_sql`` gives 0 and no other process has it open; tell whether.

    ``file`` is the one that was opened: another one that is at the path by now stays.
    """
    try:
        if await scalar(connection, empty_sql):
            return False  # and the write-ahead log stays on
        # leaves WAL only when no other connection exists, and takes the side files along
        await connection.execute_fetchall("PRAGMA busy_timeout = 0")
        await connection.execute_fetchall("PRAGMA journal_mode = DELETE")
        with no_journal_of_others(path):
            await connection.execute("BEGIN EXCLUSIVE")
            mode = await scalar(connection, "PRAGMA journal_mode")
            left = await scalar(connection, empty_sql)
            removable = not left and mode == "delete" and identity(path) == file
            if removable:
                path.unlink()  # noqa: ASYNC240 - while the lock is held
            await connection.execute("ROLLBACK")
            return removable
    except (sqlite3.OperationalError, OSError):
        if connection.in_transaction:
            await connection.execute("ROLLBACK")
        return False
    finally:
        await connection.execute_fetchall(f"PRAGMA busy_timeout = {int(BUSY_SECONDS * 1000)}")
