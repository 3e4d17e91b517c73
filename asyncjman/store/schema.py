"""Whether a database has the tables, indexes and triggers that asyncjman makes, and nothing else.

A trigger or a view that others put in would be carried out with our own statements.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path

from asyncjman.errors import DatabaseProblem
from asyncjman.store.migrate import migrate

_OBJECTS = "SELECT type, name, sql FROM sqlite_master"
LATEST = "bca5d20ff211d883262bd6ffdf777a205d3d256ebdfa2e9f8c7d025b9f2cfe4e"
"""The digest of the latest version: to make that version and compare takes ten times as long."""
_STATISTICS = "sqlite_stat"
"""So begin the names of the tables that ANALYZE makes; only SQLite writes them."""


Objects = dict[tuple[str, str], str | None]
"""SQL by type and name."""


def digest(objects: Objects) -> str:
    """Return a digest (SHA-256, hexadecimal) of a schema."""
    text = repr(sorted(objects.items())).encode("utf-8", "surrogatepass")
    # the first two, of Python 3.12 and 3.11, are what hashlib has without OpenSSL, which is slow to load
    for module in ("_sha2", "_sha256", "hashlib"):
        with suppress(ImportError):
            return str(import_module(module).sha256(text).hexdigest())
    raise AssertionError("hashlib is part of Python")


def verify(connection: sqlite3.Connection, path: Path, version: int) -> None:
    """Raise DatabaseProblem where the schema isn't the one of this version."""
    found = {
        (str(kind), str(name)): sql
        for kind, name, sql in connection.execute(_OBJECTS)
        if not (kind == "table" and str(name).startswith(_STATISTICS))
    }
    if digest(found) == LATEST:
        return
    wanted = _made_by_us(version)
    if found == wanted:
        return
    if unknown := found.keys() - wanted.keys():
        kind, name = min(unknown, key=lambda key: (key[1].startswith("sqlite_"), key))
        what = f"it has {'an' if kind == 'index' else 'a'} {kind} {name!r} that asyncjman did not make"
    elif missing := wanted.keys() - found.keys():
        kind, name = min(missing)
        what = f"its {kind} {name!r} is missing"
    else:
        kind, name = min(key for key, sql in wanted.items() if found[key] != sql)
        what = f"its {kind} {name!r} is not as asyncjman makes it"
    raise DatabaseProblem(
        f"the database {path} was changed by something else: {what}; "
        "restore it from a copy, or name another file with --database"
    )


@cache
def _made_by_us(version: int) -> Objects:
    """Return the SQL of all that a database of this version has, by type and name."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        migrate(connection, version)
        return {(kind, name): sql for kind, name, sql in connection.execute(_OBJECTS)}
    finally:
        connection.close()
