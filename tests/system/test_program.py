"""What runs a command."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from asyncjman.errors import CommandNotFound
from asyncjman.system.program import resolve


def _file(folder: Path, name: str, text: str = "", *, executable: bool = False) -> None:
    (folder / name).write_text(text)
    (folder / name).chmod(0o755 if executable else 0o644)


@pytest.mark.parametrize(
    ("name", "text", "executable", "interpreter"),
    [
        ("a.py", "", False, (sys.executable,)),
        ("a.sh", "", False, ("/bin/sh",)),
        ("a.py", "", True, (sys.executable,)),
        ("a.py", "#!/usr/bin/env python3\n", False, ("/usr/bin/env", "python3")),
        ("a.sh", "#! /bin/bash -e -u \n", False, ("/bin/bash", "-e -u")),
        ("a.pl", "#!/usr/bin/perl\n", False, ("/usr/bin/perl",)),
        ("noname", "#!/bin/sh", False, ("/bin/sh",)),
        ("a b.sh", "#!\n", False, ("/bin/sh",)),
    ],
)
def test_a_file_that_needs_an_interpreter(
    tmp_path: Path, name: str, text: str, executable: bool, interpreter: tuple[str, ...]
) -> None:
    _file(tmp_path, name, text, executable=executable)
    assert resolve((name, "-x"), tmp_path) == (interpreter, (name, "-x"))


@pytest.mark.parametrize("name", ["run", "run.py", "run.sh"])
def test_a_file_that_can_be_executed_runs_by_itself(tmp_path: Path, name: str) -> None:
    _file(tmp_path, name, "#!/bin/sh\n", executable=True)
    assert resolve((name, "1"), tmp_path) == ((), (f"./{name}", "1"))
    assert resolve((f"./{name}",), tmp_path) == ((), (f"./{name}",))
    assert resolve((str(tmp_path / name),), Path("/")) == ((), (str(tmp_path / name),))


def test_a_name_on_path_comes_first(tmp_path: Path) -> None:
    _file(tmp_path, "sh", "#!/bin/false\n", executable=True)
    assert resolve(("sh", "-c", ""), tmp_path) == ((), ("sh", "-c", ""))


def test_path_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    _file(tmp_path / "bin", "my-own-program", executable=True)
    with pytest.raises(CommandNotFound):
        resolve(("my-own-program",), tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    assert resolve(("my-own-program",), tmp_path) == ((), ("my-own-program",))


@pytest.mark.parametrize("name", ["missing-program", "./missing", "", "folder", "/no/such/file"])
def test_what_is_neither_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(CommandNotFound, match="command not found"):
        resolve((name,), tmp_path)
    assert resolve((name, "x"), tmp_path, check=False) == ((), (name, "x"))


def test_a_file_that_nothing_can_run(tmp_path: Path) -> None:
    _file(tmp_path, "data.txt", "hello")
    with pytest.raises(CommandNotFound, match="chmod"):
        resolve(("data.txt",), tmp_path)
    assert resolve(("data.txt",), tmp_path, check=False) == ((), ("data.txt",))
