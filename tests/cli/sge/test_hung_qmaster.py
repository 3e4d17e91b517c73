"""A qmaster that takes connections and answers nobody, as one that is stopped, or waits for its disk."""

from __future__ import annotations

import time

import pytest

from asyncjman.engines.cluster import process
from tests.cells.sge import Cell
from tests.cli.sge.conftest import SgeJman
from tests.cli.tools import wait_until

pytestmark = pytest.mark.sge

SLACK_SECONDS = 4.0
"""For the start of Python, and all else, on a busy machine."""


def timed(sge: SgeJman, *words: str | int, code: int | None = 0) -> tuple[float, str]:
    """Run a command as a process; return how many seconds it took, and its errors."""
    begun = time.monotonic()
    done = sge.fresh(*words, code=code)
    return time.monotonic() - begun, done.err


@pytest.fixture
def jobs(sge: SgeJman) -> SgeJman:
    """One that ended, one that runs, one that is held."""
    sge.submit_job("true")
    sge("wait")
    sge.submit_job("sh", "-c", "while [ ! -e go ]; do sleep 0.1; done; exit 3")
    sge.submit_job("-e", "-h", "-q", "q1d", "-t", "3", "true")
    wait_until(lambda: sge.status() == {1: "success", 2: "executing", 3: "waiting"})
    return sge


def test_ten_seconds_for_all(jobs: SgeJman, sge_cell: Cell) -> None:
    with sge_cell.hung():
        seconds, errors = timed(jobs, "list", "-t")
    assert 10 <= seconds < 10 + SLACK_SECONDS
    assert "qstat: no answer within 10 s" in errors
    assert jobs("list").err == ""


def test_one_limit_for_each_command(jobs: SgeJman, sge_cell: Cell) -> None:
    jobs.variables["JMAN_CLUSTER_TIMEOUT"] = "2"
    with sge_cell.hung():
        for words, code in ((["report"], 0), (["why"], 0), (["doctor"], 3)):
            seconds, errors = timed(jobs, *words, code=code)
            assert 2 <= seconds < 2 + SLACK_SECONDS
            assert words == ["doctor"] or "qstat: no answer within 2 s" in errors
    assert jobs("list").err == ""


def test_wait_ends_in_time(jobs: SgeJman, sge_cell: Cell) -> None:
    with sge_cell.hung():
        seconds, errors = timed(jobs, "wait", "--timeout", "3", code=124)
    assert 3 <= seconds < 3 + SLACK_SECONDS
    assert "not all jobs ended within 3 s" in errors


def test_an_end_is_seen_meanwhile(jobs: SgeJman, sge_cell: Cell) -> None:
    with sge_cell.hung():
        (jobs.folder / "go").touch()
        wait_until(lambda: list(jobs.spool.glob("*/exit.0")))
        jobs.variables["JMAN_CLUSTER_TIMEOUT"] = "1"
        assert jobs.job(2)["exit_status"] == 3


def test_nothing_is_told_to_be_stopped(
    jobs: SgeJman, sge_cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sge_cell.hung(), monkeypatch.context() as patch:
        patch.setattr(process, "TIMEOUT_SECONDS", 2.0)
        errors = jobs("stop", code=3).err
    assert "job 2,3 is not confirmed to be stopped: nothing was changed" in errors
    assert jobs.status() == {1: "success", 2: "executing", 3: "waiting"}
    jobs("stop")
    wait_until(lambda: not jobs.entries())  # it takes up where it was, with the end of job 1 as well


def test_a_submission_is_in_doubt_and_then_found(
    jobs: SgeJman, sge_cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sge_cell.hung(), monkeypatch.context() as patch:
        patch.setattr(process, "TIMEOUT_SECONDS", 2.0)
        errors = jobs("submit", "--", "sh", "-c", "echo x >> ran", code=3).err
    assert "not known whether job 4 was taken: jman list finds out" in errors
    jobs.variables["JMAN_POLL_INTERVAL_MAX"] = "5"
    jobs("wait", 4)
    assert (jobs.folder / "ran").read_text() == "x\n"
