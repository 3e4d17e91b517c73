"""The schema: made by ``sql/initial.sql``, its version is ``PRAGMA user_version``.

Databases of earlier versions are brought to the last one of those first (``sql/earlier``), and copied into
the present tables then. A later version comes as ``sql/NNNN_name.sql``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from functools import cache
from pathlib import Path

APPLICATION_ID = 0x6A6D616E  # "jman"
INITIAL = 11
"""The version of ``sql/initial.sql``."""
_SQL = Path(__file__).parent / "sql"
_COPIED = (
    "job",
    "dependency",
    "runner",
    "task",
    "attempt",
    "submission",
    "removal",
    "home",
    "clock",
    "gone",
    "sqlite_sequence",
)
_CHECKS = "_refused"
"""So end the names of the triggers that refuse what makes no sense: what is there already stays."""


@cache
def earlier() -> dict[int, str]:
    """Return the SQL that leads to each version before the initial one, by its number, in order."""
    return _numbered(_SQL / "earlier")


@cache
def later() -> dict[int, str]:
    """Return the SQL that leads to each version after the initial one, by its number, in order."""
    return _numbered(_SQL)


def latest_version() -> int:
    """Return the schema version that this asyncjman writes."""
    return max(map(_number, _numbered_files(_SQL)), default=INITIAL)


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
    wanted = latest_version() if latest is None else latest
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version or wanted < INITIAL:
        version = _apply(connection, version, {n: sql for n, sql in earlier().items() if n <= wanted})
    if version < INITIAL <= wanted:
        if version:
            _rebuild(connection)
        else:
            _run(connection, list(statements((_SQL / "initial.sql").read_text("utf-8"))))
        version = INITIAL
    version = _apply(connection, version, {n: sql for n, sql in later().items() if n <= wanted})
    connection.execute(f"PRAGMA user_version = {version}")
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def _numbered(folder: Path) -> dict[int, str]:
    return {_number(file): file.read_text("utf-8") for file in sorted(_numbered_files(folder))}


def _numbered_files(folder: Path) -> list[Path]:
    return [file for file in folder.iterdir() if file.suffix == ".sql" and file.name[0].isdigit()]


def _number(file: Path) -> int:
    return int(file.name.partition("_")[0])


def _apply(connection: sqlite3.Connection, version: int, scripts: dict[int, str]) -> int:
    """Run the scripts of later versions; return the last one's number."""
    for number, sql in scripts.items():
        if version < number:
            _run(connection, statements(sql))
            version = number
    return version


def _run(connection: sqlite3.Connection, statements: Iterator[str] | list[str]) -> None:
    for statement in statements:
        connection.execute(statement)


def _rebuild(connection: sqlite3.Connection) -> None:
    """Put the rows of the last of the earlier versions into the tables of the initial one."""
    for table in _COPIED:
        connection.execute(f"CREATE TEMP TABLE old_{table} AS SELECT * FROM main.{table}")
    # what refers to others goes first
    kinds = "CASE type WHEN 'trigger' THEN 0 WHEN 'view' THEN 1 ELSE 2 END"
    for kind, name in connection.execute(
        "SELECT type, name FROM main.sqlite_master WHERE type IN ('trigger', 'view', 'table') "
        f"AND name NOT LIKE 'sqlite%' ORDER BY {kinds}, name = 'job'"
    ).fetchall():
        connection.execute(f'DROP {kind} main."{name}"')
    present = list(statements((_SQL / "initial.sql").read_text("utf-8")))
    checks = [one for one in present if _makes_check(one)]
    _run(connection, [one for one in present if one not in checks])
    _run(connection, statements((_SQL / "earlier" / "copy.sql").read_text("utf-8")))
    _run(connection, checks)
    for table in _COPIED:
        connection.execute(f"DROP TABLE temp.old_{table}")


def _makes_check(statement: str) -> bool:
    return any(
        line.startswith("CREATE TRIGGER ") and line.split()[2].endswith(_CHECKS)
        for line in statement.splitlines()
    )
