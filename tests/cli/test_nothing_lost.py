"""No sequence of commands loses a task: each one of an open job is reached, or something says why not."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections import Counter
from contextlib import closing

import pytest

from tests.cli.tools import Jman, wait_until
from tests.making import make_older

COUNT = 400
COUNTED = ("sh", "-c", "echo $SGE_TASK_ID >> ran; sleep 0.02")


def ran(jman: Jman) -> Counter[int]:
    return Counter(int(line) for line in (jman.folder / "ran").read_text().split())


def successes(jman: Jman) -> int:
    return int(jman.job()["tasks"].get("success", 0))


@pytest.mark.parametrize("stop_by", ["stop", "resubmit -a"])
def test_stopped_and_resubmitted_beside_an_execute(jman: Jman, stop_by: str) -> None:
    jman.submit("-t", f"1-{COUNT}", *COUNTED)
    first = jman.start("--local", "execute", "-p", "4")
    wait_until(lambda: successes(jman) >= 20)
    if stop_by == "stop":
        jman("stop", "1")
        jman("resubmit")
    else:
        jman("resubmit", "-a")
    jman("--local", "execute", "-p", "4")
    assert first.wait(60) in (0, 1)  # it may have ended while all was stopped
    assert jman.job()["tasks"] == {"success": COUNT}
    assert set(ran(jman)) == set(range(1, COUNT + 1))
    jman("wait", "1")


def test_a_database_that_lost_tasks_heals(jman: Jman) -> None:
    jman.submit("-t", "1-9:2,20-29", *COUNTED)
    jman.submit("-t", "5", "true")
    jman("stop", "1", "-a", "3", "20")
    make_older(jman.database, 2)
    with closing(sqlite3.connect(jman.database)) as connection:  # as it could leave it
        connection.execute("UPDATE job SET next_index = 12 WHERE id = 1")
        connection.commit()
    jman("--local", "execute", "-p", "4", code=1)
    assert sorted(ran(jman)) == [1, 5, 7, 9, *range(21, 30)]
    assert jman.job(1)["status"] == "stopped"
    assert jman.job(2)["tasks"] == {"success": 5}


def test_tasks_after_deleted_ones_run(jman: Jman) -> None:
    jman.submit("-t", "1-60", *COUNTED)
    process = jman.start("--local", "execute", "-p", "2")
    wait_until(lambda: successes(jman) >= 5)
    jman("delete", "1", "-a", "1-3", "40-50")
    assert process.wait(60) == 0
    assert jman.job()["tasks"] == {"success": 46}


def test_an_execute_killed_while_suspended_holds_nobody_up(jman: Jman) -> None:
    """What was asked to stop is stopped once its runner is dead; its job ends, dependents are decided."""
    jman.submit("sh", "-c", "touch began; sleep 1000")
    jman.submit("-x", "1", "touch", "after")
    jman.submit("--after-ok", "1", "touch", "never")
    process = jman.start("--local", "execute")
    wait_until(lambda: (jman.folder / "began").exists())
    wait_until(lambda: jman.status()[1] == "executing")
    os.kill(process.pid, signal.SIGSTOP)
    stopping = jman.start("stop", "1")
    wait_until(lambda: _asked_to_stop(jman))
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert stopping.wait(60) == 0
    jobs = {job["id"]: job for job in jman.list()}
    assert jobs[1]["status"] == "stopped" and jobs[1]["finished_at"] is not None
    assert jobs[2]["status"] == "submitted"
    assert jobs[3]["status"] == "skipped" and jobs[3]["finished_at"] is not None


def _asked_to_stop(jman: Jman) -> bool:
    connection = sqlite3.connect(jman.database)
    try:
        return bool(connection.execute("SELECT 1 FROM task WHERE stop = 1").fetchall())
    finally:
        connection.close()
