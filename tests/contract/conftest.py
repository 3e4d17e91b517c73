"""Engines, as the command line drives them: this machine, a fake batch system, and real cells (CELLS=1)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from asyncjman.engines import registry
from tests.cells.sge import sge_cell
from tests.cells.slurm import slurm, slurm_cell
from tests.cli.sge.conftest import sge
from tests.cli.tools import Jman, wait_until
from tests.contract import shells
from tests.faults.tools import kill_left_in

__all__ = ["sge", "sge_cell", "slurm", "slurm_cell"]


class Engine:
    """Jobs of an engine that starts them by itself."""

    def __init__(self, jman: Jman, *words: str) -> None:
        self.jman = jman
        self.words = words

    def end(self) -> dict[str, Any]:
        """Return the job when it has ended."""
        self.jman("wait", "--timeout", "90", code=None)
        return self.jman.job()

    def start(self) -> None:
        """Have what was submitted run; return when it does."""
        wait_until(lambda: self.jman.job()["status"] == "executing")


class Here(Engine):
    """Jobs of this machine."""

    def end(self) -> dict[str, Any]:
        self.jman("--local", "execute", code=None)
        return self.jman.job()

    def start(self) -> None:
        self.jman.start("--local", "execute")
        super().start()


CELLS = ("sge", "slurm")
"""The fixtures of real clusters."""


@pytest.fixture(
    params=["local", "shells", *(pytest.param(name, marks=getattr(pytest.mark, name)) for name in CELLS)]
)
def engine(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Engine]:
    if request.param in CELLS:
        yield Engine(request.getfixturevalue(request.param))
        return
    jman: Jman = request.getfixturevalue("jman")
    if request.param == "local":
        yield Here(jman, "--local")
        return
    _bring_up(jman, tmp_path / "shells", monkeypatch, most=1000)
    yield Engine(jman)
    kill_left_in(jman.folder)


@pytest.fixture
def small(jman: Jman, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Bring a batch system up that takes 3 tasks at once; return its folder."""
    _bring_up(jman, tmp_path / "shells", monkeypatch, most=3)
    yield tmp_path / "shells"
    kill_left_in(jman.folder)


def _bring_up(jman: Jman, folder: Path, monkeypatch: pytest.MonkeyPatch, *, most: int) -> None:
    folder.mkdir()
    shells.install(folder, most=most)
    monkeypatch.setitem(registry.ENGINES, "shells", shells.engine)
    jman.variables |= {"JMAN_CLUSTER": "shells", "PATH": f"{folder}:{jman.environment()['PATH']}"}
    jman.variables |= {"JMAN_VANISH_GRACE": "1", "JMAN_POLL_INTERVAL": "0.1", "JMAN_POLL_INTERVAL_MAX": "0.3"}
