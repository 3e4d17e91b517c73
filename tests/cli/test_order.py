"""Dependencies, seen in the recorded times."""

from __future__ import annotations

import itertools
from typing import Any

from tests.cli.tools import Jman

NAP = ("sleep", "0.1")


def after(later: dict[str, Any], *earlier: dict[str, Any]) -> None:
    for one in earlier:
        assert one["finished_at"] <= later["started_at"], (one, later)


def test_chain(jman: Jman) -> None:
    jman("--local", "submit", "--repeat", "5", *NAP)
    jman("execute", "-p", "4")
    jobs = jman.list()
    assert [job["status"] for job in jobs] == ["success"] * 5
    for first, second in itertools.pairwise(jobs):
        after(second, first)


def test_after_any_end(jman: Jman) -> None:
    jman.submit("false")
    jman.submit("-x", "1", *NAP)
    jman("execute", "-p", "2", code=1)
    assert jman.status() == {1: "failure", 2: "success"}
    after(jman.job(2), jman.job(1))


def test_stop_on_failure_through_three_levels(jman: Jman) -> None:
    jman.submit("-k", "false")
    jman.submit("-x", "1", "touch", "two")
    jman.submit("-x", "2", "touch", "three")
    jman.submit("-x", "3", "touch", "four")
    jman.submit("touch", "five")
    jman("execute", "-p", "2", code=1)
    assert jman.status() == {1: "failure", 2: "skipped", 3: "skipped", 4: "skipped", 5: "success"}
    assert [name for name in ("two", "three", "four", "five") if (jman.folder / name).exists()] == ["five"]
    assert all(job["started_at"] is None for job in jman.list("2-4"))


def test_after_ok_and_after_notok(jman: Jman) -> None:
    jman.submit("true")
    jman.submit("false")
    for kind in ("ok", "notok"):
        for other in "12":
            jman.submit(f"--after-{kind}", other, "true")
    jman("execute", "-p", "2", code=1)
    assert list(jman.status().values()) == ["success", "failure", "success", "skipped", "skipped", "success"]


def test_after_ok_on_a_stopped_job_is_skipped(jman: Jman) -> None:
    jman.submit("true")
    jman.submit("--after-ok", "1", "true")
    jman.submit("--after-ok", "2", "true")
    jman("stop", "1")
    jman("execute", code=None)
    assert jman.status() == {1: "stopped", 2: "skipped", 3: "skipped"}


def test_after_corr_skips_the_task_of_a_failed_one(jman: Jman) -> None:
    jman.submit("-t", "3", "sh", "-c", "[ $SGE_TASK_ID != 2 ]")
    jman.submit("-t", "3", "--after-corr", "1", "true")
    jman("execute", "-p", "2", code=1)
    assert {i: task["status"] for i, task in jman.tasks(2).items()} == {
        1: "success",
        2: "skipped",
        3: "success",
    }


def test_diamond(jman: Jman) -> None:
    jman.submit(*NAP)
    jman.submit("-x", "1", *NAP)
    jman.submit("-x", "1", *NAP)
    jman.submit("-x", "2,3", *NAP)
    jman("execute", "-p", "4")
    top, left, right, bottom = jman.list()
    after(left, top)
    after(right, top)
    after(bottom, left, right)
    assert left["started_at"] < right["finished_at"]
    assert right["started_at"] < left["finished_at"]


def test_after_corr(jman: Jman) -> None:
    jman.submit("-t", "4", "sh", "-c", "[ $SGE_TASK_ID = 2 ] || sleep 0.$SGE_TASK_ID")
    jman.submit("-t", "4", "--after-corr", "1", *NAP)
    jman("execute", "-p", "4")
    first, second = jman.tasks(1), jman.tasks(2)
    for i in range(1, 5):
        after(second[i], first[i])
    assert second[2]["started_at"] < first[4]["finished_at"], "it waited for the whole array"


def test_a_skipped_job_is_told_of_once(jman: Jman) -> None:
    jman("--local", "submit", "-t", "400", "--", "false")  # short: what is next is claimed ahead of time
    jman("--local", "submit", "-n", "next", "--after-ok", "1", "--", "true")
    out = jman("--local", "execute", "-p", "4", code=1).out
    assert out.count("skipped  2") == 1
    assert ["skipped", "1"] in [line.split() for line in out.splitlines()]
