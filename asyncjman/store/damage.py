"""Whether a database file is damaged: asked when something went wrong that nobody foresaw."""

from __future__ import annotations

from asyncjman.errors import DatabaseProblem
from asyncjman.model.selection import Selection
from asyncjman.store import jobs, tasks
from asyncjman.store.database import Reader

_LATEST = 1e11
"""No time is after this, in seconds since 1970."""
_TYPES = {
    "INTEGER": "('integer', 'null')",
    "REAL": "('real', 'integer', 'null')",
    "TEXT": "('text', 'blob', 'null')",  # texts that are no UTF-8 are blobs
}


async def is_damaged(database: Reader) -> bool:
    """Tell whether the file breaks SQLite's rules, or its rows break ours; reads all of it."""
    try:
        if await database.fetch("PRAGMA integrity_check(1)") != [("ok",)]:
            return True
        if await database.fetch("PRAGMA foreign_key_check"):
            return True
        if len(await database.fetch("SELECT revision FROM clock")) != 1:
            return True
        if await _has_odd_values(database):
            return True
        async for job in jobs.select(database, Selection()):
            async for _ in tasks.select(database, job.id):
                pass
    except DatabaseProblem:
        return True
    return False


async def _has_odd_values(database: Reader) -> bool:
    """Tell whether a column holds values of another type, or a time that can't be."""
    columns = await database.fetch(
        "SELECT one.name, its.name, its.type FROM sqlite_master AS one "
        "JOIN pragma_table_info(one.name) AS its WHERE one.type = 'table' AND one.name NOT LIKE 'sqlite%'"
    )
    for table, column, kind in columns:
        if kind not in _TYPES:
            return True
        name = _quoted(column)
        odd = f"typeof({name}) NOT IN {_TYPES[kind]}"
        if column.endswith(("_at", "_since", "_seen", "_started")):
            odd += f" OR {name} NOT BETWEEN 0 AND {_LATEST}"
        if await database.fetch(f"SELECT 1 FROM {_quoted(table)} WHERE {odd} LIMIT 1"):
            return True
    return False


def _quoted(name: str) -> str:
    """Return a name from the file as SQL takes it for nothing else."""
    return '"' + name.replace('"', '""') + '"'
