"""What depends on a job starts only as the job stands at that moment, also after a resubmit."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.cli.tools import Jman, wait_until
from tests.faults.executing import suspend

# writes "JOB.TASK begin" and, two state_codes later, "JOB.TASK end" to one journal, in the order of events
JOURNAL = """
name=$JOB_ID.$SGE_TASK_ID; echo "$name begin" >> journal; eval "$1"; code=$?
echo "$name end $code" >> journal; exit $code
"""


def step(what: str) -> tuple[str, ...]:
    return ("sh", "-c", JOURNAL, "step", what)


def journal(folder: Path) -> list[str]:
    path = folder / "journal"
    return path.read_text().splitlines() if path.exists() else []


def test_no_dependent_of_failed_jobs_runs(jman: Jman) -> None:
    """Short jobs, whose dependents are claimed ahead of time."""
    for number in range(60):
        jman("--local", "submit", "false")
        jman("--local", "submit", "-t", "4", "--after-ok", 2 * number + 1, "touch", f"ran{number}")
    jman("--local", "execute", "-p", "2", code=1)
    assert not list(jman.folder.glob("ran*"))
    assert {job["status"] for job in jman.list() if job["id"] % 2 == 0} == {"skipped"}


def test_a_pairing_holds_after_a_resubmit(jman: Jman) -> None:
    first = jman.submit("-t", "1-4", *step("[ -e ok ] && sleep 0.2"))
    jman.submit("-t", "1-4", "--after-corr", first["id"], *step("true"))
    jman("--local", "execute", "-p", "4", code=1)
    assert jman.status() == {1: "failure", 2: "skipped"}
    (jman.folder / "ok").touch()
    (jman.folder / "journal").unlink()
    jman("resubmit")
    jman("--local", "execute", "-p", "4")
    _assert_paired(jman, 4)


def test_a_pairing_holds_after_all_of_it_is_resubmitted(jman: Jman) -> None:
    first = jman.submit("-t", "1-6", *step("sleep 0.1"))
    jman.submit("-t", "1-6", "--after-corr", first["id"], *step("true"))
    jman("--local", "execute", "-p", "4")
    (jman.folder / "journal").unlink()
    jman("resubmit", "-s", "1", "2")
    jman("--local", "execute", "-p", "4")
    _assert_paired(jman, 6)


def _assert_paired(jman: Jman, count: int) -> None:
    seen = journal(jman.folder)
    for task_id in range(1, count + 1):
        assert seen.index(f"1.{task_id} end 0") < seen.index(f"2.{task_id} begin"), seen


def test_resubmitted_beside_an_execute_they_wait_again(jman: Jman) -> None:
    jman.submit(*step("[ -e ok ] && sleep 0.3"))
    jman.submit("-t", "1-3", "-x", "1", *step("[ -e ok ]"))
    jman.submit(*step("until [ -e done ]; do sleep 0.05; done"))
    process = jman.start("--local", "execute", "-p", "5")
    wait_until(lambda: jman.status() == {1: "failure", 2: "failure", 3: "executing"})
    (jman.folder / "ok").touch()
    jman("resubmit", "1", "2")
    wait_until(lambda: jman.status() == {1: "success", 2: "success", 3: "executing"})
    (jman.folder / "done").touch()
    assert process.wait(30) == 0
    seen = journal(jman.folder)
    again = seen[seen.index("1.undefined end 1") + 1 :]
    assert again.index("1.undefined end 0") < min(again.index(f"2.{task} end 0") for task in (1, 2, 3))
    second = [n for n, line in enumerate(seen) if line.startswith("2.") and line.endswith("begin")][3:]
    assert len(second) == 3 and min(second) > seen.index("1.undefined end 0")


@pytest.mark.parametrize("option", [[], ["--failed-only"]])
def test_skipped_dependents_are_resubmitted_along(jman: Jman, option: list[str]) -> None:
    jman.submit("-t", "1-3", "sh", "-c", "[ -e ok ] || [ $SGE_TASK_ID != 2 ]")
    jman.submit("--after-ok", "1", "touch", "two")
    jman.submit("--after-ok", "2", "touch", "three")
    jman.submit("--after-ok", "1", "true")
    jman("--local", "execute", "-p", "2", code=1)
    assert jman.status() == {1: "failure", 2: "skipped", 3: "skipped", 4: "skipped"}
    done = jman("resubmit", *option, "1")
    assert [line.split()[2] for line in done.lines if line.startswith("Re-submitted")] == ["1", "2", "3", "4"]
    assert jman.status() == {1: "submitted", 2: "waiting", 3: "waiting", 4: "waiting"}
    (jman.folder / "ok").touch()
    jman("--local", "execute", "-p", "2")
    assert set(jman.status().values()) == {"success"}
    assert {task["attempt"] for task in jman.tasks(1).values()} == {1, 2}


def test_a_dependent_of_another_failed_job_stays_skipped(jman: Jman) -> None:
    jman.submit("sh", "-c", "[ -e ok ]")
    jman.submit("false")
    jman.submit("--after-ok", "1", "--after-ok", "2", "true")
    jman("--local", "execute", "-p", "2", code=1)
    (jman.folder / "ok").touch()
    done = jman("resubmit", "1")
    assert [line.split()[2] for line in done.lines if line.startswith("Re-submitted")] == ["1"]
    assert jman.status() == {1: "submitted", 2: "failure", 3: "skipped"}
    assert jman.job(3)["finished_at"] is not None


def test_dependents_can_be_left(jman: Jman) -> None:
    jman.submit("sh", "-c", "[ -e ok ]")
    jman.submit("--after-ok", "1", "touch", "two")
    jman("--local", "execute", code=1)
    done = jman("resubmit", "--no-dependents", "1")
    assert "job 2" in done.err and "skipped" in done.err
    assert jman.status() == {1: "submitted", 2: "skipped"}


def test_a_dependent_that_has_not_started_waits_again(jman: Jman) -> None:
    jman.submit("sh", "-c", "[ -e ok ]")
    jman("--local", "execute", code=1)
    jman.submit("-x", "1", "true")
    jman("--local", "execute", "3-4", code=2)
    jman("stop", "2")
    jman("resubmit", "2")
    jman("resubmit", "1")
    assert jman.status() == {1: "submitted", 2: "waiting"}


def test_one_task_of_a_stopped_pair_runs(jman: Jman) -> None:
    """Its siblings ended without a row of their own: they are not skipped, and count for nothing here."""
    jman.submit("-t", "1-6", "sh", "-c", "[ $SGE_TASK_ID != 1 ]")
    jman("--local", "submit", "--sweep", "a=1-6", "--after-corr", "1", "--", "sh", "-c", "echo {a} >> ran")
    jman("stop", "2")
    jman("resubmit", "2", "--where", "a=5")
    jman("--local", "execute", "-p", "2", code=1)
    assert (jman.folder / "ran").read_text().split() == ["5"]
    assert jman.job(2)["tasks"] == {"success": 1, "stopped": 5}


def test_a_delete_skips_what_is_claimed_ahead(jman: Jman) -> None:
    """Its dependency goes with the job: nothing but this holds it back when its execute goes on."""
    jman.submit("sh", "-c", "while [ ! -e end ]; do sleep 0.01; done")
    jman.submit("--after-ok", "1", "touch", "ran")
    jman.submit("--after-ok", "2", "touch", "ran too")
    jman.submit("-t", "1-600", "true")  # as many short tasks have it claim ahead
    process = jman.start("--local", "execute", "-p", "2")
    wait_until(lambda: jman.job(2)["status"] == "queued")
    suspend(jman, process)
    jman.fresh("stop", "--force", "1")
    jman.fresh("delete", "1")
    assert [jman.job(one)["status"] for one in (2, 3)] == ["skipped", "skipped"]
    process.send_signal(signal.SIGCONT)
    process.wait(20)
    assert jman.status() == {2: "skipped", 3: "skipped", 4: "success"}
    assert not list(jman.folder.glob("ran*"))
