"""Words that hurt: they arrive unchanged in the task, come back in JSON, and never reach a terminal raw."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cli.tools import Jman

WORDS: list[bytes] = [
    b"", b" ", b"a b", b"'", b'"', b"\\", b"$HOME", b"`id`", b"*", b"a\nb", b"\t", b"\r", b"\x1b[31mred\x1b[0m",  # noqa: E501
    "ünïcödé 漢字 🎈".encode(), b"\xff\xfe", b"--", b"-x", b"--help", b"a=b", b"\x07\x7f", "\u202e\u200b".encode(),  # noqa: E501
]  # fmt: skip
SHOW = "import os, sys; open('seen', 'wb').write(b'\\0'.join(os.fsencode(w) for w in sys.argv[1:]))"


def test_words_of_the_command_arrive(jman: Jman) -> None:
    job = jman.submit("--", sys.executable, "-c", SHOW, *WORDS)
    assert [word.encode("utf-8", "surrogateescape") for word in job["command"][3:]] == WORDS
    jman("execute")
    assert (jman.folder / "seen").read_bytes().split(b"\0") == WORDS
    assert [word.encode("utf-8", "surrogateescape") for word in jman.job()["command"][3:]] == WORDS


def test_values_of_the_environment_arrive(jman: Jman) -> None:
    given = [b"V%d=" % at + word for at, word in enumerate(WORDS)]
    show = (
        "import os; open('seen', 'wb').write(b'\\0'.join(os.environb[b'V%d' % i] for i in range("
        + str(len(WORDS))
        + ")))"
    )
    options = [word for one in given for word in (b"-s", one)]
    jman.submit(*options, "--", sys.executable, "-c", show)
    jman("execute")
    assert (jman.folder / "seen").read_bytes().split(b"\0") == WORDS


@pytest.mark.parametrize(
    "name", [b"a b", b"'\"$x", b"a\nb", "ünï 漢".encode(), b"\xff\xfe", b"-x", b"\x1b[31m"]
)
def test_folders(jman: Jman, name: bytes) -> None:
    folder = jman.folder / name.decode("utf-8", "surrogateescape")
    folder.mkdir()
    job = jman.submit(b"--exec-dir=" + name, b"--log-dir=" + name, "sh", "-c", "echo hello; touch here")
    assert job["exec_dir"] == str(folder)
    jman("execute")
    assert (folder / "here").exists()
    assert (folder / folder.name / "sh.o1").read_text() == "hello\n"
    assert "hello" in jman("report").out
    jman("delete")
    assert [path.name for path in folder.iterdir()] == ["here"]


def test_names(jman: Jman) -> None:
    for word in WORDS:
        if word:
            name = jman.submit(b"--name=" + word, "sh", "-c", 'printf %s "$JOB_NAME" > name.$JOB_ID')["name"]
            assert name.encode("utf-8", "surrogateescape") == word
    jman("execute")
    seen = [(jman.folder / f"name.{i}").read_bytes() for i in range(1, len(WORDS))]
    assert seen == [word for word in WORDS if word]
    text = jman("list", "-l").out
    assert all(char.isprintable() or char == "\n" for char in text)


@pytest.mark.parametrize(
    "name", ["../../outside", "/tmp/outside", "..", ".", "a/b", "x\x1b[31m\n", "\\..\\x", "n" * 300]
)
def test_a_name_puts_no_log_outside(jman: Jman, name: str) -> None:
    jman.submit("-n", name, "-l", "logs", "echo", "hello")
    jman("execute")
    assert sorted(path.name for path in jman.folder.iterdir()) == ["logs", "submitted.sql3"]
    files = list((jman.folder / "logs").iterdir())
    assert len(files) == 2
    assert all(path.is_file() and path.name.isprintable() for path in files)
    assert sorted(path.read_text() for path in files) == ["", "hello\n"]
    jman("delete")
    assert list(jman.folder.iterdir()) == []


def test_control_characters_never_reach_the_list(jman: Jman) -> None:
    evil = "\x1b]0;title\x07\x9b31m\n\r\x08"
    jman.submit("-n", evil, "-s", f"A={evil}", "-l", f"l{evil}", "--no-check", evil, evil)
    for words in (["list"], ["list", "-l", "-x", "-t", "-a"], ["stop"], ["report", "1"], ["delete"]):
        done = jman(*words)
        assert all(char.isprintable() or char == "\n" for char in done.out + done.err), words


def test_a_database_in_a_strange_folder(jman: Jman) -> None:
    folder = Path(jman.folder / "a ?#%41 \n'x")
    folder.mkdir()
    jman("--db", str(folder / "jobs?.sql3"), "-l", "submit", "true")
    assert jman("--db", str(folder / "jobs?.sql3"), "list", "-o").out == "1\n"
    jman("--db", str(folder / "jobs?.sql3"), "delete")
    assert list(folder.iterdir()) == []
