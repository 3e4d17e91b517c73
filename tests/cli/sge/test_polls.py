"""How often the cluster is asked, and whether big arrays come out right."""

from __future__ import annotations

import pytest

from tests.cli.sge.conftest import SgeJman, Watched

pytestmark = pytest.mark.sge

STATUSES = {7: 1, 99: 99, 100: 100, 123: 255, 200: 137, 300: 3}


def test_three_hundred_tasks_end_as_they_end(sge: SgeJman, watched: Watched, wide_queue: str) -> None:
    cases = " ".join(f"{task}) exit {status};;" for task, status in STATUSES.items())
    sge.submit_job(
        "-q", wide_queue, "-t", "300", "-n", "many", "sh", "-c", f"case $SGE_TASK_ID in {cases} esac"
    )
    watched.forget()
    for _ in range(3):
        sge("communicate")
    assert len(watched.calls("qstat")) == 3
    sge("wait", code=1)
    watched.forget()
    tasks = sge.tasks()
    assert len(tasks) == 300
    wrong = {number: one["exit_status"] for number, one in tasks.items() if one["exit_status"]}
    assert wrong == STATUSES
    assert {one["status"] for number, one in tasks.items() if number not in STATUSES} == {"success"}
    assert sge.job()["tasks"] == {"success": 294, "failure": 6}
    assert not watched.calls("qstat")


def test_one_look_at_the_cluster_for_any_number_of_jobs(sge: SgeJman, watched: Watched) -> None:
    for _ in range(4):
        sge.submit_job("-e", "-h", "-t", "50", "true")
    for words in (("list",), ("report",), ("communicate",), ("list", "-a", "1")):
        watched.forget()
        sge(*words)
        assert [one.split()[:2] for one in watched.calls()] == [["qstat", "-u"]], words
    watched.forget()
    sge("delete")
    assert len(watched.calls("qdel")) == 1


def test_jobs_that_ended_ask_nobody(sge: SgeJman, watched: Watched) -> None:
    sge.submit_job("true")
    sge.submit_job("sh", "-c", "exit 1")
    sge("wait", code=1)
    watched.forget()
    for words in (("list",), ("wait", "1"), ("communicate",)):
        sge(*words)
    assert not watched.calls("qstat")
    sge.submit_job("-e", "-h", "true")
    watched.forget()
    for words in (("--local", "list"), ("--local", "report"), ("--local", "communicate")):
        sge(*words)
    assert watched.calls() == []


def test_wait_backs_off(sge: SgeJman, watched: Watched) -> None:
    sge.submit_job("-e", "-h", "true")
    watched.forget()
    # 0.2, 0.3, 0.45, 0.68, 1.0, 1.5 s: after 3 seconds five or six looks, and one before
    often = {"JMAN_POLL_INTERVAL": "0.2", "JMAN_POLL_INTERVAL_MAX": "15"}
    sge("wait", "--timeout", "3", code=124, env=often)
    assert 3 <= len(watched.calls("qstat")) <= 8
