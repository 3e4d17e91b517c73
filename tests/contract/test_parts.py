"""Arrays of more tasks than an engine takes at once: several launches, and one job all the same."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.tools import Jman

NOTE = "in parts of 3 tasks"
COUNTED = "echo $SGE_TASK_ID >> ran"


def ran(jman: Jman) -> list[int]:
    """Return the tasks that ran, in order."""
    path = jman.folder / "ran"
    return sorted(map(int, path.read_text().split())) if path.exists() else []


def asked(shells: Path) -> int:
    """Return how often the facts of the site were asked for."""
    path = shells / "calls.fsite"
    return len(path.read_text().splitlines()) if path.exists() else 0


def submissions(shells: Path) -> int:
    return len(list((shells / "jobs").iterdir()))


def test_a_command_asks_once_what_the_site_is_like(jman: Jman, small: Path) -> None:
    jman("submit", "-t", "1-2", "-r", "3", "--", "true")
    assert asked(small) == 1, "for three launches"
    jman("wait", "--timeout", "60")
    assert asked(small) == 2, "for all polls"


@pytest.mark.parametrize("array", ["1-10", "4-31:3", "2,4,6-10,15,20,30"])
def test_it_looks_as_if_it_were_one(jman: Jman, small: Path, array: str) -> None:
    (small / "held").touch()
    told = jman(
        "submit", "-n", "x", "-l", "logs", "-t", array, "--", "sh", "-c", f"echo $JMAN_TASK_INDEX; {COUNTED}"
    )
    assert told.err.count(NOTE) == 1
    job = jman.job()
    assert job["status"] == "queued"
    assert len(job["grid_ids"]) == submissions(small) == 4
    (small / "held").unlink()
    assert NOTE not in jman("wait", "--timeout", "60").err
    assert jman.status() == {1: "success"}
    tasks = [one["id"] for one in jman.list("-a")[0]["tasks"]]
    assert ran(jman) == tasks
    logs = [jman.folder / "logs" / f"x.o1.{one}" for one in tasks]
    assert [one.read_text() for one in logs] == [f"{index}\n" for index in range(10)]


def test_the_throttle_holds_over_the_parts(jman: Jman, small: Path) -> None:
    """They go one after the other then: each may have as many as all of them together."""
    jman("submit", "-t", "1-10%2", "--", "sh", "-c", f"{COUNTED}; date +%s.%N > end.$SGE_TASK_ID")
    assert submissions(small) == 1
    jman("wait", "--timeout", "90")
    assert ran(jman) == [*range(1, 11)]
    ends = [float((jman.folder / f"end.{one}").read_text()) for one in range(1, 11)]
    parts = sorted((small / "jobs").iterdir(), key=lambda one: int(one.name))
    assert len(parts) == 4
    for number, part in enumerate(parts):
        sent_at = (part / "name").stat().st_mtime
        unfinished = sum(end > sent_at for end in ends[: 3 * number])
        assert min(2, unfinished) + int((part / "at_once").read_text()) <= 2


def test_a_limit_between_two_parts(jman: Jman, small: Path) -> None:
    """What was sent stays, what was not waits here; nothing runs twice."""
    (small / "full").write_text("2")
    (small / "held").touch()
    told = jman("submit", "-t", "1-10", "--", "sh", "-c", COUNTED)
    assert "job 1 waits here" in told.err
    assert submissions(small) == 2
    states = [one["status"] for one in jman.list("-a")[0]["tasks"]]
    assert states[6:] == ["submitted"] * 4
    assert "submitted" not in states[:6]
    assert "4 tasks wait here to be sent to the cluster: " in jman("why").out
    (small / "full").unlink()
    (small / "held").unlink()
    jman("wait", "--timeout", "90")
    assert ran(jman) == [*range(1, 11)]
    assert submissions(small) == 4


def test_a_part_that_is_refused_takes_nothing_back(jman: Jman, small: Path) -> None:
    """The parts before it are there: the job must not be forgotten, and its other tasks have failed."""
    (small / "refuse").write_text("1")
    jman("submit", "-t", "1-6", "--", "sh", "-c", COUNTED)
    jman("wait", "--timeout", "60", code=None)
    states = [one["status"] for one in jman.list("-a")[0]["tasks"]]
    assert states == ["success"] * 3 + ["failure"] * 3
    assert ran(jman) == [1, 2, 3]


def test_stop_ends_all_parts(jman: Jman, small: Path) -> None:
    (small / "full").write_text("2")
    jman("submit", "-t", "1-10", "--", "sleep", "100")
    jman("stop")
    assert {one["status"] for one in jman.list("-a")[0]["tasks"]} == {"stopped"}
    (small / "full").unlink()
    jman("list")
    assert submissions(small) == 2, "what was stopped is not sent"


def test_what_depends_on_it_waits_for_all_parts(jman: Jman, small: Path) -> None:
    (small / "full").write_text("2")
    jman("submit", "-t", "1-10", "--", "sh", "-c", COUNTED)
    (small / "full").unlink()
    jman("submit", "--after-ok", 1, "--", "sh", "-c", "wc -l < ran > seen")
    assert submissions(small) == 2, "there it would wait for those parts only that are there"
    jman("wait", "--timeout", "90")
    assert (jman.folder / "seen").read_text().strip() == "10"


def test_it_waits_for_others_here(jman: Jman, small: Path) -> None:
    jman("submit", "--", "sh", "-c", "echo 0 > ran")
    jman("submit", "--after-ok", 1, "-t", "1-4", "--", "sh", "-c", COUNTED)
    jman("wait", "--timeout", "90")
    assert ran(jman) == [0, 1, 2, 3, 4]


def test_failed_tasks_of_all_parts_run_again_in_parts(jman: Jman, small: Path) -> None:
    jman("submit", "-t", "1-8", "--", "sh", "-c", f"[ -e again ] || exit 1; {COUNTED}")
    jman("wait", "--timeout", "90", code=None)
    (jman.folder / "again").touch()
    jman("resubmit")
    jman("wait", "--timeout", "90")
    assert ran(jman) == [*range(1, 9)]
    assert submissions(small) == 6


def test_what_it_waits_for_runs_again_between_two_parts(jman: Jman, small: Path) -> None:
    """What was sent runs, what was not waits for that here, and goes when it has ended."""
    (small / "full").write_text("3")
    jman("submit", "--", "sh", "-c", "echo 0 >> ran")
    jman("wait", "--timeout", "60")
    jman(
        "submit",
        "--after-ok",
        1,
        "-t",
        "1-10",
        "--",
        "sh",
        "-c",
        f"until [ -e go ]; do sleep 0.1; done; {COUNTED}",
    )
    assert submissions(small) == 3
    (small / "full").unlink()
    jman("resubmit", "1", "-s")
    (jman.folder / "go").touch()
    jman("wait", "--timeout", "90")
    assert ran(jman) == [0, 0, *range(1, 11)]


def test_what_it_still_holds_of_a_skipped_job_is_ended_before_that_is_sent_again(
    jman: Jman, small: Path
) -> None:
    """As after a wait that ended as soon as the job was known to be skipped."""
    jman("submit", "--", "sh", "-c", "[ -e mended ]")
    jman("submit", "--after-ok", 1, "--", "true")
    jman("wait", "--timeout", "60", code=1)
    with closing(sqlite3.connect(jman.database)) as connection, connection:
        connection.execute("UPDATE submission SET taken_back = '[]' WHERE job_id = 2")
    (jman.folder / "mended").touch()
    jman("resubmit", "1")
    assert submissions(small) == 4
    jman("wait", "--timeout", "60")
