"""The usual jman list and completion of ids, with no parser and no loop: which ones, and what they say."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from asyncjman.cli import main, quick
from asyncjman.cli.argv import COMMANDS, TAKE_JOBS
from asyncjman.cli.parser import parser_of
from tests.cli.test_earlier_schema import made_by_the_first
from tests.cli.tools import Jman

COMPLETE = {"_JMAN_COMPLETE": "complete_bash"}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jman]:
    """Jobs of all kinds; only read here."""
    jman = Jman(tmp_path_factory.mktemp("quick") / "work")
    jman.folder.mkdir()
    jman.submit("-n", "first", "-s", "A=1 2", "-l", "logs", "true")
    jman.submit("-t", "1-7:2", "--retry", "1", "sh", "-c", "[ $SGE_TASK_ID != 3 ] || exit 5")
    jman.submit("-x", "1", "--after-ok", "2", "-n", "first", "true")
    jman("execute", "-p", "2", code=1)
    jman.submit("-n", "l\u00e4te \x1b[31m", "--sweep", "lr=0.1,0.2", "echo", "{lr}")
    jman.submit("--no-check", "--timeout", "5s", b"\xff")
    yield jman
    jman.close()


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """What the quick path answered, command after command; no time passes."""
    seen: list[int | None] = []

    def noting(*words: Any, **how: Any) -> int | None:
        code = quick.answer(*words, **how)
        if how["completes"] or words[0] not in ("submit", "execute"):
            seen.append(code)
        return code

    monkeypatch.setattr(main, "answer", noting)
    monkeypatch.setattr("asyncjman.cli.listing.time.time", lambda: 4e9)
    return seen


def whole(jman: Jman, *words: str, **how: Any) -> Any:
    """Run a command the usual way."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(main, "answer", lambda *_, **__: None)
        return jman(*words, code=None, **how)


QUICK = [
    "list",
    "--local ls",
    "-l -d submitted.sql3 list -a",
    "list -l 1 2-4",
    "list -t -x",
    "list --json",
    "list --json --print-array-jobs",
    "list --json 2.3,7",
    "list -o -s failure",
    "list -s skipped -a",
    "list -n first",
    "list -j 2 --json",
    "list @ f*",
    "list -n nobody --json",
]


@pytest.mark.parametrize("line", QUICK)
def test_both_ways_say_the_same(filled: Jman, answered: list[int | None], line: str) -> None:
    assert filled(*line.split()) == whole(filled, *line.split())
    assert answered == [0]


@pytest.mark.parametrize(
    "line",
    [
        "list -v",
        "-v list",
        "list -h",
        "list -s nosuch",
        "list -s success failure",
        "list -at",
        "list --no-such-option",
        "list -n",
        "list 77",
        "list 1-",
        "list nobody",
        "list -n nobody",
        "-d missing list",
        "-d . list",
        "report",
    ],
)
def test_what_is_not_usual_goes_the_usual_way(filled: Jman, answered: list[int | None], line: str) -> None:
    assert filled(*line.split(), code=None) == whole(filled, *line.split())
    assert answered == [None]


@contextmanager
def _sql(jman: Jman, sql: str) -> Iterator[None]:
    with closing(sqlite3.connect(jman.database, isolation_level=None)) as connection:
        connection.execute(sql)
    yield


@contextmanager
def _writable(jman: Jman) -> Iterator[None]:
    jman.database.chmod(0o666)
    yield


@contextmanager
def _journal(jman: Jman) -> Iterator[None]:
    (jman.folder / "submitted.sql3-journal").touch()
    yield


