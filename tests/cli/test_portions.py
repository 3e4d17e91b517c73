"""Commands on more jobs than one transaction changes: stop, delete, resubmit."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from asyncjman.errors import DatabaseProblem
from asyncjman.scheduler import portions
from asyncjman.store.database import Database
from tests.cli.tools import Jman


@pytest.fixture(autouse=True)
def _two_jobs_a_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portions, "JOBS", 2)


@pytest.fixture
def states_between(jman: Jman, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[int, str]]]:
    """Collects how the jobs stand for others after each transaction that changed something."""
    seen: list[dict[int, str]] = []
    commit = Database._commit

    async def commit_and_look(self: Database, *args: Any, **options: Any) -> None:
        await commit(self, *args, **options)
        rows = await self._connection.execute_fetchall(
            "SELECT job.id, coalesce(task.status, default_status) FROM job LEFT JOIN task ON job_id = job.id"
        )
        seen.append({job_id: status for job_id, status in rows})

    monkeypatch.setattr(Database, "_commit", commit_and_look)
    yield seen


def test_stop_of_a_chain_has_nothing_ready_in_between(
    jman: Jman, states_between: list[dict[int, str]]
) -> None:
    jman.submit("--repeat", "5", "true")
    states_between.clear()
    done = jman("stop")
    assert _told(done.out) == [1, 2, 3, 4, 5]
    assert len(states_between) == 3
    for states in states_between:
        ready = [one for one, status in states.items() if status == "submitted"]
        assert ready in ([1], [])  # it waits for nothing
    assert set(jman.status().values()) == {"stopped"}


@pytest.mark.parametrize("command", ["stop", "resubmit", "delete"])
def test_others_get_a_turn_between_two_transactions(
    jman: Jman, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        jman.submit("true")
    turns = []
    sleep = asyncio.sleep

    async def sleep_and_write(seconds: float) -> None:
        await sleep(seconds)
        if seconds == portions.PAUSE_SECONDS:
            with closing(sqlite3.connect(jman.database, timeout=0, isolation_level=None)) as connection:
                connection.execute("BEGIN IMMEDIATE")
                turns.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep_and_write)
    jman(command)
    assert len(turns) == 2


def test_delete_of_a_chain_has_nothing_ready_in_between(
    jman: Jman, states_between: list[dict[int, str]]
) -> None:
    jman.submit("--repeat", "5", "true")
    jman.submit("--after-any", "5", "true")
    states_between.clear()
    done = jman("delete", "1-5")
    assert "job 6 waited for it, and may run now" in done.out
    assert {1: "submitted", 2: "waiting", 6: "submitted"} in states_between
    for states in states_between:
        assert {one for one, status in states.items() if status == "submitted"} <= {1, 6}
    assert jman.status() == {6: "submitted"}


def test_resubmit_has_what_waits_wait(jman: Jman, states_between: list[dict[int, str]]) -> None:
    for _ in range(3):
        jman.submit("false")
    jman.submit("--after-ok", "1", "--after-ok", "3", "true")
    jman.submit("--after-any", "2", "false")
    jman("execute", code=1)
    assert jman.status() == {1: "failure", 2: "failure", 3: "failure", 4: "skipped", 5: "failure"}
    states_between.clear()
    done = jman("resubmit")
    assert sorted(_told(done.out)) == [1, 2, 3, 4, 5]
    assert done.err == ""
    assert len(states_between) == 3
    for states in states_between:
        assert states[4] in ("skipped", "waiting")
        assert states[5] in ("failure", "waiting")
    submitted = {1: "submitted", 2: "submitted", 3: "submitted"}
    assert jman.status() == {**submitted, 4: "waiting", 5: "waiting"}


def test_resubmit_refuses_before_it_changes_anything(jman: Jman) -> None:
    for _ in range(3):
        jman.submit("false")
    jman("execute", code=1)
    done = jman("resubmit", "-o", "true", code=2)
    assert done.out == ""
    assert set(jman.status().values()) == {"failure"}


@pytest.mark.parametrize("command", ["stop", "delete", "resubmit"])
def test_what_was_killed_in_the_middle_goes_on(
    jman: Jman, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        jman.submit("-l", "logs", "false")
    if command == "resubmit":
        jman("execute", code=1)
    before = jman.status()
    with monkeypatch.context() as patch:
        patch.setattr(Database, "_commit", _failing_at(3 if command == "stop" else 4))
        jman(command, code=None)
    between = jman.status()
    assert between != before
    assert {one: status for one, status in between.items() if status != before[one]} != dict(before)
    jman(command)
    after = {"stop": dict.fromkeys(before, "stopped"), "resubmit": dict.fromkeys(before, "submitted")}
    if command == "delete":
        assert not jman.database.exists()
    else:
        assert jman.status() == after[command]


def _told(output: str) -> list[int]:
    """Return the first number in each line: the job's id."""
    return [int(found[0]) for line in output.splitlines() if (found := re.search(r"\d+", line))]


def _failing_at(number: int) -> Any:
    """Return a commit that fails when it is called for so many times."""
    commit = Database._commit
    calls = iter(range(1, number + 100))

    async def commit_or_fail(self: Database, *args: Any, **options: Any) -> None:
        if next(calls) >= number:
            raise DatabaseProblem("the machine is gone")
        await commit(self, *args, **options)

    return commit_or_fail
