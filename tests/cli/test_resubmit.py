"""jman resubmit: every option."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.tools import Jman, wait_until


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def failed_array(jman: Jman) -> None:
    """Leave an array whose task 3 failed, with logs."""
    jman.submit(
        "-t", "1-7:2", "-l", "logs", "sh", "-c", "echo $SGE_TASK_ID $JMAN_ATTEMPT; [ $SGE_TASK_ID != 3 ]"
    )
    jman("execute", "-p", "2", code=1)


@pytest.mark.parametrize("name", ["resubmit", "reset", "requeue", "re"])
def test_names_of_the_command(jman: Jman, name: str) -> None:
    jman.submit("false")
    jman("execute", code=1)
    done = jman("--local", name)
    assert done.out.startswith("Re-submitted job 1 @local (")
    assert jman.status() == {1: "submitted"}


def test_only_what_did_not_succeed(jman: Jman) -> None:
    jman.submit("true")
    jman.submit("false")
    jman("execute", code=1)
    assert "Re-submitted job 2 " in jman("resubmit").out
    assert jman.status() == {1: "success", 2: "submitted"}
    assert "success" in jman("resubmit", "1").err


@pytest.mark.parametrize("words", [["-j", "1,3"], ["--job-ids", "1", "3"], ["1", "3"]])
def test_job_ids(jman: Jman, words: list[str]) -> None:
    jman("--local", "submit", "-r", "3", "false")
    jman("execute", code=1)
    jman("resubmit", *words)
    assert [status in ("submitted", "waiting") for status in jman.status().values()] == [True, False, True]


def test_failed_only_touches_the_failed_task(jman: Jman) -> None:
    failed_array(jman)
    before = jman.tasks()
    jman("resubmit", "--failed-only")
    after = jman.tasks()
    assert after[3]["status"] == "submitted"
    assert {i: after[i] for i in (1, 5, 7)} == {i: before[i] for i in (1, 5, 7)}
    jman("execute", code=1)
    again = jman.tasks()
    assert {i: again[i]["attempt"] for i in again} == {1: 1, 3: 2, 5: 1, 7: 1}
    logs = jman.folder / "logs"
    assert (logs / "sh.o1.3").read_text() == "3 2\n"
    assert [path.read_text() for path in logs.glob("sh.o1.3?*")] == ["3 1\n"], "the log of the first attempt"


def test_failed_only_leaves_stopped_jobs(jman: Jman) -> None:
    jman.submit("false")
    jman("execute", code=1)
    jman.submit("true")
    jman("stop", "2")
    jman("resubmit", "--failed-only")
    assert jman.status() == {1: "submitted", 2: "stopped"}


def test_clean_removes_logs_of_what_runs_again_only(jman: Jman) -> None:
    failed_array(jman)
    logs = jman.folder / "logs"
    before = names(logs)
    done = jman("--local", "resubmit", "--clean")
    assert done.lines[1:] == ["  removed `logs/sh.o1.3'", "  removed `logs/sh.e1.3'"]
    assert names(logs) == [name for name in before if not name.endswith(".3")]


@pytest.mark.parametrize("words", [["-k"], ["--keep-logs"], ["--clean", "-k"], []])
def test_keep_logs(jman: Jman, words: list[str]) -> None:
    failed_array(jman)
    before = names(jman.folder / "logs")
    assert "removed" not in jman("resubmit", *words).out
    assert names(jman.folder / "logs") == before


@pytest.mark.parametrize("option", ["-s", "--also-success"])
def test_also_success(jman: Jman, option: str) -> None:
    jman.submit("sh", "-c", "echo x >> file")
    jman("execute")
    jman("resubmit", option)
    jman("execute")
    assert (jman.folder / "file").read_text() == "x\nx\n"
    assert jman.tasks()[None]["attempt"] == 2  # type: ignore[index]


@pytest.mark.parametrize(
    "words",
    [
        ["-j", "1", "-o", "echo", "new one", "-j", "9"],
        ["-j", "1", "--overwrite-command", "echo", "new one", "-j", "9"],
    ],
)
def test_overwrite_command(jman: Jman, words: list[str]) -> None:
    jman.submit("-n", "kept", "false")
    jman("execute", code=1)
    jman("resubmit", *words)
    job = jman.job()
    assert (job["command"], job["name"], job["status"]) == (
        ["echo", "new one", "-j", "9"],
        "kept",
        "submitted",
    )
    assert "new one -j 9" in jman("execute").lines


def test_overwrite_command_of_the_only_job(jman: Jman) -> None:
    jman.submit("false")
    jman("re", "-o", "--", "true", "--clean")
    assert jman.job()["command"] == ["true", "--clean"]


def test_skipped_jobs_run_after_their_dependency_does(jman: Jman) -> None:
    jman.submit("sh", "-c", "[ -e there ]")
    jman.submit("--after-ok", "1", "true")
    jman("execute", code=1)
    assert jman.status() == {1: "failure", 2: "skipped"}
    (jman.folder / "there").touch()
    jman("resubmit")
    assert jman.status() == {1: "submitted", 2: "waiting"}
    jman("execute")
    assert jman.status() == {1: "success", 2: "success"}


def test_running_jobs(jman: Jman) -> None:
    jman.submit("sh", "-c", "echo x >> file; [ $JMAN_ATTEMPT = 2 ] || sleep 1000")
    process = jman.start("execute", "--keep-running")
    wait_until(lambda: jman.status()[1] == "executing")
    assert "executing" in jman("resubmit").err
    jman("resubmit", "--running-jobs")
    jman("wait", "--timeout", "20")
    assert (jman.folder / "file").read_text() == "x\nx\n"
    process.terminate()
    assert process.wait(20) == 130


@pytest.fixture
def busy(jman: Jman) -> Jman:
    """Job 1 runs, until there is a file `go` from its second attempt on; others wait for it."""
    again = "[ $JMAN_ATTEMPT = 2 ] || sleep 1000; while [ ! -e go ]; do sleep 0.05; done; echo 1 >> ran"
    jman.submit("sh", "-c", again)
    jman.submit("--after-any", "1", "sh", "-c", "echo 2 >> ran")
    jman.submit("--after-notok", "1", "sh", "-c", "echo 3 >> ran")
    jman.submit("--after-ok", "1", "sh", "-c", "echo 4 >> ran")
    jman.submit("--after-any", "3", "sh", "-c", "echo 5 >> ran")
    jman.start("execute", "--keep-running")
    wait_until(lambda: jman.status()[1] == "executing")
    return jman


@pytest.mark.parametrize("options", [["1"], ["1", "--no-dependents"], []])
def test_what_waits_does_not_start_by_the_stop(busy: Jman, options: list[str]) -> None:
    busy("resubmit", "--running-jobs", *options)
    wait_until(lambda: busy.status()[1] == "executing")
    assert [busy.status()[number] for number in (2, 3, 4, 5)] == ["waiting"] * 4
    (busy.folder / "go").touch()
    busy("wait", "--timeout", "20", code=1)
    assert busy.status() == {1: "success", 2: "success", 3: "skipped", 4: "success", 5: "skipped"}
    first, *others = (busy.folder / "ran").read_text().split()
    assert (first, sorted(others)) == ("1", ["2", "4"])


def test_a_command_that_dies_after_the_stop(busy: Jman, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it leaves is as it says, nothing more starts, and the same command does the rest."""

    async def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("asyncjman.scheduler.stopping_first.until_stopped", die)
        busy("resubmit", "--running-jobs", "1", code=130)
    wait_until(lambda: busy.status()[1] == "stopped")
    assert busy.status() == {1: "stopped"} | dict.fromkeys((2, 3, 4, 5), "skipped")
    assert "4 ← 1 was stopped" in busy("why", "4").out
    assert not (busy.folder / "ran").exists()
    busy("resubmit", "--running-jobs", "1")
    (busy.folder / "go").touch()
    busy("wait", "--timeout", "20", code=1)
    assert busy.status() == {1: "success", 2: "success", 3: "skipped", 4: "success", 5: "skipped"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-j", "1", "-o", "no-such-command"], "command not found: no-such-command"),
        (["1", "2", "--to", "nowhere"], "no engine 'nowhere'"),
        (["1", "--failed-only"], "leave out one of --running-jobs and --failed-only"),
    ],
)
def test_nothing_is_stopped_for_what_makes_no_sense(busy: Jman, words: list[str], said: str) -> None:
    assert said in busy("resubmit", "--running-jobs", *words, code=2).err
    assert busy.status() == {1: "executing"} | dict.fromkeys((2, 3, 4, 5), "waiting")


