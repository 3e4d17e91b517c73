"""Many at once, with a write-ahead log and without (as on network file systems)."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from asyncjman.api.manager import JobManager
from asyncjman.model.job import JobSpec
from asyncjman.model.selection import Selection
from tests.cli.tools import Jman
from tests.faults.tools import LONG, Figures, assert_sound, driver, query
from tests.making import stored

SUBMITS = 50 if LONG else 10


@pytest.mark.parametrize("network", [False, True], ids=["wal", "delete"])
def test_many_at_once(jman: Jman, figures: Figures, network: bool) -> None:
    words = driver(
        jman.folder, f"import asyncjman.store.opening as o; o.is_network = lambda folder: {network}"
    )
    processes: list[subprocess.Popen[str]] = []

    def start(*more: str) -> subprocess.Popen[str]:
        process = jman.piped(*more, command=words)
        processes.append(process)
        return process

    first = start("--local", "submit", "-t", "1-50", "--", "sh", "-c", "echo x >> ran.$JOB_ID.$SGE_TASK_ID")
    first.wait(30)
    executes = [start("--local", "execute", "-p", "2", "--no-progress") for _ in range(2)]
    task = ["--", "sh", "-c", "echo x >> ran.$JOB_ID.$SGE_TASK_ID"]
    submits = [start("--local", "submit", "--json", "-t", "1-5", *task) for _ in range(SUBMITS)]
    others = [start("list", "-a") for _ in range(3)] + [start("--local", "stop", "1") for _ in range(2)]
    output = {one: one.communicate(timeout=240) for one in processes}
    for one, (_, err) in output.items():
        assert "locked" not in err and "Traceback" not in err, err
        assert one in executes or one.returncode == 0, err
    ids = [json.loads(output[one][0])["id"] for one in submits]
    assert sorted(ids) == list(range(2, SUBMITS + 2))
    mode = "delete" if network else "wal"
    jman.fresh("--local", "execute", "-p", "2", "--no-progress", code=None)
    assert query(jman.database, "PRAGMA journal_mode") == [("wal",)]  # by the last one, which isn't patched
    assert {status for job, status in jman.status().items() if job > 1} == {"success"}
    assert_sound(jman.database)
    for job_id in ids:
        for task_id in range(1, 6):
            assert (jman.folder / f"ran.{job_id}.{task_id}").read_text() == "x\n", "lost, or ran twice"
    figures(
        f"many at once, journal mode {mode}: {SUBMITS} submits, 2 execute, {len(others)} list and stop: "
        "0 locked, 0 lost, 0 ids twice, 0 tasks run twice"
    )


async def test_a_delete_that_leaves_jobs_leaves_the_write_ahead_log(tmp_path: Path) -> None:
    """In a program that goes on nobody would turn it on again: others would wait for each other."""
    async with JobManager(tmp_path / "jobs.sql3", run=False) as manager:
        for _ in range(2):
            await stored(manager, JobSpec(command=("true",), exec_dir="/"))
        selection = Selection(ids=(range(1, 2),))
        assert len(await manager.delete(selection)) == 1
        assert query(manager.path, "PRAGMA journal_mode") == [("wal",)]
