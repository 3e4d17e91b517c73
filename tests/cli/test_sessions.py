"""The sessions that the README and docs show are what the commands print."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.sessions import ROOT, SESSIONS, TRAIN, follow, session, sessions_of
from tests.cli.tools import Jman, wait_until

ALICE = 12345
"""A user, who needs no name."""


def test_the_session_of_the_readme(jman: Jman) -> None:
    (jman.folder / "train.py").write_text(TRAIN)

    def before(words: list[str]) -> None:
        if words[0] == "resubmit":
            (jman.folder / "mended").touch()

    follow(jman, session("train"), before)


def test_a_sweep(jman: Jman) -> None:
    def before(words: list[str]) -> None:
        if words[0] == "list":
            jman("execute", code=1)

    follow(jman, session("sweep"), before)


def test_a_day_with_three_kinds_of_faults(jman: Jman) -> None:
    shutil.copytree(ROOT / "examples", jman.folder / "examples")
    # a python3 that starts at once, where the one on PATH is a script that looks for it
    jman.variables["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"

    def before(words: list[str]) -> None:
        if words[0] == "failures":
            assert jman.start("execute", "-p", "4").wait(60) == 1

    follow(jman, session("day"), before)


@pytest.mark.root
def test_a_database_of_somebody_else(jman: Jman) -> None:
    seen, execute, copy, *taken = session("sharing")
    jman.submit("sleep", "1")
    jman.submit("-x", "1", "echo", "hi")
    with closing(sqlite3.connect(jman.database)) as connection, connection:
        connection.execute("UPDATE home SET uid = ?", (ALICE,))
    os.chown(jman.database, ALICE, ALICE)
    follow(jman, [seen, execute])
    assert copy.command == "cp /project/alice.sql3 mine.sql3"
    shutil.copy(jman.database, jman.folder / "mine.sql3")
    follow(jman, taken)


def test_a_detached_execute(jman: Jman) -> None:
    jman.submit("true")
    follow(jman, session("detached"))
    wait_until(lambda: jman.status() == {1: "success"})


def test_no_cluster_is_here(jman: Jman) -> None:
    jman.variables |= {"JMAN_CLUSTER": "auto", "PATH": str(jman.folder)}
    follow(jman, session("no cluster"))


def test_all_sessions_are_run_by_a_test() -> None:
    pages = [str(one.relative_to(ROOT)) for one in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))]
    assert {(page, heading) for page in pages for heading in sessions_of(page)} == {*SESSIONS.values()}
