"""A cluster that does wrong, without a cluster: its commands are programs of ours (``cell``).

What can be made to happen on a real cell is in ``tests/cli/sge/test_faults.py``.
"""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest

from asyncjman.engines.cluster import process as command
from asyncjman.engines.cluster.engine import ClusterEngine
from tests.cli.tools import Jman
from tests.faults.cell import Cell
from tests.faults.tools import LONG, SEED, Figures, trials

COMMANDS = ["qsub", "qstat", "qdel", "qacct"]
FAULTS = ["nothing", *(["killed", "third", "hang", "chatty", "away", "cut"] if LONG else [])]


def spool(jman: Jman) -> Path:
    """Return the record folder of the only job."""
    return next(one for one in Path(f"{jman.database}.spool").iterdir() if one.is_dir())


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_command_that_does_wrong(
    jman: Jman, cell: Cell, monkeypatch: pytest.MonkeyPatch, name: str, fault: str
) -> None:
    """All the commands of a user's day: no traceback, no wrong success, each job on the cluster once."""
    if not LONG:
        monkeypatch.setattr("asyncjman.scheduler.cancelling.WAIT_SECONDS", 2.0)
    cell.let(name, fault, 0.5)
    jman("submit", "--", "sh", "-c", "echo x >> ran; exit 3", code=None)
    for words in (["list"], ["why"], ["report"]):
        jman(*words, code=None)
    if jman.list():
        assert jman.status()[1] != "success"
    jman("stop", code=None)
    assert jman.status().get(1) != "success"
    cell.let(name)
    if jman.list():
        jman("resubmit", "--also-success", code=None)
        jman("list")
        jman("list")
        (native_id,) = cell.listed()
        cell.run(native_id)
        jman("wait", "--timeout", "20", code=1)
        assert jman.job()["exit_status"] == 3
        assert (jman.folder / "ran").read_text() == "x\n"
        jman("delete")
    assert cell.listed() == []


@pytest.mark.beside
@pytest.mark.skipif(not LONG, reason="takes minutes: make torture")
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_takes_25_seconds(
    jman: Jman, cell: Cell, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Less than the limit of 30 seconds; one that takes longer counts as one that hangs."""
    monkeypatch.setattr(command, "TIMEOUT_SECONDS", 30.0)
    cell.let(name, "slow", 25)
    jman("submit", "--", "sh", "-c", "exit 3")
    if name != "qdel":
        cell.run(1, record=name != "qacct")
        jman("wait", "--timeout", "200", code=0 if name == "qacct" else 1)
    jman("delete")
    assert cell.listed() == []


@pytest.mark.parametrize("accounting", ["gone", "rotated", "empty", "of others", "garbage"])
def test_accounting_that_says_nothing_of_a_job(jman: Jman, cell: Cell, accounting: str) -> None:
    """A job that left the queue without a record is not a success, whatever is left of the accounting."""
    jman("submit", "--", "true")
    cell.run(1, record=False)
    text = cell.accounting.read_bytes()
    cell.accounting.unlink()
    if accounting == "rotated":
        (cell.folder / "accounting.0").write_bytes(text)
    elif accounting == "empty":
        cell.accounting.touch()
    elif accounting == "of others":
        cell.account(1, "another", 0)
        cell.account(1, name_in(text), 0, owner="somebody")
    elif accounting == "garbage":
        cell.accounting.write_bytes(b"\xff\0=====" * 500)
    jman("wait", "--timeout", "20", code=1)
    assert jman.job()["status"] == "failure"
    assert jman.job()["reason"].startswith("vanished")
    jman("list")


def name_in(text: bytes) -> str:
    return next(line.split()[1] for line in text.decode().splitlines() if line.startswith("jobname"))


def test_numbers_that_the_cluster_uses_again(jman: Jman, cell: Cell) -> None:
    """After its counter was reset a number may be another job's: neither believed nor deleted."""
    jman("submit", "-n", "first", "--", "true")
    cell.drop(1)  # lost, without a word in accounting
    cell.set_counter(0)
    assert cell.add("somebody_elses") == 1
    cell.start(1)
    cell.account(1, "somebody_elses", 0)
    jman("list")
    jman("wait", "--timeout", "20", code=1)
    assert jman.job()["reason"].startswith("vanished")
    jman("submit", "-n", "second", "--", "true")
    jman("resubmit", 1)
    jman("stop", 1)
    jman("delete", 1)
    assert 1 in cell.listed(), "another job's number was given to qdel"
    native_id = jman.job(2)["grid_id"]
    cell.run(native_id)
    jman("wait", "--timeout", "20")
    assert jman.status() == {2: "success"}


def test_a_number_used_again_before_anybody_looked_is_not_deleted(jman: Jman, cell: Cell) -> None:
    jman("submit", "--", "true")
    cell.drop(1)
    cell.set_counter(0)
    cell.add("somebody_elses")
    jman("stop", code=None)
    assert cell.listed() == [1]
    assert jman.status()[1] != "success"


@pytest.mark.beside
def test_records_that_are_damaged(jman: Jman, cell: Cell, figures: Figures) -> None:
    """Cut, garbled or empty records of a task that failed: in the end a failure, never a success."""
    chance = random.Random(SEED)
    count = trials(4, 200)
    kept = 0
    for _ in range(count):
        jman("submit", "--", "sh", "-c", "exit 3")
        (native_id,) = cell.listed()
        cell.run(native_id)
        cell.accounting.unlink()
        for path in sorted(spool(jman).rglob("*.0")):
            path.write_bytes(damaged(path.read_bytes(), chance))
        jman("list", "-a")
        jman("wait", "--timeout", "20", code=1)
        job = jman.job(max(jman.status()))
        assert job["status"] == "failure", job
        kept += job["exit_status"] == 3
        jman("delete")
    figures(f"damaged records: {count} trials, {kept} read, 0 tracebacks, 0 wrong successes (seed {SEED})")


def damaged(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data))
    garbage = chance.randbytes(chance.choice([1, 5, 300]))
    return chance.choice([data[:at], b"", data[:at] + garbage, garbage, garbage + data, data[:at] * 2])


