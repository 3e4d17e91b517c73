"""jman delete: every option."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.tools import Jman, pid_in, wait_dead


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", ["delete", "del", "rm", "remove"])
def test_names_of_the_command(jman: Jman, name: str) -> None:
    jman.submit("-l", "logs", "echo", "x")
    jman("execute")
    done = jman("--local", name)
    assert done.lines[0].startswith("Cleaning-up logs for job 1 @local (")
    assert done.lines[1:] == [
        "  removed `logs/echo.o1'",
        "  removed `logs/echo.e1'",
        "  deleted job 1 from database",
    ]
    assert names(jman.folder) == []


@pytest.mark.parametrize("words", [["-j", "1,3"], ["--job-ids", "1", "3"], ["1", "3"]])
def test_job_ids(jman: Jman, words: list[str]) -> None:
    for _ in range(4):
        jman.submit("true")
    jman("delete", *words)
    assert list(jman.status()) == [2, 4]
    assert jman.submit("true")["id"] == 5


def test_an_id_is_not_given_again(jman: Jman) -> None:
    jman("--local", "submit", "-r", "2", "true")
    jman("delete", "2")
    assert jman.submit("true")["id"] == 3


@pytest.mark.parametrize("option", ["-a", "--array-ids"])
def test_array_ids(jman: Jman, option: str) -> None:
    jman.submit("-t", "4", "-l", "logs", "true")
    jman("execute")
    jman("delete", "-j", "1", option, "2", "3")
    assert list(jman.tasks()) == [1, 4]
    assert names(jman.folder / "logs") == ["true.e1.1", "true.e1.4", "true.o1.1", "true.o1.4"]


@pytest.mark.parametrize("option", ["-s", "--status"])
def test_status(jman: Jman, option: str) -> None:
    jman.submit("true")
    jman.submit("false")
    jman("execute", code=1)
    jman("delete", option, "success")
    assert jman.status() == {2: "failure"}


@pytest.mark.parametrize("option", ["-r", "--keep-logs"])
def test_keep_logs(jman: Jman, option: str) -> None:
    jman.submit("-l", "logs", "true")
    jman("execute")
    jman("delete", option)
    assert names(jman.folder) == ["logs"]
    assert names(jman.folder / "logs") == ["true.e1", "true.o1"]


@pytest.mark.parametrize("option", ["-R", "--keep-log-dir"])
def test_keep_log_dir(jman: Jman, option: str) -> None:
    jman.submit("-l", "logs", "true")
    jman("execute")
    jman("delete", option)
    assert names(jman.folder) == ["logs"]
    assert names(jman.folder / "logs") == []


def test_a_log_folder_with_other_files_stays(jman: Jman) -> None:
    jman.submit("-l", "logs", "true")
    jman("execute")
    (jman.folder / "logs/mine").touch()
    jman("delete")
    assert names(jman.folder / "logs") == ["mine"]


def test_a_running_job(jman: Jman) -> None:
    jman.submit("sh", "-c", "echo $$ > pid; exec sleep 1000")
    process = jman.start("execute")
    pid = pid_in(jman.folder / "pid")
    jman("delete")
    wait_dead(pid)
    process.wait(20)
    assert "Traceback" not in jman.output_of(process)
    assert jman.list() == []


def test_says_whom_it_frees_or_skips(jman: Jman) -> None:
    jman.submit("true")
    jman.submit("-x", "1", "true")
    jman.submit("--after-ok", "1", "true")
    text = jman("delete", "1").out
    assert "job 2 waited for it" in text
    assert "job 3 waited for its success, and is skipped" in text
    assert jman.status() == {2: "submitted", 3: "skipped"}


def test_a_dry_run(jman: Jman) -> None:
    jman.submit("-l", "logs", "-t", "1-3", "true")
    jman.submit("-n", "old", "true")
    jman("execute")
    before = jman.database.read_bytes()
    lines = jman("delete", "--dry-run").out.splitlines()
    assert [line[:27] for line in lines] == ["Would delete job 1 @local (", "Would delete job 2 @local ("]
    (line,) = jman("delete", "-z", "1.2,3").out.splitlines()
    assert line.startswith("Would delete tasks 2,3 of job 1 @local (")
    assert "job 2" in jman("delete", "-z", "old").out
    assert "no jobs match" in jman("delete", "-z", "-s", "failure").err
    assert jman.database.read_bytes() == before
    assert len(names(jman.folder / "logs")) == 6
