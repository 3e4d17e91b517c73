"""jman list: every option."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.cli.tools import Jman


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jman]:
    """1 succeeded, 2 is an array whose task 3 failed, 3 was skipped, 4 to 6 never ran; only read here."""
    jman = Jman(tmp_path_factory.mktemp("list") / "work")
    jman.folder.mkdir()
    jman.submit("-n", "first", "-s", "A=1 2", "-l", "logs", "true")
    jman.submit("-t", "1-7:2", "sh", "-c", "[ $SGE_TASK_ID != 3 ] || exit 5")
    jman.submit("-x", "1", "--after-ok", "2", "-n", "first", "true")
    jman("execute", "-p", "2", code=1)
    jman.submit("-n", "late", "true")
    jman.submit("-n", "late", "-x", "4", "true")
    jman.submit("-t", "2", "true")
    yield jman
    jman.close()


@pytest.fixture(autouse=True, params=["quick", "whole"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test both ways: what is usual is answered by cli/quick.py, and as if there were none."""
    if request.param == "whole":
        monkeypatch.setattr("asyncjman.cli.main.answer", lambda *_, **__: None)


def ids(jman: Jman, *words: str) -> list[int]:
    return [int(line) for line in jman("list", "-o", *words).lines]


@pytest.mark.parametrize("name", ["list", "ls"])
def test_shape(ran: Jman, name: str) -> None:
    lines = ran("--local", name, "4").lines
    assert lines[0] == "job-id  queue  status     age  name  arguments"
    assert lines[1] == "======  =====  =========  ===  ====  ========="
    assert lines[2].split()[0:3] == ["4", "local", "submitted"]
    assert lines[2].split()[4:] == ["late", "true"]


def test_columns_appear_with_something_to_show(ran: Jman) -> None:
    assert "tasks" not in ran("list", "1").lines[0]
    assert "name" not in ran("list", "2").lines[0]
    assert "4/4, 1 failure" in ran("list", "2").out
    assert "0/2" in ran("list", "6").out


@pytest.mark.parametrize(
    "words", [["-j", "2,4-5"], ["--job-ids", "2", "4+1"], ["2", "4-5"], ["-j", "2", "4", "5"]]
)
def test_job_ids(ran: Jman, words: list[str]) -> None:
    assert ids(ran, *words) == [2, 4, 5]


@pytest.mark.parametrize("words", [["-n", "first"], ["--names", "first"]])
def test_names(ran: Jman, words: list[str]) -> None:
    assert ids(ran, *words) == [1, 3]


def test_several_names(ran: Jman) -> None:
    assert ids(ran, "-n", "first", "-n", "late") == [1, 3, 4, 5]
    assert ids(ran, "-n", "first", "late") == [1, 3, 4, 5]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["-s", "success"], [1]),
        (["--status", "failure"], [2]),
        (["-s", "skipped", "failure"], [2, 3]),
        (["-s", "submitted", "-s", "waiting"], [4, 5, 6]),
        (["-s", "submitted", "-n", "late"], [4]),
        (["-s", "submitted", "5-6"], [6]),
    ],
)
def test_status(ran: Jman, words: list[str], found: list[int]) -> None:
    assert ids(ran, *words) == found


@pytest.mark.parametrize("option", ["-a", "--print-array-jobs"])
def test_array_jobs(ran: Jman, option: str) -> None:
    lines = ran("list", option).lines
    rows = {line.split()[0]: line for line in lines[2:]}
    assert list(rows) == ["1", "2", "2.1", "2.3", "2.5", "2.7", "3", "4", "5", "6", "6.1", "6.2"]
    assert "failure (5)" in rows["2.3"]
    assert "success" in rows["2.7"]
    assert "submitted" in rows["6.2"]


@pytest.mark.parametrize("option", ["-l", "--long"])
def test_long(ran: Jman, option: str) -> None:
    text = ran("list", option, "1").out
    for word in (str(ran.folder), "logs", "A=1 2"):
        assert word in text, word
    assert "ok:2" in ran("list", option, "3").out


@pytest.mark.parametrize("option", ["-t", "--print-times"])
def test_times(ran: Jman, option: str) -> None:
    lines = ran("list", option, "1").lines
    for title in ("submitted", "started", "finished", "time", "cpu", "memory"):
        assert title in lines[0]
    assert lines[2].count(":") >= 6


