"""The processes that run local tasks of this database, so that what a killed one left is found."""

from __future__ import annotations

from dataclasses import dataclass

from asyncjman.store.database import Reader, Transaction
from asyncjman.store.jobs import REVISION
from asyncjman.store.rows import TASK_COLUMNS
from asyncjman.store.tasks import UNCLAIMED


@dataclass(frozen=True, slots=True)
class Runner:
    """``process_started`` tells it from a later process with the same pid: in seconds since the start of
    the machine that ``boot`` names, which no change of the clock moves; without a name, since 1970.
    """

    id: int
    token: str
    host: str
    pid: int
    process_started: float
    started_at: float
    boot: str | None


@dataclass(frozen=True, slots=True)
class Held:
    """A task that a runner had taken up."""

    job_id: int
    task_id: int
    executing: bool
    pid: int | None
    started_at: float | None


async def insert(
    tx: Transaction,
    *,
    token: str,
    host: str,
    pid: int,
    process_started: float,
    now: float,
    boot: str | None = None,
) -> int:
    return await tx.execute(
        "INSERT INTO runner (token, host, pid, process_started, started_at, boot) VALUES (?, ?, ?, ?, ?, ?)",
        (token, host, pid, process_started, now, boot),
    )


async def select(source: Reader | Transaction) -> list[Runner]:
    rows = await source.fetch("SELECT id, token, host, pid, process_started, started_at, boot FROM runner")
    return [Runner(*row) for row in rows]


async def delete(tx: Transaction, runner_id: int) -> None:
    await tx.execute("DELETE FROM runner WHERE id = ?", (runner_id,))


async def held(source: Reader | Transaction, runner_id: int) -> list[Held]:
    """Return what a runner had taken up and did not end."""
    rows = await source.fetch(
        "SELECT job_id, task_id, status = 'executing', pid, started_at FROM task "
        "WHERE runner = ? AND finished_at IS NULL AND status IN ('queued', 'executing')",
        (runner_id,),
    )
    return [Held(row[0], row[1], bool(row[2]), row[3], row[4]) for row in rows]


async def give_back(tx: Transaction, runner_id: int, reason: str, now: float) -> list[int]:
    """Have others take up what a dead runner held; attempts that had started are kept as failed.

    Returns the jobs that it held tasks of: some may have ended by this.
    """
    held_rows = "runner = ? AND finished_at IS NULL AND status IN ('queued', 'executing')"
    columns = TASK_COLUMNS.replace("status", "'failure'", 1).replace("reason", "?", 1)
    columns = columns.replace("finished_at", "?", 1)
    touched = await tx.fetch(f"SELECT DISTINCT job_id FROM task WHERE {held_rows}", (runner_id,))
    await tx.execute(
        "UPDATE task SET status = 'stopped', reason = 'stopped', finished_at = ?, stop = NULL, runner = NULL "
        f"WHERE {held_rows} AND stop = 1",
        (now, runner_id),
    )
    await tx.execute(
        f"INSERT OR REPLACE INTO attempt ({TASK_COLUMNS}) SELECT {columns} FROM task "
        f"WHERE {held_rows} AND started_at IS NOT NULL",
        (reason, now, runner_id),
    )
    await tx.execute(
        f"UPDATE job SET revision = {REVISION} "
        f"WHERE id IN (SELECT DISTINCT job_id FROM task WHERE {held_rows})",
        (runner_id,),
    )
    await tx.execute(
        f"UPDATE task SET status = {UNCLAIMED}, attempt = attempt + (started_at IS NOT NULL), runner = NULL, "
        f"pid = NULL, stop = NULL, host = NULL, started_at = NULL WHERE {held_rows}",
        (runner_id,),
    )
    return [row[0] for row in touched]
