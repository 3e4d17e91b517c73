"""Faults that were found, each with the test that found it."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

import asyncjman
from asyncjman.engines.base import LaunchFailed, LaunchRequest, Ref, Why
from asyncjman.engines.local import LocalEngine
from asyncjman.errors import BadSelection, DatabaseProblem
from asyncjman.model.graph import Dependency, Kind
from asyncjman.model.ids import parse_ids
from asyncjman.model.job import JobSpec, Task
from asyncjman.model.status import Status
from asyncjman.scheduler.bus import Bus
from asyncjman.scheduler.recorder import Recorder
from asyncjman.scheduler.workload import Workload
from asyncjman.store import claims, jobs, runners
from asyncjman.store.database import Database
from asyncjman.store.schedule import JobSummary
from tests.making import add_jobs, add_runner, spec_of
from tests.test_layers import circle, imports

JMAN = [sys.executable, "-m", "asyncjman", "--local"]


def done(reason: str | None = None) -> Task:
    return Task(
        job_id=1,
        task_id=0,
        status=Status.SUCCESS,
        attempt=1,
        reason=reason,
        host="h",
        started_at=1.0,
        finished_at=2.0,
    )


def test_01_a_chain_of_slow_jobs_hangs(tmp_path: Path) -> None:
    for extra in ([], ["-x", "1"]):
        subprocess.run([*JMAN, "submit", *extra, "--", "sleep", "1"], cwd=tmp_path, check=True)
    assert subprocess.run([*JMAN, "execute"], cwd=tmp_path, timeout=12).returncode == 0


def test_02_a_skipped_job_that_stood_in_soon_hangs(tmp_path: Path) -> None:
    for extra in ([], ["--after-ok", "1"]):
        subprocess.run(
            [*JMAN, "submit", *extra, "--", "sh", "-c", "sleep 1; exit 1"], cwd=tmp_path, check=True
        )
    assert subprocess.run([*JMAN, "execute"], cwd=tmp_path, timeout=12).returncode == 1


async def test_03_a_cancelled_flush_forgets_its_batch(tmp_path: Path) -> None:
    db = await Database.open(tmp_path / "a", create=True)
    try:
        await add_jobs(db, spec_of())
        recorder = Recorder(db, Bus(), {}, lambda closed: None)
        runner = await add_runner(db)
        async with db.transaction() as tx:
            recorder.runner = await runners.get(tx, runner)
        await recorder.claim(runner, [(1, 0, None)], [], {})
        recorder.task_finished(done())
        with closing(sqlite3.connect(tmp_path / "a", isolation_level=None)) as holder:
            holder.execute("BEGIN IMMEDIATE")
            flush = asyncio.create_task(recorder.flush())
            await asyncio.wait([flush], timeout=0.05)
            flush.cancel()
            holder.execute("ROLLBACK")
        await asyncio.gather(flush, return_exceptions=True)
        await recorder.flush()
        assert (await jobs.get(db, [1]))[0].status is Status.SUCCESS
    finally:
        await db.close()


async def test_04_a_connection_idle_since_open_locks_others_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asyncjman.store.opening.BUSY_SECONDS", 1.0)
    one = await Database.open(tmp_path / "a", create=True)
    try:
        two = await Database.open(tmp_path / "a", create=False)
        await two.close()
    finally:
        await one.close()


def test_05_a_connect_that_fails_keeps_the_process_alive(tmp_path: Path) -> None:
    code = """
import asyncio, sqlite3
from pathlib import Path
from asyncjman.errors import DatabaseProblem
from asyncjman.store import claims, database, opening
async def main():
    (await_ := await database.Database.open(Path('a'), create=True))
    await await_.close()
    holder = sqlite3.connect('a', isolation_level=None)
    holder.execute('PRAGMA locking_mode = EXCLUSIVE'); holder.execute('BEGIN EXCLUSIVE')
    opening.BUSY_SECONDS = 0.2
    try:
        await database.Database.open(Path('a'), create=False)
        print('opened')
    except DatabaseProblem as error:
        print('refused', error)
    import threading
    print(threading.enumerate(), flush=True)
asyncio.run(main())
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, timeout=6, check=True)


async def test_06_a_reason_that_is_no_utf8(tmp_path: Path) -> None:
    db = await Database.open(tmp_path / "a", create=True)
    try:
        await add_jobs(db, spec_of())
        runner = await add_runner(db)
        async with db.transaction() as tx:
            await claims.claim(tx, runner, [(1, 0, None)], [])
            await claims.end(tx, runner, [done("folder missing: /tmp/\udcff")])
    finally:
        await db.close()


