"""Killed at each call that writes: what a command does is done whole or not at all, and the next command
finishes what is left of it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.cli.tools import Jman, wait_until
from tests.faults.syscalls import (
    Ended,
    Point,
    Prepared,
    files_in,
    fill_disk_at,
    kill_at,
    points,
    sample,
    skip_without_strace,
)
from tests.faults.tools import LONG, Figures, assert_one_line, assert_sound, left_in, query

SHORT = 4  # kills of each command, in the short form

pytestmark = pytest.mark.timeout(3600 if LONG else 300)


@pytest.fixture(autouse=True)
def strace() -> None:
    skip_without_strace()


def kill_everywhere(
    jman: Jman, figures: Figures, words: list[str], check: Callable[[Ended], bool], short: int = SHORT
) -> None:
    """Kill a command at each point, each time from the same beginning; ``check`` tells if it took effect."""
    prepared = Prepared(jman)
    found = points(jman, *words)
    kills = effects = 0
    for point in sample(found, short):
        prepared.restore()
        ended = kill_at(jman, point, *words)
        kills += ended.killed
        if jman.database.exists():
            assert_sound(jman.database)
        effects += check(ended)
    figures(
        f"kill {' '.join(words)}: {len(found)} points, {kills} kills, {effects} had taken effect, "
        "0 half done, 0 lost, 0 left over"
    )


def fill_everywhere(
    jman: Jman, figures: Figures, words: list[str], check: Callable[[Ended], bool], short: int = SHORT // 2
) -> None:
    """Have the disk full from each write to the database on; ``check`` tells if the command took effect.

    It says so in one line, unless what failed is only what the next command can do as well.
    """
    prepared = Prepared(jman)
    found = [point for point in points(jman, *words) if point.name == "pwrite64"]
    refused = 0
    for point in sample(found, short):
        prepared.restore()
        ended = fill_disk_at(jman, point, *words)
        assert ended.code in (0, 3), ended
        if ended.code == 3:
            assert_one_line(ended.output)
            assert "full" in ended.output
            refused += 1
        if jman.database.exists():
            assert_sound(jman.database)
        assert check(ended) == (ended.code == 0), ended
    figures(f"full disk, {' '.join(words)}: {len(found)} points, {refused} refused, 0 half done, 0 lost")


Everywhere = Callable[[Jman, Figures, list[str], Callable[[Ended], bool]], None]
EVERYWHERE = pytest.mark.parametrize(
    "everywhere", [kill_everywhere, fill_everywhere], ids=["kill", "full disk"]
)


def add_jobs(jman: Jman) -> None:
    """Make five jobs that ran, with logs, and one that waits; job 4 has a log folder of its own.

    Their tasks failed once, so that there are logs of an attempt before; the third has a spool folder too.
    """
    for number in range(1, 6):
        folder = "own" if number == 4 else "logs"
        jman.submit("-t", "1-2", "-l", folder, "-n", f"n{number}", "--", "sh", "-c", "echo x; exit 3")
    jman("execute", "-p", "4", code=1)
    jman("resubmit", "2", "3")
    jman("execute", "-p", "4", code=1)
    jman.submit("--after-any", "5", "-t", "1-2", "-l", "logs", "true")
    token = query(jman.database, "SELECT token FROM job WHERE id = 3")[0][0]
    spool = jman.folder / "submitted.sql3.spool" / token
    spool.mkdir(parents=True)
    (spool / "exit.1").write_text("x")
    (spool / "exit.2").write_text("x")


def logs_of(names: set[str]) -> Counter[str]:
    """Count the logs of each job, by the job's name."""
    return Counter(name.split("/")[1].split(".")[0] for name in names if name.startswith(("logs/", "own/")))


LOGS = Counter({"n1": 4, "n2": 8, "n3": 8, "n4": 4, "n5": 4})


@dataclass(frozen=True, slots=True)
class Deletion:
    """What ``jman delete`` is given, and what is to be there then."""

    words: list[str]
    jobs: set[int]
    logs: Counter[str]
    spool: bool = False
    own: bool = False


SOME = Deletion(["1-4"], {5, 6}, Counter({"n5": 4}))
DELETIONS = [
    SOME,
    Deletion(["1-4", "--keep-logs"], {5, 6}, LOGS, own=True),
    Deletion(["1-4", "--keep-log-dir"], {5, 6}, Counter({"n5": 4}), own=True),
    Deletion(["3", "-a", "1"], {1, 2, 3, 4, 5, 6}, LOGS - Counter({"n3": 4}), spool=True, own=True),
    Deletion([], set(), Counter()),
]


