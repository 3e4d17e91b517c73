"""jman doctor on a machine without a cluster."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from tests.cli.tools import Jman


@pytest.fixture
def alone(jman: Jman) -> Jman:
    """A machine that has no batch system, and a user who names none."""
    jman.variables |= {"JMAN_CLUSTER": "auto", "PATH": str(jman.folder / "bin")}
    return jman


def change(jman: Jman, sql: str) -> None:
    with closing(sqlite3.connect(jman.database)) as connection:
        connection.executescript(sql)


def test_it_needs_none(alone: Jman) -> None:
    for _ in range(2):
        lines = alone("doctor").out.splitlines()
        assert all(line.startswith("ok  ") for line in lines), lines
        assert lines[-1] == (
            "ok  cluster: none is here, and no job is on one: jman --local runs jobs on this machine"
        )
        alone("--local", "submit", "--no-check", "true")


def test_one_that_is_named_has_to_be_there(alone: Jman) -> None:
    out = alone("--cluster", "slurm", "doctor", code=3).out
    assert "!!  sbatch: not here\n" in out


def test_one_that_has_jobs_has_to_be_there(alone: Jman) -> None:
    alone("--local", "submit", "--no-check", "true")
    change(alone, "UPDATE job SET engine = 'sge'")
    out = alone("doctor", code=3).out
    assert "!!  qsub: not here\n" in out
    assert "none is here" not in out
    change(alone, "UPDATE task SET status = 'success'; UPDATE job SET finished_at = 1.0")
    assert "none is here, and no job is on one" in alone("doctor").out
