"""The schema: numbered SQL files, the number of the last one applied is ``PRAGMA user_version``."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from functools import cache
from pathlib import Path

APPLICATION_ID = 0x6A6D616E  # "jman"


@cache
def migrations() -> dict[int, str]:
    """Return the SQL of each migration by its number, in order."""
    files = sorted((Path(__file__).parent / "migrations").glob("*.sql"))
    return {int(file.name.split("_")[0]): file.read_text("utf-8") for file in files}


def latest_version() -> int:
    """Return the schema version that this asyncjman writes."""
    return max(migrations())


def statements(sql: str) -> Iterator[str]:
    """Split a script into statements; one that holds semicolons (a trigger) stays whole."""
    pending = ""
    for line in sql.splitlines(keepends=True):
        pending += line
        if line.rstrip().endswith(";") and sqlite3.complete_statement(pending):
            yield pending
            pending = ""


def migrate(connection: sqlite3.Connection, latest: int | None = None) -> None:
    """Bring the schema to the latest version, or to an earlier one, inside the caller's transaction."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    for number, sql in migrations().items():
        if version < number <= (latest_version() if latest is None else latest):
            for statement in statements(sql):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
