"""The real command on the real cell, with watched or faulty cluster commands where wanted."""

from __future__ import annotations

import asyncio
import os
import shlex
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from asyncjman.engines.cluster.process import run
from asyncjman.engines.sge import commands
from asyncjman.engines.sge.programs import PROGRAMS
from asyncjman.engines.sge.qstat import QueueEntry
from tests.cells.sge import Cell, sge_cell
from tests.cli.tools import Jman, Result, wait_until

__all__ = ["sge", "sge_cell", "watched", "wide_queue"]

# what a watched command does is read from a file beside it at each call: MODE, and COUNT calls so far
_WATCHED = r"""#!/bin/sh
here={folder}
echo "{name} $*" >> "$here/calls"
mode=$(cat "$here/mode.{name}" 2>/dev/null)
{environment}
case $mode in
  hang) exec sleep 600;;
  killed) kill -9 $$;;
  nothing) exit 0;;
  fails) echo "error: something broke" >&2; exit 1;;
  away) echo 'error: commlib error: got select error (Connection refused)' >&2; exit 1;;
  garbage) printf '<?xml version="1.0"?><job_info><job_list state="running"><JB_job_\377\0\33[31m'; exit 0;;
  silent) {real} "$@" >/dev/null; exit;;
  unheard) {real} "$@" >/dev/null; kill -9 $$;;
  chatty) echo "warning: <b>the weather</b> is bad" >&2;;
  third) echo x >> "$here/count.{name}"
    if [ $(($(wc -l < "$here/count.{name}") % 3)) = 0 ]; then
      echo 'error: commlib error: got read error (closing connection)' >&2; exit 1; fi;;
  slow) sleep 2;;
esac
exec {real} "$@"
"""


@dataclass
class Watched:
    """Cluster commands that note each call, and do wrong when told to."""

    folder: Path

    def calls(self, name: str = "") -> list[str]:
        """Return the calls so far: name and arguments, a line each."""
        file = self.folder / "calls"
        return [one for one in file.read_text().splitlines() if one.startswith(name)] if file.exists() else []

    def forget(self) -> None:
        (self.folder / "calls").unlink(missing_ok=True)

    def let(self, name: str, mode: str = "") -> None:
        """From now on ``name`` does this: hang, killed, nothing, fails, away, garbage, silent, slow…"""
        temporary = self.folder / "mode.new"
        temporary.write_text(mode)
        temporary.rename(self.folder / f"mode.{name}")


@dataclass
class SgeJman(Jman):
    """``jman`` in a folder, and what the cell says of its jobs."""

    cell: Cell | None = None

    def __call__(
        self,
        *words: str | bytes | int,
        code: int | None = 0,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Result:
        """Run it to its end; ``wait`` for 90 seconds at most."""
        if words[0] == "wait" and "--timeout" not in words:
            words = (*words, "--timeout", "90")
        return super().__call__(*words, code=code, env=env, cwd=cwd)

    def sql(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            return connection.execute(statement, values).fetchall()

    @property
    def token(self) -> str:
        """Return what is in the names of all jobs of this database on the sge."""
        return str(self.sql("SELECT token FROM meta")[0][0])

    @property
    def spool(self) -> Path:
        return Path(f"{self.database}.spool")

    def entries(self) -> list[QueueEntry]:
        """Return what the cell lists of this database's jobs."""
        assert self.cell is not None
        return [one for one in self.cell.qstat() if f"_{self.token}" in one.name]

    def submit_job(self, *words: str | int) -> int:
        """Submit to the cell; return the native id."""
        native_id = self("submit", "--json", *words).json()["grid_id"]
        assert isinstance(native_id, int)
        return native_id

    def tool(self, name: str, *words: str | int) -> str:
        """Run one of the cell's own commands, as an administrator would."""
        assert self.cell is not None
        program = Path(self.cell.binaries.path("qsub")).with_name(name)
        return self.cell.call([str(program), *map(str, words)], check=False)

    def close(self) -> None:
        super().close()
        assert self.cell is not None
        if self.database.exists():
            left = sorted({one.native_id for one in self.entries()})
            if left:
                argv = commands.qdel(self.cell.binaries.path("qdel"), left)
                asyncio.run(run(argv, env=self.cell.binaries.environment, check=False))


@pytest.fixture
def sge(sge_cell: Cell, tmp_path: Path) -> Iterator[SgeJman]:
    """Run the command in an empty folder; its jobs are deleted from the cell after the test."""
    folder = tmp_path / "work"
    folder.mkdir()
    variables = {
        "JMAN_CLUSTER": "sge",
        "JMAN_VANISH_GRACE": "1",
        "JMAN_POLL_INTERVAL": "0.3",
        "JMAN_POLL_INTERVAL_MAX": "1",
    }
    variables |= {"XDG_CONFIG_HOME": str(tmp_path), **sge_cell.variables}
    command = SgeJman(folder, variables, cell=sge_cell)
    yield command
    command.close()


@pytest.fixture
def watched(sge: SgeJman, sge_cell: Cell, tmp_path: Path) -> Watched:
    """Put watched commands before the real ones on the PATH of ``sge``."""
    folder = tmp_path / "bin"
    folder.mkdir()
    environment = "\n".join(
        f"export {key}={shlex.quote(sge_cell.binaries.environment[key])}" for key in sge_cell.variables
    )
    for name in PROGRAMS.names:
        real = shlex.quote(sge_cell.binaries.path(name))
        text = _WATCHED.format(folder=shlex.quote(str(folder)), name=name, real=real, environment=environment)
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    sge.variables["PATH"] = f"{folder}:{sge.environment()['PATH']}"
    return Watched(folder)


@pytest.fixture(scope="session")
def wide_queue(sge_cell: Cell, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A queue of the cell where a hundred tasks run at once: of this session only, and gone with it."""
    name = f"jmanwide{os.getpid()}.q"
    qconf = sge_cell.binaries.path("qconf")
    made = []
    for line in sge_cell.call([qconf, "-sq", "all.q"]).splitlines():
        key = line.split(" ")[0]
        made.append({"qname": f"qname {name}", "slots": "slots 100"}.get(key, line))
    file = tmp_path_factory.mktemp("queue") / "queue"
    file.write_text("\n".join(made) + "\n")
    sge_cell.call([qconf, "-Aq", str(file)])
    yield name

    def is_gone() -> bool:
        sge_cell.call([qconf, "-dq", name], check=False)  # refused while a task is still there
        return name not in sge_cell.call([qconf, "-sql"]).split()

    wait_until(is_gone)