@pytest.mark.beside
def test_answers_that_are_damaged(jman: Jman, cell: Cell, figures: Figures) -> None:
    """Whatever part of qstat's answer comes: a job in the queue is neither ended nor lost."""
    chance = random.Random(SEED)
    count = trials(5, 100)
    refused = 0
    jman("submit", "-t", "1-5", "--", "true")
    jman("submit", "--", "true")
    cell.start(1)
    for _ in range(count):
        cell.let("qstat", "cut", chance.random())
        refused += "qstat" in jman("list").err
        assert {status for status in jman.status().values()} <= {"queued", "executing", "submitted"}
    figures(
        f"cut answers of qstat: {count} trials, {refused} refused, 0 jobs lost, 0 wrong ends (seed {SEED})"
    )


def test_records_that_come_late(jman: Jman, cell: Cell) -> None:
    """A spool on a network file system shows a record only after the job left the queue: it is waited for."""
    jman.variables["JMAN_VANISH_GRACE"] = "600"
    jman("submit", "--", "sh", "-c", "exit 3")
    cell.run(1)
    cell.accounting.unlink()
    folder = spool(jman)
    hidden = folder.rename(folder.with_name("hidden"))
    for _ in range(3):
        jman("list")
        assert jman.status()[1] not in ("success", "failure", "stopped")
    hidden.rename(folder)
    jman("wait", "--timeout", "20", code=1)
    assert jman.job()["exit_status"] == 3


def test_what_another_process_stored_meanwhile_is_kept(
    jman: Jman, cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look at the cluster that takes long has seen a task run that another one has seen end."""
    jman("submit", "--", "true")
    cell.start(1)
    conclude = ClusterEngine.poll
    others: list[str] = []

    async def conclude_slowly(*args: Any) -> Any:
        found = await conclude(*args)
        if not others:
            others.append("")
            await asyncio.to_thread(cell.run, 1)
            others[0] = (await asyncio.to_thread(jman.fresh, "list", "--json")).out
        return found

    monkeypatch.setattr(ClusterEngine, "poll", conclude_slowly)
    jman("list")
    assert json.loads(others[0])[0]["status"] == "success"
    assert jman.status() == {1: "success"}
