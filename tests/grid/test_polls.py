"""How often the cluster is asked, and whether big arrays come out right."""

from __future__ import annotations

import pytest

from tests.grid.conftest import Grid, Watched

pytestmark = pytest.mark.sge

STATUSES = {7: 1, 99: 99, 100: 100, 123: 255, 200: 137, 300: 3}


def test_three_hundred_tasks_end_as_they_end(grid: Grid, watched: Watched, wide_queue: str) -> None:
    cases = " ".join(f"{task}) exit {status};;" for task, status in STATUSES.items())
    grid.grid_job(
        "-q", wide_queue, "-t", "300", "-n", "many", "sh", "-c", f"case $SGE_TASK_ID in {cases} esac"
    )
    watched.forget()
    for _ in range(3):
        grid("communicate")
    assert len(watched.calls("qstat")) == 3
    grid("wait", code=1)
    watched.forget()
    tasks = grid.tasks()
    assert len(tasks) == 300
    wrong = {number: one["exit_status"] for number, one in tasks.items() if one["exit_status"]}
    assert wrong == STATUSES
    assert {one["status"] for number, one in tasks.items() if number not in STATUSES} == {"success"}
    assert grid.job()["tasks"] == {"success": 294, "failure": 6}
    assert not watched.calls("qstat")


def test_one_look_at_the_cluster_for_any_number_of_jobs(grid: Grid, watched: Watched) -> None:
    for _ in range(4):
        grid.grid_job("-e", "-h", "-t", "50", "true")
    for words in (("list",), ("report",), ("communicate",), ("list", "-a", "1")):
        watched.forget()
        grid(*words)
        assert [one.split()[:2] for one in watched.calls()] == [["qstat", "-u"]], words
    watched.forget()
    grid("delete")
    assert len(watched.calls("qdel")) == 1


def test_jobs_that_ended_ask_nobody(grid: Grid, watched: Watched) -> None:
    grid.grid_job("true")
    grid.grid_job("sh", "-c", "exit 1")
    grid("wait", code=1)
    watched.forget()
    for words in (("list",), ("wait", "1"), ("communicate",)):
        grid(*words)
    assert not watched.calls("qstat")
    grid.grid_job("-e", "-h", "true")
    watched.forget()
    for words in (("--local", "list"), ("--local", "report"), ("--local", "communicate")):
        grid(*words)
    assert watched.calls() == []


def test_wait_backs_off(grid: Grid, watched: Watched) -> None:
    grid.grid_job("-e", "-h", "true")
    watched.forget()
    # 0.2, 0.3, 0.45, 0.68, 1.0, 1.5 s: after 3 seconds five or six looks, and one before
    often = {"JMAN_POLL_INTERVAL": "0.2", "JMAN_POLL_INTERVAL_MAX": "15"}
    grid("wait", "--timeout", "3", code=124, env=often)
    assert 3 <= len(watched.calls("qstat")) <= 8
