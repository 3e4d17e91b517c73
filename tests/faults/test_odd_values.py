"""Values that make no sense: kept out of the database, and, where one got in, told with the job's number."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from contextlib import closing

import pytest

from asyncjman import JmanError, JobManager
from asyncjman.store.migrate import APPLICATION_ID, earlier
from tests.cli.tools import Jman
from tests.faults.tools import force, query

REFUSED = [
    "UPDATE job SET timeout = '2h'",
    "UPDATE job SET timeout = -1",
    "UPDATE job SET timeout = 9e999",
    """UPDATE job SET retry = '{"count": 1, "causes": ["failure"], "delay": "30s"}'""",
    "UPDATE job SET retry = '[]'",
    "UPDATE job SET array = '1-3%-1'",
    "UPDATE job SET array = 'many'",
    "UPDATE job SET command = 'true'",
    "UPDATE job SET command = '[1]'",
    "UPDATE job SET environment = '[1]'",
    "UPDATE job SET sweep = '{}'",
    "UPDATE job SET token = '../..'",
    "UPDATE job SET stop_on_failure = 'yes'",
    "UPDATE job SET default_status = 'sucess'",
    "UPDATE job SET submitted_at = 'soon'",
    "UPDATE job SET started_at = 1e300",
    "UPDATE job SET next_index = -1",
    "UPDATE task SET status = 'gone'",
    "UPDATE task SET status = 'success'",
    "UPDATE task SET attempt = 'one'",
    "UPDATE task SET started_at = 'soon'",
    "UPDATE task SET pid = 'init'",
    "UPDATE dependency SET kind = 'x'",
    "INSERT INTO dependency VALUES (2, 1, 'never')",
]


@pytest.mark.parametrize("change", REFUSED)
def test_the_database_refuses_it(jman: Jman, change: str) -> None:
    jman("--local", "submit", "-t", "1-3", "--retry", "1", "--timeout", "5", "--", "sh", "-c", "exit 3")
    jman("--local", "submit", "-x", "1", "--", "true")
    jman("--local", "execute", code=1)
    connection = sqlite3.connect(jman.database)
    with closing(connection), pytest.raises(sqlite3.IntegrityError, match="makes no sense"):
        connection.execute(change)
    assert jman("list", "--json").json()[0]["status"] == "failure"


SPECS = [
    ("timeout", "'soon'", "timeout is 'soon'"),
    ("retry", "'[]'", r"retry is '\[\]'"),
    ("array", "'3-1'", "array is '3-1'"),
    ("command", "'[1]'", r"command is '\[1\]'"),
    ("command", "'no JSON'", "command is 'no JSON'"),
    ("environment", """'{"A": 1}'""", "environment is"),
]


@pytest.mark.parametrize(("column", "value", "said"), SPECS)
def test_it_names_its_job_and_can_be_deleted(jman: Jman, column: str, value: str, said: str) -> None:
    for number in (1, 2, 3):
        jman("--local", "submit", "sh", "-c", f"echo {number} >> ran")
    force(jman.database, f"UPDATE job SET {column} = {value} WHERE id = 2")
    for words in (("list",), ("--local", "execute"), ("report",), ("--local", "stop", "2")):
        err = jman(*words, code=3).err
        assert err.startswith("jman: job 2 of the database submitted.sql3 can't be read (")
        assert err.count("\n") == 1
        assert "jman delete 2 removes the job" in err
        assert re.search(said, err), err
    assert "2" in jman("delete", "2").out
    jman("--local", "execute", code=0)
    assert sorted((jman.folder / "ran").read_text().split()) == ["1", "3"]


async def test_who_awaits_is_told(jman: Jman) -> None:
    """Also where it is read only when the job is to start."""
    path = jman.database
    async with JobManager(path) as jm:
        first = await jm.submit(["sh", "-c", "until [ -e go ]; do sleep 0.02; done"], exec_dir=jman.folder)
        second = await jm.submit(["true"], after_any=[first])
        waiter = asyncio.create_task(second.wait())
        await asyncio.wait([waiter], timeout=0.3)
        await asyncio.to_thread(force, path, "UPDATE job SET command = '[1]' WHERE id = 2")
        (jman.folder / "go").touch()
        with pytest.raises(JmanError, match=r"job 2 of the database can't be read \(command is '\[1\]'\)"):
            await asyncio.wait_for(waiter, 20)
        with pytest.raises(JmanError, match="job 2"):
            await asyncio.wait_for(second, 20)


def test_times_that_were_stored_as_they_were_given_are_read(jman: Jman) -> None:
    """A database of the schema from before such values were refused."""
    retry = '{"count": 1, "causes": ["failure"], "delay": "0.01s"}'
    with closing(sqlite3.connect(jman.database, isolation_level=None)) as connection:
        for number in (1, 2):
            connection.executescript(earlier()[number])
        connection.execute("PRAGMA user_version = 2")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        for command, given, timeout in (
            (["sh", "-c", "[ $JMAN_ATTEMPT = 2 ]"], retry, "2h"),
            (["sleep", "1000"], None, "0.2 s"),
            (["true"], None, "two hours"),
        ):
            connection.execute(
                "INSERT INTO job (rest, task_count, revision, submitted_at, executor, queue, name, "
                "stop_on_failure, command, interpreter, exec_dir, environment, token, retry, timeout) VALUES "
                "('submitted', 1, 0, 1e9, 'local', 'local', '', 0, ?, '[]', ?, '{}', '', ?, ?)",
                (json.dumps(command), str(jman.folder), given, timeout),
            )
    jman("--local", "execute", "-j", "1,2", "-p", "2", code=1)
    assert "job 3" in jman("list", code=3).err
    jman("delete", "3")
    assert query(jman.database, "SELECT timeout FROM job ORDER BY id") == [(7200.0,), (0.2,)]
    first, second = jman("list", "--json").json()
    assert (first["status"], second["reason"]) == ("success", "timed out after 0.2 s")
