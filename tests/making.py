"""Jobs to try things on."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from hypothesis import strategies as st

from asyncjman.api.manager import JobManager
from asyncjman.api.submission import store
from asyncjman.model.array import ArraySpec
from asyncjman.model.graph import Dependency, Kind
from asyncjman.model.job import Job, JobSpec
from asyncjman.model.status import Status
from asyncjman.store import intents, jobs, runners
from asyncjman.store.database import Database
from asyncjman.store.migrate import migrate


def spec_of(array: str | None = None, *after: int, kind: Kind = Kind.ANY, name: str = "job") -> JobSpec:
    """Return a spec: an array or not, after other jobs or not."""
    return JobSpec(
        command=("true",),
        name=name,
        exec_dir="/",
        array=ArraySpec.parse(array) if array else None,
        dependencies=tuple(Dependency(one, kind) for one in after),
    )


async def add_jobs(database: Database, *specs: JobSpec) -> list[int]:
    """Store jobs; return their ids."""
    async with database.transaction() as tx:
        return [await jobs.insert(tx, one, 1000.0) for one in specs]


async def stored(manager: JobManager, spec: JobSpec) -> Job:
    """Store a job as ``jman submit`` does, whatever can be wrong with it looked for; return it."""
    found: list[Job] = []
    await store(manager.session.writer(), spec, found.extend)
    return found[0]


async def launched(
    database: Database, job_id: int, token: str, status: Status, native_id: str | None
) -> None:
    """Store that a cluster has a job as ``native_id``; None: the intent alone."""
    async with database.transaction() as tx:
        intent = await intents.insert(
            tx, job_id=job_id, engine="sge", token=token, now=1.0, host="here", pid=1, task_map=[]
        )
        assert intent is not None
        if native_id is not None:
            await intents.sent(tx, intent, native_id, status)


async def add_runner(database: Database, token: str = "token") -> int:
    async with database.transaction() as tx:
        return await runners.insert(tx, token=token, host="here", pid=1, process_started=1.0, now=2.0)


_TABLES = {"tally": "status_count", "gone": "deleted_job", "clock": "meta"}
_COLUMNS = {
    "rest": "default_status",
    "executor": "engine",
    "grid_id": "native_id",
    "mapped": "task_map",
    "note": "engine_state",
}
"""Names in earlier versions of the schema, and what they are now."""


def make_older(path: Path, version: int) -> None:
    """Have a database be one of an earlier version of the schema, with the same jobs."""
    with closing(sqlite3.connect(path, isolation_level=None)) as now:
        now.execute("PRAGMA journal_mode = DELETE")
    older = path.with_name(f"{path.name}.older")
    with closing(sqlite3.connect(older, isolation_level=None)) as made:
        made.execute("BEGIN")
        migrate(made, version)
        made.execute("COMMIT")
        made.execute("ATTACH ? AS now", (str(path),))
        tables = [
            name
            for (name,) in made.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'")
            if not name.startswith("sqlite_")
        ]
        # last, for triggers count in it meanwhile
        for table in sorted(tables, key=lambda name: name == "tally"):
            source = _TABLES.get(table, table)
            there = {row[1] for row in made.execute(f"PRAGMA now.table_info({source})")}
            columns = {
                row[1]: _COLUMNS.get(row[1], row[1])
                for row in made.execute(f"PRAGMA main.table_info({table})")
            }
            both = {old: now for old, now in columns.items() if now in there}
            made.execute(f"DELETE FROM main.{table}")
            made.execute(
                f"INSERT INTO main.{table} ({', '.join(both)}) "
                f"SELECT {', '.join(both.values())} FROM now.{source}"
            )
    older.replace(path)


FILE_NAMES = st.binary(max_size=20).map(lambda some: os.fsdecode(some.replace(b"\0", b"")))
"""What the kernel takes for a file name or an argument, as Python shows it: surrogates and all."""
ALL_BYTES = os.fsdecode(bytes(range(1, 256)))
HOSTILE_WORDS = (
    *("", " ", "a b", "\n", "a\nb\n", "a,b", "'", '"', "\\", "\\n", "*", "$HOME", "`id`"),
    *("-n", "-q", "--help", "#$ -q x", "é", "\U0001f600", "\udcff\udc80", ALL_BYTES),
)
"""Arguments that something on the way to a command may take for its own."""
HOSTILE = FILE_NAMES | st.sampled_from(HOSTILE_WORDS)
