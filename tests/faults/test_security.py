"""A folder that somebody else prepared, names that play with the terminal, what is stored."""

from __future__ import annotations

import ast
import asyncio
import os
import pickle
import re
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from asyncjman.api.calls import Calls
from asyncjman.engines.cluster.dialect import ParseError
from asyncjman.engines.cluster.names import job_name
from asyncjman.engines.cluster.script import Script, text_of
from asyncjman.engines.sge import commands
from asyncjman.engines.sge.qstat import parse_qstat
from asyncjman.errors import EnvironmentProblem, JmanError
from tests.cli.terminal import on_terminal
from tests.cli.tools import Jman
from tests.faults.cell import Cell
from tests.faults.tools import force, query

EVIL = "\x1b]0;owned\x07\x1b[31mred\x9b31m"


def test_escapes_never_reach_a_terminal(jman: Jman) -> None:
    """Of names, commands, variables, logs, and of what only a damaged or made-up database can hold."""
    jman("--local", "submit", "--name", EVIL, "--log-dir", "logs", "-s", f"A={EVIL}", "--", "printf", EVIL)
    jman("--local", "submit", "--log-dir", "logs", "--", "sh", "-c", f"printf '{EVIL}' >&2; exit 3")
    _, seen = on_terminal(jman, "--local", "execute").finish()
    assert "\x1b]0;" not in seen and "\x07" not in seen
    change = "UPDATE task SET host = ?, reason = ?", (EVIL, EVIL)
    with closing(sqlite3.connect(jman.database)) as connection, connection:
        connection.execute(*change)
    for words in (["list"], ["list", "-l", "-t", "-x"], ["report"], ["why"], ["why", "2"], ["list", "-a"]):
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


BREAKOUTS = [
    "'; touch owned; '",
    '"; touch owned; "',
    "$(touch owned)",
    "`touch owned`",
    "x\ntouch owned\n",
    "x\r\ntouch owned",
    "\\'; touch owned #",
    "-o /etc/passwd",
    "--",
    "-sync y",
    "\udcff'\udcfe; touch owned",
    "${IFS}touch${IFS}owned",
    "#$ -S /bin/false",
    "jman_status=0",
]


@pytest.mark.parametrize("evil", BREAKOUTS)
def test_nothing_breaks_out_of_the_job_script_or_of_qsub(tmp_path: Path, evil: str) -> None:
    """As words, variables, names and folders: they arrive as they are, and nothing else is run."""
    folder = tmp_path / "work" / evil.replace("/", "_")
    folder.mkdir(parents=True)
    records = tmp_path / "records"
    show = "import os, sys; print(ascii([sys.argv[1:], os.environ['VALUE'], os.environ.get(sys.argv[1])]))"
    script = Script(
        job_id=7,
        records=str(records),
        argv=(sys.executable, "-c", show, evil, ""),
        exec_dir=str(folder),
        name=evil,
        environment={"VALUE": evil, **({evil: "odd"} if "=" not in evil else {})},
        stdout=str(folder / f"{evil.replace('/', '_')}.o7"),
        stderr=str(folder / "errors"),
    )
    file = tmp_path / "script"
    file.write_bytes(text_of(script))
    done = subprocess.run(["/bin/sh", str(file)], cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, (done, (folder / "errors").read_text())
    said = ast.literal_eval(os.fsdecode(Path(str(script.stdout)).read_bytes()))
    assert said == [[evil, ""], evil, "odd" if "=" not in evil else None]
    assert not list(tmp_path.rglob("owned"))
    name = job_name(7, "0" * 14, evil)
    assert re.fullmatch(r"[A-Za-z0-9_.+-]+", name) and name.startswith("jm7_")


@pytest.mark.parametrize("evil", BREAKOUTS)
def test_names_and_resources_are_one_word_of_qsub(evil: str) -> None:
    """What a user names goes behind its option; a line break or a comma there is refused, or is no end."""
    submission = commands.Submission(
        name=job_name(7, "0" * 14, evil), work_dir="/w", script="/s", tasks=range(1, 3)
    )
    argv = commands.qsub("qsub", submission)
    assert argv[argv.index("-N") + 1] == job_name(7, "0" * 14, evil)
    assert argv[-2:] == ["/bin/sh", "/s"]
    try:
        words = commands.qsub("qsub", replace(submission, work_dir=f"/{evil}", script=f"/{evil}"))
    except JmanError:
        return
    assert len(words) == len(argv)
    assert [at for at, word in enumerate(words) if word == f"/{evil}"] == [
        argv.index("-wd") + 1,
        len(argv) - 1,
    ]


BOMB = (
    b"<?xml version='1.0'?><!DOCTYPE job_info ["
    + b"<!ENTITY a0 'ha'>"
    + b"".join(b"<!ENTITY a%d '%s'>" % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 12))
    + b"]><job_info><queue_info><job_list><JB_name>&a11;</JB_name></job_list></queue_info></job_info>"
)
OUTSIDE = b"<!DOCTYPE job_info [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><job_info>&a;</job_info>"


