"""A repository that somebody else prepared: what its configuration names is not run by ``jman submit``."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from asyncjman.system.git import is_dirty
from tests.cli.tools import Jman


class Repository:
    """A repository in the folder of ``jman``, with one commit; ``evil`` is a program that leaves a trace."""

    def __init__(self, jman: Jman) -> None:
        self._jman = jman
        self.folder = jman.folder
        self.ran = jman.folder.parent / "ran"
        self.evil = jman.folder.parent / "evil"
        self.evil.write_text(f'#!/bin/sh\necho "$0 $*" >> {self.ran}\ncat\nexit 1\n')
        self.evil.chmod(0o755)
        (self.folder / ".gitignore").write_text("submitted.sql3*\n")
        self.make(self.folder)

    def make(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        (folder / "file").write_text("1\n")
        for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "x"]):
            self.git(*words, folder=folder)

    def git(self, *words: str, folder: Path | None = None) -> str:
        done = subprocess.run(
            ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words],
            cwd=folder or self.folder,
            env=self._jman.environment(),
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def set(self, name: str, value: str | Path, folder: Path | None = None) -> None:
        self.git("config", name, str(value), folder=folder)

    def change(self, folder: Path | None = None) -> None:
        """Have git look into the file once more: its contents are others, of the same size."""
        ((folder or self.folder) / "file").write_text("2\n")


def _watcher(repository: Repository) -> None:
    repository.set("core.fsmonitor", repository.evil)


def _hooks(repository: Repository) -> None:
    hooks = repository.folder / ".git" / "hooks"
    for name in ("post-index-change", "fsmonitor-watchman", "pre-auto-gc", "reference-transaction"):
        (hooks / name).write_bytes(repository.evil.read_bytes())
        (hooks / name).chmod(0o755)
    repository.change()


def _filter(name: str, *settings: str) -> Callable[[Repository], None]:
    def put(repository: Repository) -> None:
        (repository.folder / ".git" / "info" / "attributes").write_text(f"file filter={name}\n")
        for setting in settings:
            value = "true" if setting == "required" else str(repository.evil)
            repository.set(f"filter.{name}.{setting}", value)
        repository.change()

    return put


def _included_filter(repository: Repository) -> None:
    (repository.folder / ".git" / "more").write_text(f'[filter "x"]\nclean = {repository.evil}\n')
    (repository.folder / ".gitattributes").write_text("* filter=x\n")
    repository.set("include.path", "more")
    repository.change()


def _submodule(repository: Repository) -> None:
    inner = repository.folder / "inner"
    repository.make(inner)
    repository.git("-c", "protocol.file.allow=always", "submodule", "add", "./inner", "inner")
    repository.git("commit", "-qm", "submodule")
    repository.set("core.fsmonitor", repository.evil, folder=inner)
    repository.change(inner)


def _missing_object(repository: Repository) -> None:
    """The tree of the commit is missing, and a program of the configuration would fetch it."""
    tree = repository.git("rev-parse", "HEAD^{tree}")
    (repository.folder / ".git" / "objects" / tree[:2] / tree[2:]).unlink()
    repository.set("remote.origin.url", f"file://{repository.folder}")
    repository.set("remote.origin.uploadpack", repository.evil)
    repository.set("remote.origin.promisor", "true")
    repository.set("core.repositoryformatversion", "1")
    repository.set("extensions.partialClone", "origin")


def _pager(repository: Repository) -> None:
    for name in ("core.pager", "pager.status", "diff.external", "core.sshCommand", "core.editor"):
        repository.set(name, repository.evil)
    repository.change()


@pytest.mark.parametrize(
    "prepare",
    [
        pytest.param(_watcher, id="fsmonitor"),
        pytest.param(_hooks, id="hooks"),
        pytest.param(_filter("x", "clean", "smudge"), id="clean"),
        pytest.param(_filter("x", "process"), id="process"),
        pytest.param(_filter("x", "clean", "process", "required"), id="required"),
        pytest.param(_filter("a.b", "clean"), id="dot"),
        pytest.param(_filter("a=b", "clean"), id="equals"),
        pytest.param(_included_filter, id="include"),
        pytest.param(_submodule, id="submodule"),
        pytest.param(_missing_object, id="promisor"),
        pytest.param(_pager, id="pager"),
    ],
)
def test_submit_runs_nothing_of_the_repository(jman: Jman, prepare: Callable[[Repository], None]) -> None:
    repository = Repository(jman)
    prepare(repository)
    commit = repository.git("rev-parse", "HEAD")
    repository.ran.unlink(missing_ok=True)
    job = jman.submit("true")
    assert not repository.ran.exists(), repository.ran.read_text()
    assert job["git_commit"] == commit


@pytest.mark.parametrize("name", ["x", "a=b"])
def test_whether_a_folder_is_dirty_is_told_beside_filters(jman: Jman, name: str) -> None:
    repository = Repository(jman)
    repository.set(f"filter.{name}.clean", repository.evil)
    # no option of git can be about the second one: nobody looks at the files then
    assert jman.submit("true")["git_dirty"] is (False if name == "x" else None)
    repository.change()
    assert jman.submit("true")["git_dirty"] is (True if name == "x" else None)


def test_a_repository_with_no_commit(jman: Jman) -> None:
    subprocess.run(["git", "init", "-q"], cwd=jman.folder, env=jman.environment(), check=True)
    job = jman.submit("true")
    assert (job["git_commit"], job["git_dirty"]) == (None, None)


@pytest.mark.parametrize(
    ("status", "dirty"),
    [
        ("", False),
        ("# branch.oid 0123abc\n# stash 1\n", False),
        ("1 .M N... 100644 100644 100644 a b file\n", True),
        ("u UU N... 1 2 3 4 a b c file\n", True),
        ("1 .M N... \udcff\udcfe\n", True),
    ],
)
def test_a_status_of_git(status: str, dirty: bool) -> None:
    assert is_dirty(status) is dirty
