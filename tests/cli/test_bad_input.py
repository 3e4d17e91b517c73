"""Bad input: one line that names the thing, the right exit code, and nothing changed."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.tools import Jman, Result


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jman]:
    """A folder with three jobs: one plain, an array of four, one that waits. Nothing here may change it."""
    jman = Jman(tmp_path_factory.mktemp("bad") / "work")
    jman.folder.mkdir()
    jman.submit("true")
    jman.submit("-t", "1-4", "true")
    jman.submit("-x", "1", "true")
    yield jman
    jman.close()


def check(result: Result, *named: str) -> None:
    assert result.out == ""
    assert result.err.endswith("\n")
    assert result.err.count("\n") == 1, result.err
    assert result.err.startswith("jman: ")
    assert result.err.rstrip("\n").isprintable()
    for one in named:
        assert one in result.err


USAGE: list[tuple[list[str], str]] = [
    *(
        (["-l", "submit", "-t", spec, "true"], spec)
        for spec in (
            "0",
            "0-3",
            "5-2",
            "1-5:0",
            "a",
            "1-",
            "1,1",
            "1-3,2",
            "1%0",
            "1%x",
            "99999999999",
            "1-2-3",
        )
    ),
    (["-l", "submit", "-t", "", "true"], "array"),
    (["-l", "submit", "-x", "99", "true"], "99"),
    (["-l", "submit", "-x", "1-4", "true"], "4"),
    (["-l", "submit", "--after-ok", "x", "true"], "'x'"),
    (["-l", "submit", "--after-any", "3-1", "true"], "3-1"),
    (["-l", "submit", "-x", "", "true"], "id"),
    (["-l", "submit", "--after-corr", "1", "true"], "--after-corr 1"),
    (["-l", "submit", "--after-corr", "1", "-t", "2", "true"], "job 1 has no array"),
    (["-l", "submit", "--after-corr", "2", "-t", "3-5", "true"], "no task 5"),
    (["-l", "submit", "-d", "no-such-folder", "true"], "no-such-folder"),
    (["-l", "submit", "-s", "NOEQUALS", "true"], "'NOEQUALS'"),
    (["-l", "submit", "-s", "=value", "true"], "'=value'"),
    (["-l", "submit", "-r", "0", "true"], "--repeat"),
    (["-l", "submit", "-r", "x", "true"], "--repeat"),
    (["-l", "submit"], "COMMAND"),
    (["-l", "submit", ""], "command"),
    (["-l", "submit", "no-such-command"], "no-such-command"),
    (["-l", "submit", "--no-such-option", "true"], "--no-such-option"),
    (["-l", "submit", "/"], "/"),
    (["no-such-command"], "no-such-command"),
    (["--no-such-option"], "--no-such-option"),
    (["list", "99"], "99"),
    (["list", "x"], "'x'"),
    (["list", "3-1"], "3-1"),
    (["list", "-1"], "-1"),
    (["list", "-j", ""], "id"),
    (["list", "-s", "nonsense"], "nonsense"),
    (["list", "1,99"], "99"),
    (["report", "99"], "99"),
    (["report", "2", "-a", "9"], "9"),
    (["report", "1", "-a", "1"], "1"),
    (["report", "-a", "1"], "--array-ids"),
    (["resubmit", "99"], "99"),
    (["resubmit", "-j", "1", "-o", "no-such-command"], "no-such-command"),
    (["resubmit", "-j", "1", "2", "-o", "true"], "one job"),
    (["stop", "99"], "99"),
    (["stop", "2", "-a", "5"], "5"),
    (["delete", "99"], "99"),
    (["delete", "2", "-a", "5"], "5"),
    (["wait", "99"], "99"),
    (["wait", "--timeout", "soon"], "--timeout"),
    (["wait", "--timeout", "-1"], "--timeout"),
    (["execute", "-j", "99"], "99"),
    (["execute", "-p", "0"], "--parallel"),
    (["execute", "-p", "many"], "many"),
    (["execute", "-n", "99"], "--nice"),
    (["execute", "-s", "x"], "--sleep-time"),
]


@pytest.mark.parametrize(("words", "named"), USAGE, ids=[" ".join(words) or "none" for words, _ in USAGE])
def test_usage(filled: Jman, words: list[str], named: str) -> None:
    before = filled.database.read_bytes()
    check(filled(*words, code=2), named)
    assert filled.database.read_bytes() == before
    assert [path.name for path in filled.folder.iterdir()] == ["submitted.sql3"]


COMMANDS = (["list"], ["-l", "submit", "true"], ["execute"], ["delete"])


def refused(jman: Jman, *named: str) -> None:
    """The database is refused by all kinds of commands, and left as it is."""
    before = jman.database.read_bytes() if jman.database.is_file() else b""
    for words in COMMANDS:
        check(jman(*words, code=3), "submitted.sql3", *named)
        if jman.database.is_file():
            assert jman.database.read_bytes() == before
        assert [path.name for path in jman.folder.iterdir()] == ["submitted.sql3"]


def test_no_database_but_text(jman: Jman) -> None:
    jman.database.write_text("my notes\n" * 100)
    refused(jman, "not a database")


def test_no_database_but_a_folder(jman: Jman) -> None:
    jman.database.mkdir()
    refused(jman, "folder")


def make_database(path: Path, sql: str) -> None:
    connection = sqlite3.connect(path)
    connection.executescript(sql)
    connection.close()


def test_database_of_gridtk(jman: Jman) -> None:
    make_database(jman.database, 'CREATE TABLE "Job" (id INTEGER); CREATE TABLE "ArrayJob" (id INTEGER);')
    refused(jman, "gridtk")


def test_database_of_another_program(jman: Jman) -> None:
    make_database(jman.database, "CREATE TABLE photos (id INTEGER);")
    refused(jman, "other program")


def test_database_of_a_newer_schema(jman: Jman) -> None:
    jman.submit("true")
    make_database(jman.database, "PRAGMA user_version = 9999; PRAGMA journal_mode = DELETE;")
    refused(jman, "newer", "9999")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write all")
def test_database_without_permission(jman: Jman) -> None:
    jman.submit("true")
    jman.database.chmod(0)
    try:
        for words in COMMANDS:
            check(jman(*words, code=3), "submitted.sql3")
    finally:
        jman.database.chmod(0o600)
    assert jman.status() == {1: "submitted"}


def test_folder_of_the_database_is_not_there(jman: Jman) -> None:
    for words in COMMANDS:
        check(jman("--db", "no/such.sql3", *words, code=3), "no/such.sql3")
    assert list(jman.folder.iterdir()) == []


def test_environment_names_the_database(jman: Jman) -> None:
    (jman.folder / "text").write_text("text\n" * 100)
    check(jman("list", code=3, env={"JMAN_DATABASE": "text"}), "text")


def test_selections_that_match_nothing_say_so(filled: Jman) -> None:
    before = filled.database.read_bytes()
    for words in (
        ["list", "-n", "nobody"],
        ["list", "-s", "failure"],
        ["report", "-n", "nobody"],
        ["report"],
        ["resubmit", "-j", "10-20"],
    ):
        done = filled(*words, code=None)
        assert done.out == "", words
        assert done.err.strip(), words
    assert filled.database.read_bytes() == before


@pytest.mark.parametrize("command", ["list", "report", "stop", "delete", "wait", "execute", "resubmit"])
def test_nothing_there_is_said_and_nothing_made(jman: Jman, command: str) -> None:
    done = jman(command)
    assert done.out == ""
    assert "no jobs" in done.err or "no finished jobs" in done.err or "nothing" in done.err
    assert list(jman.folder.iterdir()) == []


def test_a_cycle_through_a_hand_made_database_is_refused(jman: Jman) -> None:
    jman("-l", "submit", "-r", "2", "true")
    make_database(jman.database, "INSERT INTO dependency (job_id, on_job, kind) VALUES (1, 2, 'any');")
    done = jman("resubmit", "1", code=2)
    check(done, "1 -> 2")


def test_damaged_database(jman: Jman) -> None:
    jman.submit("true")
    data = jman.database.read_bytes()
    jman.database.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))
    before = jman.database.read_bytes()
    for words in (["list"], ["-l", "submit", "true"]):
        check(jman(*words, code=3), "submitted.sql3")
        assert jman.database.read_bytes() == before


def test_overwrite_without_a_command(jman: Jman) -> None:
    jman.submit("true")
    check(jman("resubmit", "-j", "1", "-o", code=2), "command")


def test_overwrite_with_a_plain_id(jman: Jman) -> None:
    jman.submit("true")
    jman("resubmit", "1", "-o", "echo", "hi")
    assert jman.job()["command"] == ["echo", "hi"]


def test_delete_that_matches_nothing_changes_nothing(jman: Jman) -> None:
    jman.submit("true")
    before = jman.database.read_bytes()
    jman("delete", "-s", "success")
    assert jman.database.read_bytes() == before


@pytest.mark.parametrize("option", ["--local", "--database=other", "-v"])
def test_an_option_that_stands_before_the_command(filled: Jman, option: str) -> None:
    result = filled.fresh("list", option, code=2)
    check(result, f"put {option.partition('=')[0]} before list")


@pytest.mark.parametrize(
    ("words", "help_"),
    [(["--locl", "list"], "jman"), (["lst"], "jman"), (["list", "--jsn"], "jman list")],
)
def test_whose_help_is_named(filled: Jman, words: list[str], help_: str) -> None:
    check(filled.fresh(*words, code=2), f"(see {help_} --help)")


@pytest.mark.parametrize(
    "words",
    [
        ["list"],
        ["report", "1"],
        ["why", "1"],
        ["failures"],
        ["wait", "1"],
        ["stop", "1"],
        ["resubmit", "1"],
        ["delete", "1"],
        ["execute"],
        ["parallel", "2"],
        ["debug", "1"],
        ["communicate"],
        ["take-over"],
        ["doctor"],
        ["--local", "submit", "true"],
        ["--local", "submit", "--dry-run", "true"],
    ],
)
def test_a_cluster_that_there_is_not(filled: Jman, words: list[str]) -> None:
    before = filled.database.read_bytes()
    check(filled("--cluster", "foo", *words, code=2), "no cluster 'foo': there are sge, slurm")
    assert filled.database.read_bytes() == before


@pytest.mark.parametrize("words", [["doctor"], ["--local", "submit", "true"], ["execute"]])
def test_settings_that_name_a_cluster_that_there_is_not(filled: Jman, words: list[str]) -> None:
    """As of all that is set: where the settings are read."""
    before = filled.database.read_bytes()
    check(filled(*words, code=2, env={"JMAN_CLUSTER": "foo"}), "no cluster 'foo': there are sge, slurm")
    assert filled.database.read_bytes() == before
