"""What accounting says of a job that left no record: whose fault it was, and what is not known then.

The codes and their texts are those of sge_status(5); 19 was recorded when a shepherd was killed
(tests/cli/sge/test_states.py does it on a real cell).
"""

from __future__ import annotations

import re

import pytest

from tests.cli.tools import Jman
from tests.faults.cell import Cell

LOST = [
    "1   : assumedly before job",
    "11  : before job",
    "18  : shepherd returned error",
    "19  : before writing exit_status",
    "21  : in recognizing job",
]
OWN_FAULT = [("26  : opening input/output file", 0), ("28  : changing into working directory", 0)]


@pytest.mark.parametrize("failed", LOST)
@pytest.mark.parametrize("started", [True, False], ids=["started", "pending"])
def test_what_the_node_lost_is_tried_again(jman: Jman, cell: Cell, failed: str, started: bool) -> None:
    jman("submit", "--retry", "1", "--retry-on", "node", "--", "sh", "-c", "echo x >> ran")
    if started:
        cell.start(1)
        jman("list")
    cell.lose(1, failed)
    for _ in range(3):
        jman("list")
    assert cell.listed() == [2], jman.job()
    cell.run(2)
    jman("wait", "--timeout", "20")
    assert jman.job()["attempt"] == 2
    assert (jman.folder / "ran").read_text() == "x\n"


def test_what_the_node_loses_again_and_again_fails_in_the_end(jman: Jman, cell: Cell) -> None:
    jman("submit", "--retry", "2", "--retry-on", "node", "--", "true")
    for number in (1, 2, 3):
        cell.lose(number, "1   : assumedly before job")
        for _ in range(3):
            jman("list")
    assert cell.listed() == []
    assert (jman.job()["status"], jman.job()["attempt"]) == ("failure", 3)


@pytest.mark.parametrize("failed", LOST)
def test_of_what_the_node_lost_no_end_is_told(jman: Jman, cell: Cell, failed: str) -> None:
    jman("submit", "--retry", "3", "--retry-on", "failure,timeout,signal,oom", "--", "true")
    cell.start(1)
    jman("list")
    cell.lose(1, failed)
    jman("wait", "--timeout", "20", code=1)
    job = jman.job()
    assert (job["status"], job["exit_status"], job["attempt"]) == ("failure", None, 1)
    for words in (["why"], ["list", "-l"], ["report"], ["wait"]):
        shown = jman(*words, code=None)
        assert "exit status 0" not in shown.out + shown.err
        assert not re.search(r"ran \d", shown.out), shown.out
    code, _, text = failed.partition(":")
    assert f"{code.strip()} {text.strip()}" in jman("why").out


@pytest.mark.parametrize(("failed", "status"), OWN_FAULT)
def test_a_fault_of_the_jobs_own_is_none_of_the_nodes(
    jman: Jman, cell: Cell, failed: str, status: int
) -> None:
    jman("submit", "--retry", "1", "--retry-on", "node", "--", "true")
    cell.lose(1, failed, status)
    jman("wait", "--timeout", "20", code=1)
    job = jman.job()
    assert (job["status"], job["exit_status"], job["attempt"]) == ("failure", None, 1)
    assert "could not be started" in job["reason"]


@pytest.mark.parametrize(
    ("failed", "status", "shown"),
    [
        ("15  : in epilog", 3, 3),
        ("15  : in epilog", 0, None),
        ("100 : assumedly after job", 2, 2),
        ("100 : assumedly after job", 0, None),
    ],
)
def test_what_failed_after_it_had_run_did_run(
    jman: Jman, cell: Cell, failed: str, status: int, shown: int | None
) -> None:
    """Its own exit status is told; one of 0 is not a success, for the record of it is missing."""
    jman("submit", "--", "true")
    cell.start(1)
    jman("list")
    cell.lose(1, failed, status, times=True)
    jman("wait", "--timeout", "20", code=1)
    job = jman.job()
    assert (job["status"], job["exit_status"]) == ("failure", shown)
    assert "could not run" not in job["reason"]


def test_a_record_that_comes_late_corrects_a_loss(jman: Jman, cell: Cell) -> None:
    """A job outlives its killed shepherd, and writes down how it ended."""
    jman("submit", "--", "sh", "-c", "echo x >> ran")
    job = cell.job(1)
    cell.start(1)
    jman("list")
    cell.lose(1, "19  : before writing exit_status")
    jman("wait", "--timeout", "20", code=1)
    cell.run_script(1, job)
    assert jman.job()["status"] == "success"