@pytest.mark.parametrize("option", ["-x", "--print-dependencies"])
def test_dependencies(ran: Jman, option: str) -> None:
    lines = ran("list", option, "3", "5").lines
    assert "dependencies" in lines[0]
    assert "1,ok:2" in lines[2]
    assert " 4 " in lines[3]


@pytest.mark.parametrize("option", ["-o", "--ids-only"])
def test_ids_only(ran: Jman, option: str) -> None:
    assert ran("list", option).out == "1\n2\n3\n4\n5\n6\n"


NAMES = [
    "id",
    "grid_id",
    "name",
    "executor",
    "queue",
    "status",
    "exit_status",
    "signal",
    "reason",
    "command",
    "exec_dir",
    "log_dir",
    "array",
    "dependencies",
    "submitted_at",
    "started_at",
    "finished_at",
    "cpu_seconds",
    "peak_memory_bytes",
    "host",
    "tasks",
]
TASK_NAMES = [
    "id",
    "status",
    "exit_status",
    "signal",
    "attempt",
    "started_at",
    "finished_at",
    "cpu_seconds",
    "peak_memory_bytes",
    "stdout",
    "stderr",
]


def test_json(ran: Jman) -> None:
    jobs = {job["id"]: job for job in ran.list()}
    assert list(jobs) == [1, 2, 3, 4, 5, 6]
    assert all(set(NAMES) <= set(job) for job in jobs.values())
    assert jobs[1]["tasks"] == {"success": 1}
    assert jobs[2]["tasks"] == {"success": 3, "failure": 1}
    assert (jobs[2]["status"], jobs[2]["exit_status"]) == ("failure", 5)
    assert jobs[3]["status"] == "skipped"
    assert jobs[3]["dependencies"] == [{"id": 1, "kind": "any"}, {"id": 2, "kind": "ok"}]
    assert (jobs[1]["executor"], jobs[1]["queue"], jobs[1]["grid_id"]) == ("local", "local", None)
    assert jobs[1]["host"] == os.uname().nodename


def test_json_with_tasks(ran: Jman) -> None:
    jobs = {job["id"]: job for job in ran.list("-a")}
    assert [task["id"] for task in jobs[2]["tasks"]] == [1, 3, 5, 7]
    assert all(set(TASK_NAMES) <= set(task) for job in jobs.values() for task in job["tasks"])
    assert jobs[2]["tasks"][1]["exit_status"] == 5
    assert [task["stdout"] for task in jobs[1]["tasks"]] == [str(ran.folder / "logs" / "first.o1")]


def test_json_of_nothing_is_an_empty_array(ran: Jman, jman: Jman) -> None:
    assert ran.list("-n", "nobody") == []
    assert jman.list() == []


def test_a_long_list_comes_in_pages(jman: Jman, monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns grow from page to page, and a page with more columns has a head of its own."""
    monkeypatch.setattr("asyncjman.cli.listing.PAGE", 2)
    for words in (["true"], ["true"], ["echo", "1"], ["true"]):
        jman.submit(*words)
    jman.submit("--name", "late", "true")
    lines = jman("list").lines
    heads = [line for line in lines if "job-id" in line]
    assert [("name" in head.split()) for head in heads] == [False, True]
    assert [line.split()[0] for line in lines if line.strip()[0].isdigit()] == ["1", "2", "3", "4", "5"]
    assert "late" in lines[-1]


def test_a_name_may_be_the_one_of_the_command(jman: Jman) -> None:
    jman.submit("sh", "-c", "true")
    jman.submit("-n", "sh", "true")
    jman.submit("true")
    assert jman("list", "-n", "sh", "-o").lines == ["1", "2"]
    assert jman("list", "-n", "sh", "-o", "2-3").lines == ["2"]
    assert "no jobs match" in jman("list", "-n", "nosuch").err


def test_a_command_is_looked_for_in_its_folder_then_here(jman: Jman) -> None:
    (jman.folder / "there").mkdir()
    for path in ("both", "there/both", "here"):
        file = jman.folder / path
        file.write_text(f"#!/bin/sh\necho {path} in $(basename $PWD)\n")
        file.chmod(0o755)
    for name in ("./both", "./here"):
        jman("--local", "submit", "-d", "there", name)
    out = jman("--local", "execute").out
    assert "there/both in there" in out and "here in there" in out