@pytest.mark.parametrize("wanted", DELETIONS, ids=lambda one: " ".join(one.words) or "all")
@EVERYWHERE
def test_delete(jman: Jman, figures: Figures, everywhere: Everywhere, wanted: Deletion) -> None:
    add_jobs(jman)
    before = files_in(jman.folder)
    assert logs_of(before) == LOGS

    def check(ended: Ended) -> bool:
        rows = query(jman.database, "SELECT id, task_count FROM job") if jman.database.exists() else []
        tasks = sum(count for _, count in rows)
        single = "-a" in wanted.words
        done = tasks == 11 if single else {job_id for job_id, _ in rows} == wanted.jobs
        assert done or tasks == 12, rows
        now = logs_of(files_in(jman.folder))
        if not done:
            assert now == LOGS, "logs of jobs that stay"
            assert "deleted" not in ended.output
        assert not wanted.logs - now, "logs of jobs that stay"
        listed = jman("list")
        assert "Traceback" not in listed.err
        after = files_in(jman.folder)
        if not done:
            assert after == before
            return False
        assert logs_of(after) == wanted.logs
        assert ("own" in after) == wanted.own, "a log folder that is empty goes, too"
        assert any(name.startswith("submitted.sql3.spool") for name in after) == wanted.spool
        if not wanted.jobs:
            assert after == set()
            return True
        assert jman.status().keys() == wanted.jobs
        assert query(jman.database, "SELECT count(*) FROM removal") == [(0,)]
        assert jman.submit("true")["id"] == 7, "an id is not given again"
        return True

    everywhere(jman, figures, ["--local", "delete", *wanted.words], check)


@EVERYWHERE
def test_submit(jman: Jman, figures: Figures, everywhere: Everywhere) -> None:
    jman.submit("-n", "first", "true")

    def check(ended: Ended) -> bool:
        ids = [row[0] for row in query(jman.database, "SELECT id FROM job ORDER BY id")]
        assert ids in ([1], [1, 2, 3, 4]), "some of the jobs of one submit"
        edges = query(jman.database, "SELECT job_id, on_job, kind FROM dependency ORDER BY 1, 2")
        if len(ids) == 1:
            assert "Submitted" not in ended.output
            assert edges == []
        else:
            ok = [(job_id, 1, "ok") for job_id in (2, 3, 4)]
            assert sorted(edges) == sorted([*ok, (3, 2, "any"), (4, 3, "any")])
        jman("execute")
        assert set(jman.status().values()) == {"success"}
        return len(ids) > 1

    words = ["--local", "submit", "--repeat", "3", "-t", "1-4", "--after-ok", "1", "-l", "logs", "--", "true"]
    everywhere(jman, figures, words, check)


@EVERYWHERE
def test_first_submit(jman: Jman, figures: Figures, everywhere: Everywhere) -> None:
    """The one that makes the database, too."""

    def check(ended: Ended) -> bool:
        done = len(jman.list())
        assert done in (0, 2)
        assert done or '"id"' not in ended.output
        assert jman.submit("true")["id"] == done + 1
        return bool(done)

    everywhere(jman, figures, ["--local", "submit", "--repeat", "2", "--json", "--", "true"], check)


@EVERYWHERE
def test_stop(jman: Jman, figures: Figures, everywhere: Everywhere) -> None:
    for _ in range(3):
        jman.submit("-t", "1-20", "true")
    jman.submit("--after-ok", "2", "true")
    jman.submit("--after-any", "3", "true")

    def check(ended: Ended) -> bool:
        states = list(jman.status().values())
        done = states == ["stopped"] * 3 + ["skipped", "submitted"]
        assert done or states == ["submitted"] * 3 + ["waiting"] * 2, states
        assert done or "Stopped" not in ended.output
        jman("stop", "1-3")
        assert list(jman.status().values()) == ["stopped"] * 3 + ["skipped", "submitted"]
        return done

    everywhere(jman, figures, ["--local", "stop", "1-3"], check)


