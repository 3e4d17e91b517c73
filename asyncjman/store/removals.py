"""Files that are to be removed: stored with what makes them so, and until they are removed."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from asyncjman.model.job import PLAIN_TASK
from asyncjman.model.selection import format_ids
from asyncjman.store.rows import token_of
from asyncjman.store.texts import text, untext

TYPE_CHECKING = False  # what waits is not loaded for it
if TYPE_CHECKING:
    from asyncjman.store.source import Source
    from asyncjman.store.transaction import Transaction

TASKS_A_ROW = 1000
"""So many tasks' logs are removed in one transaction."""
IN_USE = "SELECT (SELECT count(*) FROM job) + (SELECT count(*) FROM removal WHERE kind <> 'database')"
"""0 where the file may go."""


class Logs(NamedTuple):
    """Logs of some tasks of a job: of their attempt ``attempt`` and of all before."""

    id: int
    job_id: int
    exec_dir: str
    start: str
    """The beginning of their paths."""
    task_ids: tuple[int, ...]
    attempt: int
    with_folder: bool
    """Whether their folder goes where it is empty then."""


class Spool(NamedTuple):
    """The folder for the files of a job."""

    id: int
    job_id: int
    token: str


async def add_logs(
    tx: Transaction,
    job_id: int,
    exec_dir: str,
    start: str,
    latest: Iterable[tuple[int, int]],
) -> None:
    """Have the logs of (task id, number of its latest attempt) removed after this transaction."""
    by_attempt: dict[int, list[int]] = defaultdict(list)
    for task_id, attempt in latest:
        by_attempt[attempt].append(task_id)
    await tx.execute_many(
        "INSERT INTO removal (kind, job_id, exec_dir, log_start, tasks, attempt) "
        "VALUES ('logs', ?, ?, ?, ?, ?)",
        [
            (job_id, text(exec_dir), text(start), format_ids(some), attempt)
            for attempt, task_ids in by_attempt.items()
            for some in _pieces(task_ids)
        ],
    )


async def add_plain_logs(tx: Transaction, some: Sequence[tuple[int, str, str, int]]) -> None:
    """Have the logs of jobs with no array removed after this transaction.

    (job id, folder that it was to run in, beginning of the logs' paths, number of its latest attempt)
    """
    await tx.execute_many(
        "INSERT INTO removal (kind, job_id, exec_dir, log_start, tasks, attempt) "
        f"VALUES ('logs', ?, ?, ?, '{PLAIN_TASK}', ?)",
        [(job_id, text(exec_dir), text(start), attempt) for job_id, exec_dir, start, attempt in some],
    )


async def add_log_folder(tx: Transaction, job_id: int, exec_dir: str, start: str) -> None:
    """Have the folder of a job's logs removed after this transaction, where it is empty then."""
    await tx.execute(
        "INSERT INTO removal (kind, job_id, exec_dir, log_start, tasks, attempt, with_folder) "
        "VALUES ('logs', ?, ?, ?, '', 1, 1)",
        (job_id, text(exec_dir), text(start)),
    )


async def add_spool(tx: Transaction, job_id: int, token: str) -> None:
    """Have the folder for the files of a job removed after this transaction."""
    await tx.execute("INSERT INTO removal (kind, job_id, token) VALUES ('spool', ?, ?)", (job_id, token))


async def add_database(tx: Transaction, *, with_outputs: bool) -> None:
    """Have the file itself removed after this transaction, if there is no job by then.

    ``with_outputs``: the output of detached executes, too.
    """
    await tx.execute(
        "INSERT INTO removal (kind, job_id, with_folder) VALUES ('database', 0, ?)", (int(with_outputs),)
    )


async def are_files_pending(source: Source) -> bool:
    """Tell whether there is something besides the database that is to be removed."""
    return bool(await source.fetch("SELECT 1 FROM removal WHERE kind <> 'database' LIMIT 1"))


async def next_ones(source: Source) -> list[Logs | Spool]:
    """Return what is to be removed next: no more than goes into a transaction."""
    rows = await source.fetch(f"{_SELECT} WHERE kind <> 'database' ORDER BY id LIMIT {TASKS_A_ROW}")
    found: list[Logs | Spool] = []
    room = TASKS_A_ROW
    for row in rows:
        one = _of(row)
        room -= len(one.task_ids) if isinstance(one, Logs) else 1
        if found and room < 0:
            break
        found.append(one)
    return found


async def logs_of(source: Source, job_ids: Iterable[int]) -> list[Logs]:
    """Return which logs of some jobs are to be removed."""
    rows = await source.fetch(
        f"{_SELECT} WHERE kind = 'logs' AND job_id IN (SELECT value FROM json_each(?)) ORDER BY id",
        (json.dumps(list(job_ids)),),
    )
    return [one for row in rows if isinstance(one := _of(row), Logs)]


async def done(tx: Transaction, removed: Sequence[Logs | Spool]) -> None:
    """Forget what was removed."""
    await tx.execute_many("DELETE FROM removal WHERE id = ?", [(one.id,) for one in removed])


async def database_too(source: Source) -> bool:
    """Tell whether the file itself is to be removed."""
    return bool(await source.fetch("SELECT 1 FROM removal WHERE kind = 'database' LIMIT 1"))


async def outputs_too(source: Source) -> bool:
    """Tell whether the output of detached executes goes with the file itself."""
    rows = await source.fetch("SELECT 1 FROM removal WHERE kind = 'database' AND with_folder = 1 LIMIT 1")
    return bool(rows)


async def keep_database(tx: Transaction) -> None:
    """Say that the file itself stays: there are jobs in it again."""
    await tx.execute("DELETE FROM removal WHERE kind = 'database'")


_SELECT = "SELECT id, kind, job_id, exec_dir, log_start, tasks, attempt, with_folder, token FROM removal"


def _of(row: Sequence[object]) -> Logs | Spool:
    # a row has no types
    number, kind, job_id, exec_dir, start, tasks, attempt, with_folder, token = row
    if kind == "spool":
        return Spool(number, job_id, token_of(token))  # type: ignore[arg-type]
    from asyncjman.model.ids import parse_ids  # most commands find nothing to remove

    ids = tuple(task_id for one in parse_ids([tasks] if tasks else []) for task_id in one)  # type: ignore[list-item]
    return Logs(number, job_id, untext(exec_dir) or "", untext(start) or "", ids, attempt, bool(with_folder))  # type: ignore[arg-type]


def _pieces(task_ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for start in range(0, len(task_ids), TASKS_A_ROW):
        yield task_ids[start : start + TASKS_A_ROW]