@pytest.mark.parametrize("xml", [BOMB, OUTSIDE, b"<job_info>" + b"<a>" * 200_000])
def test_xml_that_is_a_bomb_is_refused(xml: bytes) -> None:
    with pytest.raises(ParseError):
        parse_qstat(xml)


def test_what_functions_are_given_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the umask; and no function job in a spool that others may write."""
    monkeypatch.chdir(tmp_path)
    before = os.umask(0)
    try:
        request, _ = asyncio.run(
            Calls(tmp_path / "jobs.sql3").prepare(len, [(("x",), {})], name=None, array=False)
        )
    finally:
        os.umask(before)
    folder = tmp_path / "jobs.sql3.spool" / request.token
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o755
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    modes = {path.is_dir(): stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")}
    assert modes in ({False: 0o600, True: 0o700}, {False: 0o600})
    folder.parent.chmod(0o777)
    with pytest.raises(EnvironmentProblem):
        asyncio.run(Calls(tmp_path / "jobs.sql3").prepare(len, [(("x",), {})], name=None, array=False))
    folder.parent.rename(tmp_path / "elsewhere")
    folder.parent.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EnvironmentProblem):
        asyncio.run(Calls(tmp_path / "jobs.sql3").prepare(len, [(("x",), {})], name=None, array=False))


@pytest.mark.parametrize("token", ["../../precious", "/", "..", "."])
def test_a_database_that_somebody_prepared_deletes_nothing_elsewhere(jman: Jman, token: str) -> None:
    """The spool folder of a job is named by its token: a made-up one could lead anywhere."""
    precious = jman.folder.parent / "precious" / "file"
    precious.parent.mkdir()
    precious.touch()
    jman("--local", "submit", "--", "true")
    beside = Path(f"{jman.database}.spool", "other")
    beside.mkdir(parents=True)
    force(jman.database, f"UPDATE job SET token = '{token}'")
    assert "job 1 of the database submitted.sql3 can't be read (token is" in jman("list", code=3).err
    jman("--local", "delete")
    assert precious.exists() and beside.exists()


def test_a_spool_that_is_another_users_link_is_not_used(jman: Jman, cell: Cell, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make links of other users")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    spool = Path(f"{jman.database}.spool")
    spool.symlink_to(elsewhere)
    os.lchown(spool, 12345, 12345)
    assert "symbolic link of another user" in jman("submit", "--", "true", code=3).err
    assert list(elsewhere.iterdir()) == []
    assert cell.listed() == []
    spool.unlink()
    jman("submit", "--", "true")
    (token,) = (folder.name for folder in spool.iterdir())
    spool.rename(tmp_path / "moved")
    (elsewhere / token).mkdir()
    spool.symlink_to(elsewhere)
    os.lchown(spool, 12345, 12345)
    jman("delete", code=None)
    assert (elsewhere / token).exists()
