"""The hot path reads no more for more tasks."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from asyncjman.model.status import Status
from asyncjman.store import claims, jobs, schedule, tasks, transitions
from asyncjman.store.database import Database, Transaction
from tests.store.test_transitions import ended


class _Spy:
    """Notes the SQL that a function sends."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.sent: list[tuple[str, tuple[object, ...]]] = []

    async def fetch(self, sql: str, parameters: object = ()) -> list[tuple[object, ...]]:
        assert isinstance(parameters, tuple | list)
        self.sent.append((sql, tuple(parameters)))
        return await self.database.fetch(sql, parameters) if sql.startswith("SELECT") else []

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[_Spy]:
        yield self

    async def execute(self, sql: str, parameters: object = ()) -> int:
        await self.fetch(sql, parameters)
        return 0

    async def execute_many(self, sql: str, rows: list[tuple[object, ...]]) -> None:
        for row in rows:
            await self.fetch(sql, row)

    async def plans(self) -> list[str]:
        assert self.sent
        return [
            f"{row[3]}   <-   {sql}"
            for sql, values in self.sent
            for row in await self.database.fetch(f"EXPLAIN QUERY PLAN {sql}", values)
        ]


async def test_no_query_of_the_hot_path_reads_all_tasks(database: Database) -> None:
    spy = _Spy(database)
    source: Database = spy  # type: ignore[assignment]
    tx: Transaction = spy  # type: ignore[assignment]
    await claims.claim(tx, 1, [(1, 1, "1-3")], [(1, 1, 2)])
    await tasks.held_counts(tx, [1])
    await claims.start(tx, 1, [(1.0, 1, "h", 1, 1, 1)])
    await claims.end(tx, 1, [ended(1, 1, Status.SUCCESS)])
    await claims.release(tx, 1, [(1, 1)], 1.0)
    await transitions.set_ready(tx, [1])
    await transitions.close_jobs(tx, [1], 1.0)
    await tasks.to_stop(source, 1)
    await tasks.resubmitted(source, 1, 0, 10)
    await tasks.held_jobs(source, [1])
    await transitions.ask_to_stop(tx, [1])
    await transitions.end_unstarted(tx, 1, Status.STOPPED, "x", 1.0)
    await jobs.changed_since(source, 5)
    await jobs.get(source, [1])
    await jobs.specs(source, [1])
    await schedule.summaries(source, [1])
    await schedule.dependencies(source, [1])
    plans = [plan for plan in await spy.plans() if not plan.startswith("SCAN one")]
    tables = ("task", "known", "failed", "attempt", "status_count", "dependency", "job", "gone")
    assert [plan for plan in plans if plan.startswith(tuple(f"SCAN {table} " for table in tables))] == []
    assert sum("SEARCH task" in plan for plan in plans) >= 8, json.dumps(plans)