@pytest.mark.parametrize("clean", [False, True], ids=["logs stay", "clean"])
@EVERYWHERE
def test_resubmit(jman: Jman, figures: Figures, everywhere: Everywhere, clean: bool) -> None:
    add_jobs(jman)
    wanted = LOGS - Counter({"n1": 4, "n2": 8, "n3": 8}) if clean else LOGS

    def check(ended: Ended) -> bool:
        states = list(jman.status().values())
        done = states[:3] == ["submitted"] * 3
        assert done or states[:3] == ["failure"] * 3, "some of the jobs of one resubmit"
        assert states[3:] == ["failure"] * 2 + ["waiting"]
        assert done or "Re-submitted" not in ended.output
        now = logs_of(files_in(jman.folder))
        assert now == (wanted if done else LOGS), "`list` finishes the removal"
        jman("execute", "-p", "4", code=1)
        attempts = {row[0] for row in query(jman.database, "SELECT attempt FROM task WHERE job_id = 2")}
        assert attempts == {3 if done else 2}
        assert logs_of(files_in(jman.folder))["n2"] == (4 if clean else 12) if done else 8
        return done

    words = ["--local", "resubmit", "1-3", *(["--clean"] if clean else [])]
    everywhere(jman, figures, words, check)


def test_execute(jman: Jman, figures: Figures) -> None:
    """What it printed is true, nothing that succeeded runs again, and another one finishes all."""
    note = "f=ran.$JOB_ID.$SGE_TASK_ID; echo b >> $f; [ $SGE_TASK_ID != 3 ] || exit 3; echo e >> $f"
    jman.submit("-t", "1-6", "-l", "logs", "--", "sh", "-c", note)
    jman.submit("--after-ok", "1", "true")
    jman.submit("--after-any", "1", "-t", "1-2", "--", "sh", "-c", note)
    expected = {1: "failure", 2: "skipped", 3: "success"}

    def ran(job_id: int, task_id: int) -> list[str]:
        path = jman.folder / f"ran.{job_id}.{task_id}"
        return path.read_text().split() if path.exists() else []

    def check(ended: Ended) -> bool:
        sql = "SELECT job_id, task_id FROM task WHERE status = 'success'"
        recorded = set(query(jman.database, sql))
        printed = re.findall(r"^success +(\d+)\.(\d+) ", ended.output, re.MULTILINE)
        assert {(int(job_id), int(task_id)) for job_id, task_id in printed} <= recorded
        noted = {key: ran(*key) for key in recorded}
        assert all(lines and lines[-1] == "e" for lines in noted.values())
        last = jman.fresh("--local", "execute", "-p", "2", "--no-progress", code=1)
        assert "Traceback" not in last.err
        assert jman.status() == expected
        assert {key: ran(*key) for key in recorded} == noted, "ran again after its success"
        for job_id, task_id in [(1, 1), (1, 2), (1, 4), (1, 5), (1, 6), (3, 1), (3, 2)]:
            assert ran(job_id, task_id)[-1] == "e"
        assert query(jman.database, "SELECT * FROM runner") == []
        assert not left_in(jman.folder)
        return bool(recorded)

    kill_everywhere(jman, figures, ["--local", "execute", "-p", "2", "--no-progress"], check)


def test_logs_of_a_new_attempt_are_not_taken_for_earlier_ones(jman: Jman) -> None:
    """A resubmission is killed between its commit and the removal of the logs, beside an execute."""
    jman.submit(
        "-t", "1-2", "-l", "logs", "-n", "job", "--", "sh", "-c", "echo attempt $JMAN_ATTEMPT; exit 3"
    )
    jman("execute", code=1)
    process = jman.start("--local", "execute", "--keep-running", "--no-progress")
    wait_until(lambda: query(jman.database, "SELECT * FROM runner"))
    ended = kill_at(jman, Point("unlink", 1), "--local", "resubmit", "--clean")
    assert ended.killed
    sql = "SELECT status, attempt FROM task"
    wait_until(lambda: query(jman.database, sql) == [("failure", 2)] * 2)
    jman("list")  # it, too, would finish the removal
    logs = {path.name: path.read_text() for path in (jman.folder / "logs").iterdir()}
    wanted = {f"job.o1.{task}": "attempt 2\n" for task in (1, 2)} | {f"job.e1.{task}": "" for task in (1, 2)}
    assert logs == wanted
    process.terminate()
    process.wait(20)
