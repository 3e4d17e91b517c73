"""A folder that somebody else prepared, names that play with the terminal, what is stored."""

from __future__ import annotations

import os
import pickle
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.tools import Jman, on_terminal
from tests.faults.tools import query

EVIL = "\x1b]0;owned\x07\x1b[31mred\x9b31m"


def test_escapes_never_reach_a_terminal(jman: Jman) -> None:
    jman("--local", "submit", "--name", EVIL, "--log-dir", "logs", "--", "printf", EVIL)
    jman("--local", "execute")
    for words in (["list"], ["list", "-l"], ["report"], ["why", "1"]):
        _, seen = on_terminal(jman, *words).finish()
        assert "\x1b]0;" not in seen and "\x1b[31mred" not in seen and "\x9b" not in seen, words
        assert "\x07" not in seen, words


@pytest.mark.parametrize("letter", ["o", "e"])
def test_a_link_in_place_of_a_log_is_not_followed(jman: Jman, tmp_path: Path, letter: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious\n")
    (jman.folder / "logs").mkdir()
    (jman.folder / "logs" / f"sh.{letter}1").symlink_to(victim)
    jman("--local", "submit", "--log-dir", "logs", "--", "sh", "-c", "echo out; echo err >&2")
    jman("--local", "execute", code=1)
    assert "symbolic link" in query(jman.database, "SELECT reason FROM task")[0][0]
    assert victim.read_text() == "precious\n"
    jman("--local", "delete")
    assert victim.read_text() == "precious\n"


def test_delete_follows_no_link_in_place_of_the_spool(jman: Jman, tmp_path: Path) -> None:
    jman("--local", "submit", "--", "true")
    token = query(jman.database, "SELECT token FROM job")[0][0]
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious").write_text("")
    spool = jman.folder / "submitted.sql3.spool"
    spool.mkdir()
    (spool / (token or "none")).symlink_to(elsewhere)
    jman("--local", "delete")
    assert (elsewhere / "precious").exists()


def test_no_command_loads_a_pickle(jman: Jman, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a pickle was loaded")

    jman("--local", "submit", "--", "true")
    monkeypatch.setattr(pickle, "loads", refuse)
    monkeypatch.setattr(pickle, "load", refuse)
    monkeypatch.setattr(pickle, "Unpickler", refuse)
    for words in (
        ["list", "-a"],
        ["--local", "execute"],
        ["report"],
        ["why"],
        ["--local", "stop"],
        ["doctor"],
    ):
        jman(*words, code=None)
    jman("--local", "delete")


def test_database_is_made_with_the_umask(jman: Jman) -> None:
    before = os.umask(0o077)
    try:
        jman("--local", "submit", "--", "true")
    finally:
        os.umask(before)
    assert stat.S_IMODE(jman.database.stat().st_mode) == 0o600


def test_environment_is_stored_only_where_named(jman: Jman) -> None:
    jman("--local", "submit", "-s", "NAMED=yes", "--", "true", env={"SECRET_THING": "hunter2hunter2"})
    with closing(sqlite3.connect(jman.database)) as connection:
        text = "\n".join(connection.iterdump())
    assert "NAMED" in text
    assert "SECRET_THING" not in text and "hunter2hunter2" not in text


@pytest.fixture
def foreign(jman: Jman, tmp_path: Path) -> Path:
    """A folder that a link named ``logs``, made by another user, leads to."""
    if os.geteuid() != 0:
        pytest.skip("only root can make links of other users")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (jman.folder / "logs").symlink_to(elsewhere)
    return elsewhere


def give_link_away(jman: Jman) -> None:
    os.lchown(jman.folder / "logs", 12345, 12345)


@pytest.mark.parametrize("log_dir", ["logs", "logs/deep", "ABSOLUTE"])
def test_a_log_folder_of_another_users_link_is_refused(jman: Jman, foreign: Path, log_dir: str) -> None:
    log_dir = str(jman.folder / "logs") if log_dir == "ABSOLUTE" else log_dir
    submit = ("--local", "submit", "--log-dir", log_dir, "--name", "job", "--", "echo", "hello")
    jman(*submit)
    jman("--local", "execute")
    ours = sorted(path.name for path in foreign.rglob("job.*"))
    assert ours == ["job.e1", "job.o1"], "a user's own link to another disk is followed"
    give_link_away(jman)
    refused = jman(*submit, code=3)
    assert "symbolic link of another user (uid 12345)" in refused.err
    # the link may come after the job
    jman("--local", "resubmit", "--also-success")
    jman("--local", "execute", code=1)
    assert "symbolic link of another user" in query(jman.database, "SELECT reason FROM task")[0][0]
    assert "symbolic link of another user" in jman("--local", "delete", code=None).err
    assert sorted(path.name for path in foreign.rglob("job.*")) == ours
    assert sorted(path.name for path in foreign.rglob("deep")) == (["deep"] if "deep" in log_dir else [])


def test_links_on_the_way_to_the_users_own_folder_are_followed(jman: Jman, foreign: Path) -> None:
    """Sites link to their disks by accounts that aren't root's."""
    give_link_away(jman)
    there = Jman(jman.folder / "logs")
    there("--local", "submit", "--log-dir", "results", "--name", "job", "--", "echo", "hello")
    there("--local", "execute")
    assert (foreign / "results" / "job.o1").read_text() == "hello\n"
    there("--local", "delete")
    assert list(foreign.iterdir()) == []
