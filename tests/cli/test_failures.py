"""Failures by their causes: shown, selected, and run again."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import Any

from tests.cli.tools import Jman, wait_until

DAY = r"""
n=$SGE_TASK_ID
[ $((n % 3)) = 1 ] && { echo "cat: /data/run_$n.csv: No such file" >&2; exit 1; }
[ $((n % 3)) = 2 ] && { echo "lost host gpu$n.cluster.local:80$n" >&2; exit 4; }
[ $n = 12 ] && kill -9 $$
exit 0
"""


def groups_of(jman: Jman, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(jman("failures", "--json", *words).out)
    return found


def test_a_day_with_three_kinds_of_failures(jman: Jman) -> None:
    jman.submit("-t", "12", "sh", "-c", DAY)
    done = jman("--local", "execute", "-p", "2", code=1)
    groups = groups_of(jman)
    assert [(one["tasks"], one["cause"], one["signature"], one["ids"]) for one in groups] == [
        (4, "exit", "cat: PATH: No such file", ["1.1,4,7,10"]),
        (4, "exit", "lost host HOST:N", ["1.2,5,8,11"]),
        (1, "signal", "killed by SIGKILL", ["1.12"]),
    ]
    assert groups[0]["example"]["errors"] == ["cat: /data/run_1.csv: No such file"]
    assert "left: 9 failed (3 causes): jman resubmit && jman execute; jman failures" in done.err
    for group in groups:
        assert f"failure {group['id']}: {group['tasks']} task" in done.out
    lost = groups[1]["id"]
    assert jman("list", "--failure", lost, "-a").out.count("\n") == 2 + 1 + 4
    assert jman("report", "--failure", lost).out.count("exit status 4") == 4
    jman("resubmit", "--failure", lost)
    assert jman.job()["tasks"] == {"success": 3, "failure": 5, "submitted": 4}
    assert {one["signature"]: one["tasks"] for one in groups_of(jman)} == {
        "cat: PATH: No such file": 4,
        "killed by SIGKILL": 1,
    }
    assert "no failure 'nosuch' (jman failures shows those" in jman("list", "--failure", "nosuch", code=2).err


def test_single_tasks_and_causes(jman: Jman) -> None:
    jman.submit("-t", "12", "sh", "-c", DAY)
    jman("--local", "execute", "-p", "2", code=1)
    assert [one["ids"] for one in groups_of(jman, "1.1-5")] == [["1.1,4"], ["1.2,5"]]
    assert [one["ids"] for one in groups_of(jman, "--cause", "signal")] == [["1.12"]]
    assert "no failures" in jman("failures", "1.3").err


def test_what_an_earlier_version_stored_is_grouped_too(jman: Jman) -> None:
    jman.submit("-t", "2", "-l", "logs", "sh", "-c", DAY)
    jman("--local", "execute", code=1)
    with closing(sqlite3.connect(jman.database)) as connection, connection:
        connection.execute("DELETE FROM failure")
    assert [one["signature"] for one in groups_of(jman)] == ["cat: PATH: No such file", "lost host HOST:N"]


def test_a_retry_that_succeeds_leaves_no_failure(jman: Jman) -> None:
    jman.submit("--retry", "1", "sh", "-c", 'echo no >&2; [ "$JMAN_ATTEMPT" = 2 ]')
    jman("--local", "execute")
    assert groups_of(jman) == []


def test_why_and_wait_show_causes(jman: Jman) -> None:
    jman.submit("-t", "12", "sh", "-c", DAY)
    jman("--local", "execute", "-p", "2", code=1)
    why = jman("why", "1").out
    assert "4 tasks failed so, 1.2,5,8,11: lost host HOST:N" in why and "| lost host gpu2." in why
    waited = jman("wait", code=1).err
    assert "for example 1.2: exit status 4" in waited
    assert "left: 9 failed (3 causes): jman resubmit 1 && jman execute 1; jman failures 1" in waited


def test_what_was_stopped_is_told_and_resumed(jman: Jman) -> None:
    jman.submit("-t", "3", "true")
    jman("stop", "1")
    told = jman("--local", "execute", code=1).err
    assert "nothing to run: 3 stopped: jman execute --resume" in told
    jman("execute", "--resume")
    assert jman.job()["tasks"] == {"success": 3}
    assert "nothing to run: 3 success" in jman("execute").err


def test_two_executes_end_with_equal_words(jman: Jman) -> None:
    """Each may have run some of the tasks; both say how all of them are."""
    jman.submit("-t", "6", "sh", "-c", "until [ -e go ]; do sleep 0.05; done; exit 2")
    both = [jman.start("--local", "execute", "--no-progress", "-p", "3") for _ in range(2)]
    wait_until(lambda: jman.job()["tasks"].get("executing", 0) >= 3)
    (jman.folder / "go").touch()
    assert [one.wait(30) for one in both] == [1, 1]
    for one in both:
        output = jman.output_of(one)
        assert ": 6 failed: jman resubmit && jman execute; jman failures" in output
        if "started" in output:  # the other one may have claimed all of them
            assert "failure        6" in output and "6 tasks: exit status 2" in output


def test_what_was_skipped_names_what_the_first_failure_wrote(jman: Jman) -> None:
    jman.submit("sh", "-c", "echo data.csv is missing >&2; exit 1")
    jman("--local", "submit", "--after-ok", "1", "true")
    jman("--local", "execute", code=1)
    assert "skipped: 2 ← 1 failed: exit status 1 (data.csv is missing)" in jman("why", "2").out
