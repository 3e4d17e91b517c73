"""Whose a database is decides what is done with it: of others' it is only shown what is stored.

A database says what is run, sent, stopped and deleted. One that another user prepared, or could write, would
say that in the name of whoever types ``jman list`` beside it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sqlite3
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from asyncjman.engines.cluster import process as command
from tests.cli.tools import Jman, Result, is_alive, pid_in, wait_until
from tests.faults.cell import Cell
from tests.faults.tools import query

STRANGER = 12345
COMMANDS = ("qsub", "qstat", "qdel", "qacct", "qconf")
SHOWN = (
    ["list"],
    ["list", "-a", "-t", "-x", "-l"],
    ["list", "--json"],
    ["list", "--ids-only"],
    ["--local", "list"],
    ["report"],
    ["report", "2"],
    ["why"],
    ["why", "1"],
)
REFUSED = (
    ["submit", "true"],
    ["submit", "--dry-run", "true"],
    ["--local", "submit", "true"],
    ["--local", "submit", "--dry-run", "true"],
    ["--local", "execute"],
    ["--local", "execute", "--keep-running"],
    ["--local", "execute", "-j", "99"],
    ["stop"],
    ["stop", "6"],
    ["delete"],
    ["delete", "-r", "5"],
    ["delete", "-s", "success"],
    ["resubmit"],
    ["resubmit", "-a", "-s", "--clean"],
    ["resubmit", "--to", "local", "1"],
    ["debug", "5"],
    ["communicate"],
)


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return all that lies in a folder: whose each file is, and what is in it."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_uid, path.read_bytes() if path.is_file() else b"")
        for path in folder.rglob("*")
    }


@dataclass
class Prepared:
    """A folder with a database where there is much to do, and with the trace of a task that runs still."""

    jman: Jman
    cell: Cell
    task: int

    def assert_only_shown(self, why: str, *, code: int = 3) -> None:
        """Whatever is typed beside it: nothing is run, asked, written, signalled or concluded."""
        before, on_cluster = contents(self.jman.folder), self.cell.listed()
        shown: dict[str, Result] = {}
        for words in SHOWN:
            shown[" ".join(words)] = done = self.jman(*words)
            assert why in done.err, done
            assert len(done.err.splitlines()) == 1 or "jobs" in done.err, done
        assert shown["list --ids-only"].lines == ["1", "2", "3", "4", "5", "6"]
        states = [job["status"] for job in shown["list --json"].json()]
        assert states == ["queued", "queued", "success", "waiting", "submitted", "executing"]
        done = self.jman("wait", "--timeout", "0.3", code=124)
        assert why in done.err and "only the owner's jman runs it, or polls the cluster" in done.err
        assert self.jman("wait", "3").code == 0
        complete = {"_JMAN_COMPLETE": "complete_bash", "COMP_WORDS": "jman list ", "COMP_CWORD": "2"}
        assert "6" in self.jman.fresh(env=complete).out.split()
        for words in REFUSED:
            done = self.jman(*words, code=code)
            assert why in done.err and done.out == "", (words, done)
            assert len(done.err.splitlines()) == 1, (words, done)
        assert contents(self.jman.folder) == before
        assert {name: self.cell.calls(name) for name in COMMANDS} == {name: [] for name in COMMANDS}
        assert self.cell.listed() == on_cluster
        assert is_alive(self.task)


@pytest.fixture
def prepared(jman: Jman, cell: Cell, monkeypatch: pytest.MonkeyPatch) -> Iterator[Prepared]:
    """A job that is queued on the cluster (1), one that failed there and is to be retried (2), one that is
    to be sent now (4), a local one to run (5), and one whose execute was killed, not its process (6).
    """
    monkeypatch.setattr(command, "TIMEOUT_SECONDS", 30.0)
    jman("submit", "--log-dir", "logs", "true")
    jman("submit", "--retry", "3", "--log-dir", "logs", "sh", "-c", "echo failed >&2; exit 3")
    jman("--local", "submit", "--log-dir", "logs", "true")
    jman("submit", "-x", "3", "--log-dir", "logs", "touch", "sent")
    jman("--local", "execute", "-j", "3")
    jman("--local", "submit", "touch", "ran")
    jman("--local", "submit", "sh", "-c", "echo $$ > pid; exec sleep 100")
    runner = jman.start("--local", "execute", "-j", "6", "--no-progress")
    task = pid_in(jman.folder / "pid")
    wait_until(lambda: query(jman.database, "SELECT status FROM task WHERE job_id = 6") == [("executing",)])
    runner.kill()
    runner.wait()
    cell.run(2)  # its record lies there
    for name in COMMANDS:
        (cell.folder / f"calls.{name}").unlink(missing_ok=True)
    yield Prepared(jman, cell, task)
    with contextlib.suppress(ProcessLookupError):
        os.kill(task, signal.SIGKILL)


def give_away(folder: Path, *, but: str = "-") -> None:
    """Have all that lies in a folder belong to another user, who could have made it so."""
    for path in folder.rglob("*"):
        if but not in path.name:
            os.lchown(path, STRANGER, STRANGER)


@pytest.mark.root
def test_a_database_of_another_user(prepared: Prepared) -> None:
    """The owner need not be anybody who is known here."""
    give_away(prepared.jman.folder)
    prepared.assert_only_shown(f"submitted.sql3 belongs to uid {STRANGER}")


@pytest.mark.root
def test_a_database_of_another_user_without_its_side_files(prepared: Prepared) -> None:
    query(prepared.jman.database, "PRAGMA wal_checkpoint(TRUNCATE)")
    for side in prepared.jman.folder.glob("submitted.sql3-*"):
        side.unlink()
    give_away(prepared.jman.folder)
    prepared.assert_only_shown(f"submitted.sql3 belongs to uid {STRANGER}")
    assert not list(prepared.jman.folder.glob("submitted.sql3-*"))


def test_a_database_that_everybody_may_write(prepared: Prepared) -> None:
    prepared.jman.database.chmod(0o646)
    prepared.assert_only_shown("may hold what others wrote: everybody may write it (mode 0646)")


@pytest.mark.root
def test_a_database_that_a_group_may_write(prepared: Prepared) -> None:
    os.chown(prepared.jman.database, -1, STRANGER)
    prepared.jman.database.chmod(0o664)
    prepared.assert_only_shown(f"the group gid {STRANGER} may write it (mode 0664)")


def test_a_database_whose_access_control_list_lets_others_write(prepared: Prepared) -> None:
    everybody = 0xFFFFFFFF
    entries = [(1, 6, everybody), (2, 6, STRANGER), (4, 4, everybody), (16, 6, everybody), (32, 4, everybody)]
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *one) for one in entries)
    try:
        os.setxattr(prepared.jman.database, "system.posix_acl_access", acl)
    except OSError as error:
        pytest.skip(f"no access control lists here: {error.strerror}")
    prepared.assert_only_shown("its access control list may let others write it")


@pytest.mark.root
@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
def test_a_side_file_of_another_user(prepared: Prepared, suffix: str) -> None:
    """SQLite would carry over into the database what is in it."""
    query(prepared.jman.database, "PRAGMA wal_checkpoint(TRUNCATE)")
    side = Path(f"{prepared.jman.database}{suffix}")
    side.touch()
    os.chown(side, STRANGER, STRANGER)
    prepared.assert_only_shown(f"submitted.sql3{suffix} may hold what others wrote: it belongs to uid")


def test_a_side_file_that_everybody_may_write(prepared: Prepared) -> None:
    Path(f"{prepared.jman.database}-wal").chmod(0o666)
    prepared.assert_only_shown("submitted.sql3-wal may hold what others wrote: everybody may write it")


@pytest.mark.root
def test_a_spool_of_another_user(prepared: Prepared) -> None:
    """Records and job scripts lie in it."""
    os.chown(f"{prepared.jman.database}.spool", STRANGER, STRANGER)
    prepared.assert_only_shown("submitted.sql3.spool may hold what others wrote: it belongs to uid")


def test_a_spool_that_everybody_may_write(prepared: Prepared) -> None:
    Path(f"{prepared.jman.database}.spool").chmod(0o777)
    prepared.assert_only_shown("submitted.sql3.spool may hold what others wrote: everybody may write it")


@pytest.mark.root
def test_a_link_of_another_user(prepared: Prepared) -> None:
    """To one's own database: what lies beside the link is the other user's."""
    there = prepared.jman.folder.parent / "shared"
    there.mkdir()
    (there / "submitted.sql3").symlink_to(prepared.jman.database)
    os.lchown(there / "submitted.sql3", STRANGER, STRANGER)
    elsewhere = Jman(there, prepared.jman.variables)
    before = contents(prepared.jman.folder)
    Prepared(elsewhere, prepared.cell, prepared.task).assert_only_shown("is a symbolic link of another user")
    assert contents(prepared.jman.folder) == before


def test_a_link_of_ones_own_is_followed(jman: Jman) -> None:
    jman.submit("true")
    (jman.folder / "link.sql3").symlink_to("submitted.sql3")
    jman("-d", "link.sql3", "--local", "execute")
    assert jman.status() == {1: "success"}


def test_a_copy_is_no_original(prepared: Prepared) -> None:
    """Its jobs on the cluster are those of the original, which polls, retries and deletes them."""
    query(prepared.jman.database, "PRAGMA wal_checkpoint(TRUNCATE)")
    there = prepared.jman.folder.parent / "copy"
    shutil.copytree(prepared.jman.folder, there)
    copy = Jman(there, prepared.jman.variables)
    original = f"submitted.sql3 is a copy of {prepared.jman.database}"
    before = contents(prepared.jman.folder)
    Prepared(copy, prepared.cell, prepared.task).assert_only_shown(original)
    assert contents(prepared.jman.folder) == before
    assert "is a copy" not in prepared.jman("list").err


@pytest.mark.root
def test_a_database_that_changed_hands(prepared: Prepared) -> None:
    give_away(prepared.jman.folder)
    with closing(sqlite3.connect(prepared.jman.database)) as connection, connection:
        connection.execute("UPDATE home SET uid = ?", (STRANGER,))
    for path in prepared.jman.folder.rglob("*"):
        os.lchown(path, os.getuid(), os.getgid())
    prepared.assert_only_shown(f"submitted.sql3 belonged to uid {STRANGER}")


def test_a_moved_database_is_the_same(jman: Jman) -> None:
    jman.submit("true")
    there = jman.folder.parent / "moved"
    there.mkdir()
    jman.database.rename(there / "jobs.sql3")
    moved = Jman(there)
    moved("-d", "jobs.sql3", "--local", "execute")
    assert query(there / "jobs.sql3", "SELECT path FROM home") == [(str(there / "jobs.sql3"),)]
    # put back from a copy
    shutil.copy(there / "jobs.sql3", there / "kept")
    (there / "jobs.sql3").unlink()
    (there / "kept").rename(there / "jobs.sql3")
    moved("-d", "jobs.sql3", "--local", "submit", "true")


def test_a_database_with_two_names_is_refused(jman: Jman) -> None:
    """Each name would have a write-ahead log of its own: what was reported by one is lost by the other."""
    jman.submit("true")
    os.link(jman.database, jman.folder / "other.sql3")
    for database in ("submitted.sql3", "other.sql3"):
        for words in [*SHOWN, *REFUSED]:
            done = jman("-d", database, *words, code=3)
            assert f"the database {database} has 2 names (hard links)" in done.err
    assert sorted(path.name for path in jman.folder.iterdir()) == ["other.sql3", "submitted.sql3"]
    (jman.folder / "other.sql3").unlink()
    assert jman.status() == {1: "submitted"}


@pytest.mark.root
def test_a_database_that_is_a_mount_is_refused(jman: Jman) -> None:
    jman.submit("true")
    mounted = jman.folder / "mounted \\ here.sql3"
    mounted.touch()
    if subprocess.run(["mount", "--bind", str(jman.database), str(mounted)], capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        for words in (["list"], ["--local", "execute"], ["--local", "submit", "true"]):
            assert "is mounted by itself" in jman("-d", mounted.name, *words, code=3).err
        assert jman.status() == {1: "submitted"}
    finally:
        subprocess.run(["umount", str(mounted)], check=True)


@pytest.mark.parametrize("suffix", ["-wal", "-journal", "-shm"])
@pytest.mark.parametrize("make", [os.mkfifo, lambda name: Path(name).symlink_to("/dev/zero"), os.mkdir])
def test_no_plain_file_beside_a_database(jman: Jman, suffix: str, make: Callable[[str], None]) -> None:
    """SQLite would wait for a pipe for ever, and write to what a link leads to."""
    jman.submit("true")
    make(f"{jman.database}{suffix}")
    for words in (["list"], ["--local", "execute"]):
        assert (
            f"submitted.sql3{suffix}, beside the database, is not a regular file" in jman(*words, code=3).err
        )


def test_a_new_database_is_written_by_its_owner_alone(jman: Jman) -> None:
    """Also where the umask lets groups write: it could not be used else."""
    before = os.umask(0o002)
    try:
        jman.submit("true")
    finally:
        os.umask(before)
    assert jman.database.stat().st_mode & 0o777 == 0o644
    jman("--local", "execute")
