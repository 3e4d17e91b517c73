"""What failed attempts left: their signatures, and the end of what they wrote to standard error."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from asyncjman.model.failure import KEPT_BYTES, Cause
from asyncjman.model.job import Task
from asyncjman.model.status import Status
from asyncjman.store.database import Reader, Transaction
from asyncjman.store.texts import text, untext

if TYPE_CHECKING:
    from asyncjman.model.signature import Signature


class FailedTask(NamedTuple):
    """A task whose latest attempt failed; ``signature``: None where an earlier asyncjman stored none."""

    job_id: int
    task_id: int
    signature: Signature | None
    host: str | None
    attempt: int
    cause: str | None
    reason: str | None

    @property
    def known_cause(self) -> Cause:
        """Return its cause; EXIT where it is not known."""
        with suppress(ValueError):
            return Cause(self.cause or "")
        return Cause.EXIT


async def add(tx: Transaction, ended: Iterable[Task]) -> None:
    """Store what is kept of those of the attempts that failed; what was kept of them before is replaced."""
    failed = [one for one in ended if one.status is Status.FAILURE]
    if not failed:
        return
    import zlib

    from asyncjman.model.signature import signature_of

    signatures = [signature_of(one.cause or Cause.EXIT, one.reason, one.errors) for one in failed]
    ids = await _ids(tx, set(signatures))
    keys = [(one.job_id, one.task_id, one.attempt) for one in failed]
    await tx.execute_many("DELETE FROM failure WHERE job_id = ? AND task_id = ? AND attempt = ?", keys)
    await tx.execute_many(
        "INSERT INTO failure (job_id, task_id, attempt, signature, errors, drift) "
        "SELECT ?, ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM job WHERE id = ?)",
        [
            (
                *key,
                ids[signature],
                zlib.compress(one.errors[-KEPT_BYTES:], 1) if one.errors else None,
                text(one.drift or None),
                key[0],
            )
            for key, signature, one in zip(keys, signatures, failed, strict=True)
        ],
    )


async def _ids(tx: Transaction, signatures: Iterable[Signature]) -> dict[Signature, int]:
    """Return the rows of signatures, made where they are not there."""
    found: dict[Signature, int] = {}
    for one in signatures:
        await tx.execute(
            "INSERT OR IGNORE INTO signature (name, cause, text) VALUES (?, ?, ?)",
            (one.id, one.cause, one.text),
        )
        rows = await tx.fetch("SELECT id FROM signature WHERE cause = ? AND text = ?", (one.cause, one.text))
        found[one] = rows[0][0]
    return found


async def failed_tasks(database: Reader, job_ids: Sequence[int] | None) -> AsyncIterator[FailedTask]:
    """Yield the tasks whose latest attempt failed, of these jobs (None: of all), in order."""
    from asyncjman.model.signature import Signature

    of_jobs = "" if job_ids is None else "AND task.job_id IN (SELECT value FROM json_each(?)) "
    known: dict[int, Signature] = {}
    for number, cause, words in await database.fetch("SELECT id, cause, text FROM signature"):
        with suppress(ValueError):
            known[number] = Signature(Cause(cause), words)
    async for row in database.stream(
        "SELECT task.job_id, task.task_id, failure.signature, task.host, task.attempt, task.cause, "
        "task.reason FROM task LEFT JOIN failure ON failure.job_id = task.job_id "
        "AND failure.task_id = task.task_id "
        f"AND failure.attempt = task.attempt WHERE task.status = 'failure' {of_jobs}"
        "ORDER BY task.job_id, task.task_id",
        () if job_ids is None else (json.dumps(list(job_ids)),),
    ):
        yield FailedTask(row[0], row[1], known.get(row[2]), *row[3:])


async def errors_of(database: Reader, job_id: int, task_id: int, attempt: int) -> bytes:
    """Return the end of what an attempt that failed wrote to standard error; nothing where none was kept."""
    import zlib

    rows = await database.fetch(
        "SELECT errors FROM failure WHERE job_id = ? AND task_id = ? AND attempt = ?",
        (job_id, task_id, attempt),
    )
    try:
        return zlib.decompress(rows[0][0]) if rows and rows[0][0] else b""
    except (zlib.error, TypeError):
        return b""  # a damaged value says nothing


async def signature_text(database: Reader, job_id: int, task_id: int, attempt: int) -> str:
    """Return the signature of an attempt that failed, as text; "" where none was stored."""
    rows = await database.fetch(
        "SELECT signature.text FROM failure JOIN signature ON signature.id = failure.signature "
        "WHERE failure.job_id = ? AND failure.task_id = ? AND failure.attempt = ?",
        (job_id, task_id, attempt),
    )
    return rows[0][0] if rows else ""


async def drift_of(database: Reader, job_id: int, task_id: int, attempt: int) -> str:
    """Return what was different where an attempt failed from where it was submitted; "" where nothing was."""
    rows = await database.fetch(
        "SELECT drift FROM failure WHERE job_id = ? AND task_id = ? AND attempt = ?",
        (job_id, task_id, attempt),
    )
    return (untext(rows[0][0]) or "") if rows else ""