@contextmanager
def _locked(jman: Jman) -> Iterator[None]:
    descriptor = os.open(jman.folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _earlier(jman: Jman) -> Iterator[None]:
    jman.database.unlink()
    made_by_the_first(jman)
    yield


@contextmanager
def _shared(jman: Jman) -> Iterator[None]:
    jman.folder.chmod(0o777)
    yield


RUNNER = "INSERT INTO runner (token, host, pid, process_started, started_at) VALUES ('t', 'h', 1, 1, 1)"
UNUSUAL: dict[str, Callable[[Jman], Any]] = {
    "a runner": lambda jman: _sql(jman, RUNNER),
    "an open job of a cluster": lambda jman: _sql(jman, "UPDATE job SET engine = 'sge'"),
    "files to remove": lambda jman: _sql(
        jman, "INSERT INTO removal (kind, job_id, token) VALUES ('spool', 9, 'a')"
    ),
    "another table": lambda jman: _sql(jman, "CREATE TABLE other (id)"),
    "a value that makes no sense": lambda jman: _sql(jman, "UPDATE job SET array = '3-1'"),
    "another journal mode": lambda jman: _sql(jman, "PRAGMA journal_mode = DELETE"),
    "others may have written it": _writable,
    "a journal": _journal,
    "a lock": _locked,
    "an earlier schema": _earlier,
    "a folder of others": _shared,
}


@pytest.mark.parametrize("what", UNUSUAL)
def test_a_database_with_more_to_do_is_left_as_it_is(
    jman: Jman, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    jman.submit("true")
    monkeypatch.chdir(jman.folder)
    monkeypatch.delenv("JMAN_DATABASE", raising=False)
    assert quick.answer("list", ["list"], completes=False) == 0
    with UNUSUAL[what](jman):
        before = _content(jman)
        capsys.readouterr()
        assert quick.answer("list", ["list"], completes=False) is None
        assert capsys.readouterr() == ("", "")
        assert _content(jman) == before


def _content(jman: Jman) -> dict[str, bytes]:
    # a write-ahead log goes with its last reader
    return {
        one.name: one.read_bytes() for one in jman.folder.iterdir() if not one.name.endswith(("-wal", "-shm"))
    }


def test_local_jobs_need_no_cluster(jman: Jman, answered: list[int | None]) -> None:
    """What runs on a cluster is asked for where it is shown."""
    jman.submit("true")
    jman.submit("true")
    with _sql(jman, "UPDATE job SET engine = 'sge' WHERE id = 2"):
        assert [line.split()[0] for line in jman("--local", "list").lines[2:]] == ["1"]
    assert answered == [0]


def test_a_long_list_is_shown_while_it_is_read(
    jman: Jman, answered: list[int | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quick, "_MOST_LINES", 3)
    jman.submit("true")
    jman("list")
    jman.submit("true")
    jman("list")
    assert answered == [0, None]


@pytest.mark.parametrize(
    ("line", "is_quick"),
    [
        ("jman list ", True),
        ("jman report 1", True),
        ("jman rm 1 ", True),
        ("jman -l -d submitted.sql3 why 2.1,", True),
        ("jman report 1,", True),
        ("jman report f", True),
        ("jman list 'a", False),
        ("jman list -", False),
        ("jman submit ", False),
        ("jman li", False),
        ("jman list -n ", False),
        ("jman -d x list ", False),
    ],
)
def test_completion(filled: Jman, answered: list[int | None], line: str, is_quick: bool) -> None:
    asked = {**COMPLETE, "COMP_WORDS": line, "COMP_CWORD": str(len(f"{line}.".split()) - 1)}
    assert filled(env=asked, code=None) == whole(filled, env=asked)
    assert answered == [0 if is_quick else None]


SLOW = {"aiosqlite", "asyncio", "subprocess", "threading", "typer", "typing"}
SLOW_FOR_IDS = SLOW | {"asyncjman.model.job", "dataclasses", "inspect", "json"}
NOT_FOR_ONE_JOB = {
    "asyncjman.api.ids",
    "asyncjman.engines",
    "asyncjman.model.array",
    "asyncjman.model.ids",
    "asyncjman.model.resources",
    "asyncjman.model.retry",
    "asyncjman.model.sweep",
    "asyncjman.scheduler",
    "rich",
}
DRIVER = """
import sys
before = set(sys.modules)
from asyncjman.cli.start import main
try:
    main()
finally:
    print(*sys.modules.keys() - before, file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("words", "unused"),
    [
        (["--local", "list"], SLOW),
        (["list", "1"], SLOW),
        ([], SLOW_FOR_IDS),
        (["--local", "submit", "true"], NOT_FOR_ONE_JOB),
    ],
)
def test_what_is_not_needed_is_not_loaded(jman: Jman, words: list[str], unused: set[str]) -> None:
    jman.submit("true")
    jman.variables |= {"JMAN_CLUSTER": "auto"}  # one that is named is looked up in the table of all engines
    asked = {} if words else {**COMPLETE, "COMP_WORDS": "jman list ", "COMP_CWORD": "2"}
    done = subprocess.run(
        [sys.executable, "-I", "-c", DRIVER, *words],
        cwd=jman.folder,
        env=jman.environment(asked),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    loaded = set(done.stderr.split())
    assert "asyncjman.cli.main" in loaded
    assert not loaded & unused
    assert done.stdout.strip()


def test_the_tables_of_the_quick_path_are_those_of_the_parser() -> None:
    known = {name: one for one in parser_of("list").commands["list"].params for name in one.opts}
    for name, parameter in {**quick.FLAGS, **quick.VALUES}.items():
        assert known[name].name == parameter
        assert known[name].is_flag == (name in quick.FLAGS)
    takes = {
        name
        for name in COMMANDS
        for one in parser_of(name).commands[name].params
        if one.param_type_name == "argument" and one.name == "ids" and one.nargs == -1
    }
    assert takes == TAKE_JOBS
