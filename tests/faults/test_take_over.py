"""``jman take-over``: a database becomes one's own, and nothing of it runs by itself afterwards."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.terminal import on_terminal
from tests.cli.tools import Jman, wait_until
from tests.faults.cell import Cell
from tests.faults.test_owner import COMMANDS, STRANGER, Prepared, contents, give_away, prepared
from tests.faults.tools import assert_sound, query

__all__ = ["prepared"]
AFTER = ["stopped", "stopped", "success", "stopped", "stopped", "stopped"]


def statuses(jman: Jman) -> list[str]:
    return [job["status"] for job in jman.list()]


def assert_quiet(jman: Jman, cell: Cell) -> None:
    """All that a user may type next: nothing is sent, asked, started or removed by it."""
    logs = contents(jman.folder / "logs")
    for words in (["list"], ["list", "-t"], ["report"], ["why"], ["wait"], ["communicate"]):
        jman(*words, code=None)
    assert jman("--local", "execute", code=1).lines in ([], [""])
    assert statuses(jman) == AFTER
    assert {name: cell.calls(name) for name in COMMANDS} == {name: [] for name in COMMANDS}
    assert not (jman.folder / "sent").exists() and not (jman.folder / "ran").exists()
    assert contents(jman.folder / "logs") == logs
    assert_sound(jman.database)


def test_a_copy_becomes_a_database_of_its_own(prepared: Prepared) -> None:
    original, cell = prepared.jman, prepared.cell
    there = original.folder.parent / "copy"
    shutil.copytree(original.folder, there)
    copy = Jman(there, original.variables)
    before = contents(original.folder)
    done = copy("take-over", "--yes")
    assert (
        f"submitted.sql3 is a copy of {original.database} (6 jobs; job 1,2,4-6 becomes stopped)" in done.out
    )
    assert "Took submitted.sql3 over, stopped job 1,2,4-6" in done.out
    assert "what the cluster has as 1, 2 is the original's" in done.out
    assert contents(original.folder) == before
    assert sorted(path.name for path in there.iterdir() if path.name.startswith("submitted")) == [
        "submitted.sql3",
        "submitted.sql3.spool",
    ]
    assert_quiet(copy, cell)
    assert cell.listed() == [1]
    # it works on, under another name on the cluster; a job's folder is what it was
    copy("resubmit", "5")
    copy("--local", "execute", "-j", "5")
    assert (original.folder / "ran").exists()
    assert query(copy.database, "SELECT token FROM meta") != query(
        original.database, "SELECT token FROM meta"
    )
    assert copy("take-over").out == "submitted.sql3 is yours already\n"


@pytest.mark.root
def test_root_takes_over_what_is_another_users(prepared: Prepared) -> None:
    """In a new file: the former owner may have the old one open, and write it."""
    jman, cell = prepared.jman, prepared.cell
    os.kill(prepared.task, signal.SIGKILL)
    give_away(jman.folder)
    with jman.database.open("r+b") as file:
        assert "what the cluster has as 1, 2 may run on" in jman("take-over", "-y").out
        assert os.fstat(file.fileno()).st_nlink == 0
    assert jman.database.stat().st_uid == 0
    assert jman.database.stat().st_mode & 0o777 == 0o644
    assert Path(f"{jman.database}.spool.before1").stat().st_uid == STRANGER
    assert_quiet(jman, cell)


def test_what_everybody_could_write_is_ones_own_again(prepared: Prepared) -> None:
    jman, cell = prepared.jman, prepared.cell
    os.kill(prepared.task, signal.SIGKILL)
    jman.database.chmod(0o666)
    Path(f"{jman.database}.spool").chmod(0o777)
    with closing(sqlite3.connect(jman.database)) as connection, connection:
        # as somebody could have put it there
        connection.execute(
            "INSERT INTO removal (kind, job_id, exec_dir, log_start, tasks, attempt) "
            "SELECT 'logs', 3, exec_dir, exec_dir || '/logs/true', '0', 1 FROM job WHERE id = 3"
        )
    assert (jman.folder / "logs" / "true.o3").exists()
    jman("take-over", "--yes")
    assert jman.database.stat().st_mode & 0o777 == 0o644
    assert_quiet(jman, cell)


def test_it_asks_on_a_terminal(jman: Jman) -> None:
    jman.submit("true")
    jman.database.chmod(0o666)
    before = contents(jman.folder)
    for answer in (b"\n", b"n\n", b"maybe\n"):
        terminal = on_terminal(jman, "take-over")
        terminal.read_until(b"Take submitted.sql3 over? [y/N]")
        terminal.type(answer)
        code, seen = terminal.finish()
        assert code == 3 and "nothing was changed" in seen
        assert contents(jman.folder) == before
    terminal = on_terminal(jman, "take-over")
    terminal.read_until(b"[y/N]")
    terminal.type(b"y\n")
    assert terminal.finish()[0] == 0
    assert jman.status() == {1: "stopped"}


def test_a_script_says_yes(jman: Jman) -> None:
    jman.submit("true")
    jman.database.chmod(0o666)
    before = contents(jman.folder)
    assert "--yes" in jman("take-over", code=2).err
    assert contents(jman.folder) == before


def test_there_is_nothing_to_take_over(jman: Jman) -> None:
    assert "there is no database submitted.sql3" in jman("take-over", "--yes", code=3).err
    jman.submit("true")
    assert jman("take-over", "--yes").out == "submitted.sql3 is yours already\n"
    assert jman.status() == {1: "submitted"}


def test_a_running_execute_keeps_its_database(jman: Jman) -> None:
    jman.submit("sleep", "100")
    process = jman.start("--local", "execute")
    wait_until(lambda: jman.status() == {1: "executing"})
    jman.database.chmod(0o666)
    assert f"a jman execute (pid {process.pid}) runs jobs" in jman("take-over", "--yes", code=3).err
    jman.database.chmod(0o644)
    jman("stop")
    assert jman.status() == {1: "stopped"}


@pytest.mark.root
def test_a_link_of_another_user_is_not_taken_over(jman: Jman) -> None:
    jman.submit("true")
    (jman.folder / "link.sql3").symlink_to("submitted.sql3")
    os.lchown(jman.folder / "link.sql3", STRANGER, STRANGER)
    done = jman("-d", "link.sql3", "take-over", "--yes", code=3)
    assert f"name the database itself with --database {jman.database}" in done.err


def test_a_copy_of_an_earlier_version(jman: Jman) -> None:
    """It does not say whose it was; the file tells."""
    from tests.making import make_older

    jman.submit("true")
    make_older(jman.database, 3)
    jman.database.chmod(0o666)
    jman("take-over", "--yes")
    assert jman.status() == {1: "stopped"}