class Nobody:
    def job_ready(self, job_id: int) -> None: ...
    def skip(self, job_id: int, reason: str, task_ids: tuple[int, ...] = ()) -> None: ...


def summary(
    job_id: int, array: str | None = None, count: int = 1, rows: dict[Status, int] | None = None
) -> JobSummary:
    rows = rows or {}
    return JobSummary(
        id=job_id,
        engine="local",
        name="",
        array=array,
        task_count=count,
        default_status=Status.SUBMITTED,
        next_index=0,
        stop_on_failure=False,
        finished=False,
        counts={**rows, Status.SUBMITTED: count - sum(rows.values())},
        rows=rows,
    )


def test_07_a_long_chain_is_skipped_without_a_deep_stack() -> None:
    load = Workload(Nobody())
    for n in range(1, 2000):
        load.decide(load.enroll(summary(n), (Dependency(n - 1, Kind.OK),) if n > 1 else ()), {}, {})
    first = load.jobs[1]
    load.claimed(first, 1)
    load.task_ended(first, 0, Status.FAILURE)
    assert load.jobs == {}


def test_08_an_array_that_lost_tasks_meanwhile_gives_all_that_are_left() -> None:
    load = Workload(Nobody())
    job = load.enroll(summary(1, "1-10", 10), ())
    load.decide(job, {}, {})
    load.claimed(job, len(ids := job.give(3)))
    for one in ids:
        load.task_ended(job, one, Status.SUCCESS)
    # delete -a 1-2 elsewhere: array_index.forget() writes the array without them, and next_index = 0
    load.decide(load.enroll(summary(1, "3-10", 8, {Status.SUCCESS: 1}), ()), {}, {})
    assert set(job.give(20)) >= {4, 5, 6, 7, 8, 9, 10}


async def test_09_a_foreign_database_whose_tables_are_in_its_wal(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "a", isolation_level=None)) as holder:
        holder.execute("PRAGMA journal_mode = wal")
        holder.execute("CREATE TABLE address (name)")
        with pytest.raises(DatabaseProblem):
            db = await Database.open(tmp_path / "a", create=True)
            await db.close()


async def test_10_an_empty_foreign_database_with_a_version(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "a")) as other:
        other.execute("PRAGMA user_version = 7")
        other.commit()
    before = (tmp_path / "a").read_bytes()
    try:
        db = await Database.open(tmp_path / "a", create=True)
    except DatabaseProblem:
        assert (tmp_path / "a").read_bytes() == before
        return
    try:
        assert await add_jobs(db, spec_of()) == [1]
    finally:
        await db.close()


async def test_11_remove_if_cancelled_leaves_a_transaction_open(tmp_path: Path) -> None:
    db = await Database.open(tmp_path / "a", create=True)
    await add_jobs(db, spec_of())
    try:
        for steps in range(40):
            task = asyncio.create_task(db.remove_if("SELECT count(*) FROM job"))
            for _ in range(steps):
                await asyncio.sleep(0.0001)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            async with db.transaction():
                pass
    finally:
        await db.close()


@pytest.mark.parametrize("text", ["\r", "\x0b", "\u00a0", ",\r"])
def test_12_blank_ids_are_not_all_jobs(text: str) -> None:
    with pytest.raises(BadSelection):
        parse_ids([text])


def test_14_no_import_circle() -> None:
    assert circle(imports(Path(asyncjman.__file__).parent)) is None


async def test_15_ten_opens_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asyncjman.store.opening.BUSY_SECONDS", 2.0)
    opened = await asyncio.gather(
        *(Database.open(tmp_path / "a", create=True) for _ in range(10)), return_exceptions=True
    )
    faults = [one for one in opened if isinstance(one, BaseException)]
    for one in opened:
        if isinstance(one, Database):
            await one.close()
    assert faults == []


async def test_16_a_nul_byte_in_a_name_is_refused() -> None:
    engine = LocalEngine(token="")
    await engine.open(lambda: None)
    spec = JobSpec(command=("true",), name="a\0b", exec_dir="/")
    request = LaunchRequest(token="", job_id=1, spec=spec, tasks=(Ref(1, 0, 1),), folder="", logs=None)
    (answer,) = await engine.launch([request])  # an exception ends the whole dispatcher
    assert isinstance(answer, LaunchFailed)
    assert answer.why is Why.REFUSED
    await engine.close()
