"""Which files are opened, and that the others stay as they are."""

# ruff: noqa: ASYNC240 - a look at a local file takes no time
from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest

from asyncjman.errors import DatabaseProblem
from asyncjman.model.selection import Selection
from asyncjman.store import jobs
from asyncjman.store.database import Database
from asyncjman.store.migrate import APPLICATION_ID, INITIAL, earlier, later, latest_version, statements
from tests.making import add_jobs, spec_of


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(file): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


async def test_a_new_file_is_made_and_opened_again(path: Path) -> None:
    first = await Database.open(path, create=True)
    assert await add_jobs(first, spec_of()) == [1]
    await first.close()
    again = await Database.open(path, create=False)
    assert [job.id async for job in jobs.select(again, Selection())] == [1]
    await again.close()


async def test_an_empty_file_is_made_a_database(path: Path) -> None:
    path.touch()
    database = await Database.open(path, create=True)
    assert await add_jobs(database, spec_of()) == [1]
    await database.close()


async def test_nothing_is_made_where_nothing_is_to_be_stored(path: Path) -> None:
    database = await Database.open(path, create=False)
    assert await jobs.count(database) == 0
    assert await database.remove_if("SELECT 0") is False
    await database.close()
    assert list(path.parent.iterdir()) == []


async def test_another_connection_of_the_process_takes_no_lock_away(path: Path, database: Database) -> None:
    """POSIX locks go with the first descriptor of the file that is closed, whoever opened it."""
    assert await jobs.count(database) == 0  # holds its lock from its first look on
    second = await Database.open(path, create=False)
    await second.close()
    command = [sys.executable, "-c", _LOCKED, str(path)]
    locker = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
    assert locker.stdout.strip() == "in use"


# a process that finds itself alone may leave WAL, which deletes the log that the others write to
_LOCKED = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=0)
try:
    connection.execute("PRAGMA journal_mode = DELETE")
    print("alone")
except sqlite3.OperationalError:
    print("in use")
"""


async def test_settings_of_a_connection(database: Database) -> None:
    assert await database.fetch("PRAGMA journal_mode") == [("wal",)]
    assert await database.fetch("PRAGMA foreign_keys") == [(1,)]
    # EXTRA: a commit survives a power loss, also one that unlinks a journal (on a network file system)
    assert await database.fetch("PRAGMA synchronous") == [(3,)]
    assert await database.fetch("PRAGMA trusted_schema") == [(0,)]


async def test_side_files_go_with_the_last_connection(path: Path) -> None:
    database = await Database.open(path, create=True)
    await add_jobs(database, spec_of())
    await database.close()
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def _text(path: Path) -> None:
    path.write_text("not a database at all\n" * 20)


def _short(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\x00")


def _folder(path: Path) -> None:
    path.mkdir()


def _gridtk(path: Path) -> None:
    _sql(
        path,
        'CREATE TABLE "Job" (id INTEGER)',
        'CREATE TABLE "ArrayJob" (id INTEGER)',
        "INSERT INTO Job VALUES (1)",
    )


def _foreign(path: Path) -> None:
    _sql(path, "CREATE TABLE address (name TEXT)", "INSERT INTO address VALUES ('x')")


def _foreign_with_a_version(path: Path) -> None:
    _sql(path, "CREATE TABLE job (id INTEGER)", "PRAGMA user_version = 1", "PRAGMA application_id = 77")


def _newer(path: Path) -> None:
    _sql(
        path,
        "CREATE TABLE job (id INTEGER)",
        f"PRAGMA application_id = {APPLICATION_ID}",
        f"PRAGMA user_version = {latest_version() + 1}",
    )


def _damaged(path: Path) -> None:
    _foreign(path)
    whole = bytearray(path.read_bytes())
    whole[100:400] = b"\xff" * 300
    path.write_bytes(whole)


def _loop(path: Path) -> None:
    path.symlink_to(path)


def _sql(path: Path, *lines: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for line in lines:
            connection.execute(line)
        connection.commit()


@pytest.mark.parametrize("create", [True, False])
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (_text, "is not a database"),
        (_short, "is not a database"),
        (_folder, "is a folder"),
        (_gridtk, "a database of gridtk"),
        (_foreign, "another program's"),
        (_foreign_with_a_version, "another program's"),
        (_newer, "newer asyncjman"),
        (_damaged, "damaged"),
        (_loop, "can't read"),
    ],
)
async def test_what_is_not_ours_is_refused_and_left_as_it_is(
    path: Path, make: Callable[[Path], None], words: str, create: bool
) -> None:
    make(path)
    before = _bytes(path.parent)
    with pytest.raises(DatabaseProblem, match=words) as caught:
        await Database.open(path, create=create)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert _bytes(path.parent) == before


@pytest.mark.parametrize("create", [True, False])
async def test_a_folder_that_is_missing_is_not_made(tmp_path: Path, create: bool) -> None:
    with pytest.raises(DatabaseProblem, match=r"folder of the database .* does not exist"):
        await Database.open(tmp_path / "missing" / "jobs.sql3", create=create)
    assert list(tmp_path.iterdir()) == []


async def test_a_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DatabaseProblem):
        await Database.open(tmp_path / "file" / "jobs.sql3", create=True)
    assert (tmp_path / "file").read_text() == "x"


async def test_a_trigger_that_somebody_puts_in_does_not_call_functions(
    path: Path, database: Database
) -> None:
    """One that was there before is refused; this one comes while the database is open."""
    _sql(path, "CREATE TRIGGER evil AFTER INSERT ON job BEGIN SELECT load_extension('x'); END")
    with pytest.raises(DatabaseProblem, match="unsafe use of load_extension"):
        await add_jobs(database, spec_of())


def test_statements_keep_triggers_whole() -> None:
    sql = "CREATE TABLE a (b);\nCREATE TRIGGER c AFTER INSERT ON a BEGIN\n    DELETE FROM a;\nEND;\n"
    assert [one.split()[1] for one in statements(sql)] == ["TABLE", "TRIGGER"]


def test_versions_are_numbered_from_one_on() -> None:
    numbers = [*earlier(), INITIAL, *later()]
    assert numbers[0] == 1
    assert numbers == sorted(set(numbers))


async def test_an_opening_that_is_cancelled_leaves_nothing_open(path: Path) -> None:
    for moments in range(60):
        opening = asyncio.ensure_future(Database.open(path, create=True))
        for _ in range(moments):
            await asyncio.sleep(0)
        opening.cancel()
        with suppress(asyncio.CancelledError):
            await (await opening).close()
    assert str(path) not in [one.path for one in psutil.Process().open_files()]
