"""A folder with the command for each test, and lines of figures (see the plugin ``figures``)."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from asyncjman.engines.cluster import process
from asyncjman.scheduler import intents, launches, sending
from asyncjman.system import tool
from tests.cli.tools import Jman
from tests.faults.cell import Cell
from tests.faults.tools import kill_left_in


@pytest.fixture(autouse=True)
def nothing_left(tmp_path: Path) -> Iterator[None]:
    """End what a test left running in its folder, which may be what it is about."""
    yield
    kill_left_in(tmp_path / "work")


@pytest.fixture
def open_to_all(jman: Jman) -> Iterator[None]:
    """Have ``jman`` work where all users may read, and write.

    Not among pytest's own folders: the one above them is taken from all others by each pytest that starts.
    """
    with tempfile.TemporaryDirectory(prefix="jman-", ignore_cleanup_errors=True) as name:
        above = Path(name)
        above.chmod(0o755)
        jman.folder = above / "work"
        jman.folder.mkdir()
        jman.folder.chmod(0o777)
        yield
        kill_left_in(jman.folder)


@pytest.fixture
def figures(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Take a line for the figures of the run."""
    return lambda line: record_property("figures", line)


@pytest.fixture
def cell(tmp_path: Path, jman: Jman, monkeypatch: pytest.MonkeyPatch) -> Cell:
    """Put the commands of a cluster of files on the PATH of ``jman``, and little patience."""
    folder = tmp_path / "cell"
    folder.mkdir()
    cell = Cell(folder)
    cell.install()
    jman.variables |= {"PATH": f"{folder}:{jman.environment()['PATH']}", "XDG_CONFIG_HOME": str(tmp_path)}
    jman.variables |= {
        "JMAN_CLUSTER": "sge",
        "JMAN_VANISH_GRACE": "0",
        "JMAN_POLL_INTERVAL": "0.05",
        "JMAN_POLL_INTERVAL_MAX": "0.1",
        "JMAN_CLUSTER_TIMEOUT": "60",
    }
    talk = tool._talk

    def talk_briefly(
        process: subprocess.Popen[bytes], stdin: bytes | None, seconds: float
    ) -> tuple[bytes, bytes]:
        """Give up soon on what hangs, and on nothing else: the machine may be busy."""
        program = Path(process.args[0])  # type: ignore[arg-type, index]
        hangs = cell.fault(program.name) == "hang"
        return talk(process, stdin, min(seconds, 0.5) if hangs else seconds)

    monkeypatch.setattr(tool, "_talk", talk_briefly)
    monkeypatch.setattr(process, "FIRST_PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(intents, "ORPHAN_SECONDS", 0.1)
    monkeypatch.setattr(process, "RETRY_SECONDS", 0.3)
    monkeypatch.setattr(sending, "RETRY_SECONDS", 0.3)
    monkeypatch.setattr(launches, "FIRST_PAUSE_SECONDS", 0.02)
    return cell


@pytest.fixture
def nothing_started_stays(jman: Jman) -> Iterator[None]:
    """End what a test started and what runs of that."""
    yield
    for one in jman.started:
        if one.poll() is None:
            one.kill()
    kill_left_in(jman.folder)