def test_what_can_not_be_stopped_is_not_resubmitted(busy: Jman, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asyncjman.scheduler.stopping.GRACE_SECONDS", 0.5)
    execute = busy.started[-1]
    execute.send_signal(signal.SIGSTOP)
    try:
        said = busy("resubmit", "--running-jobs", "1", code=3).err
        assert f"kill -CONT {execute.pid}" in said
        assert said.endswith("nothing runs again as yet: give this command again then\n")
    finally:
        execute.send_signal(signal.SIGCONT)
    wait_until(lambda: busy.status()[1] == "stopped")
    assert busy.status() == {1: "stopped"} | dict.fromkeys((2, 3, 4, 5), "skipped")


def test_what_is_not_resubmitted_stays_as_it_is(jman: Jman) -> None:
    """No change without a resubmission, whichever option asks for it."""
    jman.submit("true")
    jman("execute")
    before = jman("list", "-l", "--json").out
    for options in (["-q", "long.q", "-m", "4G"], ["--time", "60"], ["--to", "sge"]):
        assert "nothing to re-submit" in jman("resubmit", *options, "1").err
        assert jman("list", "-l", "--json").out == before
    assert "nothing to re-submit" in jman("resubmit", "-j", "1", "-o", "false").err
    assert jman("list", "-l", "--json").out == before


def test_all_or_nothing(jman: Jman) -> None:
    """One job that can't be moved leaves all as they are."""
    jman.submit("false")
    jman.submit("sh", "-c", "touch began; sleep 1000")
    process = jman.start("execute")
    wait_until(lambda: (jman.folder / "began").exists() and jman.status()[2] == "executing")
    done = jman("resubmit", "--to", "sge", "1", "2", code=2)
    assert "job 2 is executing" in done.err
    assert (jman.status()[1], jman.job()["executor"]) == ("failure", "local")
    process.terminate()
    process.wait(20)


@pytest.mark.parametrize("length", [2, 2000])
def test_jobs_that_wait_for_each_other_are_refused(jman: Jman, length: int) -> None:
    """No command makes such jobs; a database that somebody changed may hold them."""
    jman("--local", "submit", "--repeat", length, "true")
    with closing(sqlite3.connect(jman.database, isolation_level=None)) as connection:
        connection.execute("INSERT INTO dependency VALUES (1, ?, 'any')", (length,))
    done = jman("resubmit", "1", code=2)
    assert done.err.startswith("jman: jobs wait for each other: ")
    path = done.err.strip().rpartition(": ")[2].split(" -> ")
    assert path[0] == path[-1] and len(path) == length + 1


def test_what_is_left_is_named_with_the_option_that_takes_it(jman: Jman) -> None:
    jman.submit("-t", "2", "sh", "-c", "[ $SGE_TASK_ID = 1 ]")
    jman.submit("--after-ok", "1", "true")
    jman("execute", code=1)
    said = {
        ("1.1",): "1 success (--also-success takes these too)",
        ("2", "--failed-only"): "1 skipped (--failed-only leaves these)",
        ("1.2", "--cause", "timeout"): "1 failure (--cause leaves these)",
    }
    for words, line in said.items():
        assert jman("resubmit", *words).err.splitlines() == [f"nothing to re-submit: {line}"]
