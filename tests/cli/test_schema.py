"""A database that something else changed is refused in words; one of an earlier version opens."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from asyncjman.store import schema
from asyncjman.store.migrate import earlier, latest_version
from tests.cli.tools import Jman
from tests.making import make_older

COMMANDS = (
    ["list"],
    ["list", "-a", "--json"],
    ["report"],
    ["why"],
    ["wait"],
    ["stop"],
    ["delete"],
    ["resubmit"],
    ["debug", "1"],
    ["communicate"],
    ["--local", "execute"],
    ["--local", "submit", "true"],
)


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for one in statements:
            connection.execute(one)


@pytest.fixture
def filled(jman: Jman) -> Jman:
    jman.submit("-t", "1-3", "true")
    jman.submit("-x", "1", "true")
    jman("--local", "execute", "-j", "1")
    return jman


@pytest.mark.parametrize(
    ("statements", "words"),
    [
        (
            ["CREATE TRIGGER evil AFTER UPDATE ON meta BEGIN DELETE FROM job; END"],
            "it has a trigger 'evil'",
        ),
        (["CREATE VIEW evil AS SELECT 1"], "it has a view 'evil'"),
        (["CREATE TABLE evil (x)"], "it has a table 'evil'"),
        (["CREATE VIRTUAL TABLE evil USING fts4(x)"], "'evil"),
        (["CREATE INDEX evil ON job (abs(id))"], "it has an index 'evil'"),
        (["ALTER TABLE job ADD COLUMN evil TEXT"], "its table 'job' is not as asyncjman makes it"),
        (["DROP TRIGGER task_deleted"], "its trigger 'task_deleted' is missing"),
        (["DROP TABLE attempt"], "its table 'attempt' is missing"),
        (
            [
                "DROP TRIGGER task_deleted",
                "CREATE TRIGGER task_deleted AFTER DELETE ON task BEGIN SELECT 1; END",
            ],
            "its trigger 'task_deleted' is not as asyncjman makes it",
        ),
    ],
)
def test_a_changed_schema_is_refused_in_words(filled: Jman, statements: list[str], words: str) -> None:
    change(filled.database, *statements)
    before = filled.database.read_bytes()
    for command in COMMANDS:
        done = filled(*command, code=3)
        assert "submitted.sql3 was changed by something else" in done.err and words in done.err, done
        assert len(done.err.splitlines()) == 1
    assert filled.database.read_bytes() == before


def test_a_table_in_place_of_which_there_is_a_view(filled: Jman) -> None:
    change(
        filled.database,
        "ALTER TABLE status_count RENAME TO other",
        "CREATE VIEW status_count AS SELECT * FROM other",
    )
    assert "asyncjman did not make" in filled("list", code=3).err


def test_statistics_of_sqlite_are_no_change(filled: Jman) -> None:
    change(filled.database, "ANALYZE")
    assert filled.status() == {1: "success", 2: "waiting"}


@pytest.mark.parametrize("version", [one for one in earlier() if one < latest_version()])
def test_databases_of_earlier_versions_open(filled: Jman, version: int) -> None:
    make_older(filled.database, version)
    assert filled.status() == {1: "success", 2: "waiting"}
    filled("--local", "execute")
    assert filled.status() == {1: "success", 2: "success"}


def test_a_trigger_in_an_earlier_version_is_not_carried_out_by_its_migration(filled: Jman) -> None:
    """A migration changes rows, too."""
    make_older(filled.database, 2)
    change(
        filled.database, "CREATE TRIGGER evil AFTER UPDATE ON job BEGIN UPDATE job SET command = '[]'; END"
    )
    before = filled.database.read_bytes()
    assert "trigger 'evil'" in filled("list", code=3).err
    assert filled.database.read_bytes() == before


def test_the_digest_is_that_of_the_latest_version() -> None:
    """Else each command makes that version anew, to compare."""
    assert schema.digest(schema._made_by_us(latest_version())) == schema.LATEST
