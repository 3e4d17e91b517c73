"""Whether a database file is damaged: asked when something unforeseen went wrong."""

from __future__ import annotations

from asyncjman.errors import DamagedDatabase, DatabaseProblem, UnreadableJob
from asyncjman.model.selection import Selection
from asyncjman.store import jobs, tasks
from asyncjman.store.database import Reader

_LATEST = 1e11
"""No time is after this, in seconds since 1970."""
_TYPES = {
    "INTEGER": "('integer', 'null')",
    "REAL": "('real', 'integer', 'null')",
    "TEXT": "('text', 'blob', 'null')",  # texts that are not UTF-8 are blobs
    "BLOB": "('blob', 'null')",
}


async def find_damage(database: Reader) -> DamagedDatabase | None:
    """Return how the file breaks SQLite's rules, or its rows break ours; None where they don't.

    Reads all of it.
    """
    try:
        if await database.fetch("PRAGMA integrity_check(1)") != [("ok",)]:
            return DamagedDatabase()
        if await database.fetch("PRAGMA foreign_key_check"):
            return DamagedDatabase()
        if len(await database.fetch("SELECT revision FROM meta")) != 1:
            return DamagedDatabase()
        for view in ("invalid_job", "invalid_state"):
            for job_id, what in await database.fetch(
                f"SELECT job_id, what FROM {view} WHERE what IS NOT NULL LIMIT 1"
            ):
                return UnreadableJob(f"{what} makes no sense", job_id, spec=view == "invalid_job")
        await _check_types(database)
        async for job in jobs.select(database, Selection()):
            async for _ in tasks.select(database, job.id):
                pass
    except DamagedDatabase as error:
        return error
    except DatabaseProblem:
        return DamagedDatabase()
    return None


async def _check_types(database: Reader) -> None:
    """Raise DamagedDatabase where a column holds values of another type, or a time that can't be."""
    columns = await database.fetch(
        "SELECT one.name, its.name, its.type FROM sqlite_master AS one "
        "JOIN pragma_table_info(one.name) AS its WHERE one.type = 'table' AND one.name NOT LIKE 'sqlite%'"
    )
    with_job = {table: column for table, column, _ in columns if column == "job_id"} | {"job": "id"}
    for table, column, kind in columns:
        if kind not in _TYPES:
            raise DamagedDatabase
        name = _quoted(column)
        invalid = f"typeof({name}) NOT IN {_TYPES[kind]}"
        if column.endswith(("_at", "_since", "_contact", "_started")):
            invalid += f" OR {name} NOT BETWEEN 0 AND {_LATEST}"
        job_id = _quoted(with_job[table]) if table in with_job else "NULL"
        for found in await database.fetch(f"SELECT {job_id} FROM {_quoted(table)} WHERE {invalid} LIMIT 1"):
            number = found[0] if isinstance(found[0], int) else None
            raise UnreadableJob(f"{column} in {table} makes no sense", number)


def _quoted(name: str) -> str:
    """Return a name from the file as SQL takes it for nothing else."""
    return '"' + name.replace('"', '""') + '"'
