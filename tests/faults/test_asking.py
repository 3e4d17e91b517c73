"""What is asked of a cluster: queues by their names, and jobs by their numbers."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from tests.cli.tools import Jman
from tests.faults.cell import Cell


def submitted(cell: Cell) -> list[str]:
    """Return the words of the last qsub."""
    return cell.calls("qsub")[-1]


@pytest.mark.parametrize("queues", ["all.q,q1d", "q1d,all.q@host1", "all.q,*"])
def test_a_list_of_queues(jman: Jman, cell: Cell, queues: str) -> None:
    jman("submit", "-q", queues, "--", "true")
    words = submitted(cell)
    assert words[words.index("-q") + 1] == queues
    assert "-l" not in words


@pytest.mark.parametrize("option", ["auto", "-l", "-q"])
@pytest.mark.parametrize("queues", ["nosuch", "all.q,nosuch", "nosuch,all.q"])
def test_an_unknown_queue_is_told_with_those_there_are(
    jman: Jman, cell: Cell, queues: str, option: str
) -> None:
    (jman.folder / "jman.toml").write_text(f'[resources]\nqueue-option = "{option}"\n')
    refused = jman("submit", "-q", queues, "--", "true", code=2)
    assert "no queue nosuch" in refused.err
    assert "all.q, q1d" in refused.err
    assert len(refused.err.splitlines()) <= 2
    assert jman.list() == []
    assert cell.listed() == []


def test_an_attribute_in_place_of_a_queue_is_asked_for(jman: Jman, cell: Cell) -> None:
    """Sites have a requestable attribute for their queues: no queue is named so, and it is fine."""
    jman("submit", "-q", "gpu_attribute", "--", "true")
    words = submitted(cell)
    assert words[words.index("-l") + 1] == "gpu_attribute"


def test_a_list_without_a_queue_is_refused(jman: Jman, cell: Cell) -> None:
    jman("submit", "-q", ",", "--", "true", code=2)
    assert cell.calls("qsub") == []


def both(jman: Jman, cell: Cell) -> int:
    """Make a number that is a job's own, and the cluster's number of another job."""
    cell.set_counter(1)
    jman("submit", "--", "true")
    jman("--local", "submit", "--", "true")
    assert [(one["id"], one["grid_id"]) for one in jman.list()] == [(1, 2), (2, None)]
    return 2


@pytest.mark.parametrize("option", ["-x", "--after-any", "--after-ok", "--after-notok"])
@pytest.mark.parametrize("local", [True, False], ids=["local", "cluster"])
def test_a_number_of_two_jobs_is_refused(jman: Jman, cell: Cell, option: str, local: bool) -> None:
    number = both(jman, cell)
    words = ["--local"] if local else []
    for also in ([], ["--dry-run"]):
        refused = jman(*words, "submit", *also, option, number, "--", "true", code=2)
        assert f"write job:{number} or grid:{number}" in refused.err
    assert len(jman.list()) == 2


def test_which_of_two_jobs_is_meant_can_be_said(jman: Jman, cell: Cell) -> None:
    number = both(jman, cell)
    jman("--local", "submit", "-x", f"job:{number}", "--", "true")
    jman("--local", "submit", "-x", f"grid:{number}", "--", "true")
    jman("--local", "submit", "--after-ok", f"job:1,grid:{number}", "--", "true")
    assert [[one["id"] for one in job["dependencies"]] for job in jman.list("3-5")] == [[2], [1], [1]]


@pytest.mark.parametrize("ids", ["1-2", "1-1000000000000", "7", "job:7", "grid:7", "job:1-99999999999"])
def test_to_wait_for_what_is_not_there_is_refused(jman: Jman, ids: str) -> None:
    jman.submit("true")
    refused = jman("--local", "submit", "-x", ids, "--", "true", code=2)
    assert "no " in refused.err
    assert len(refused.err) < 300
    with closing(sqlite3.connect(jman.database)) as connection:
        assert connection.execute("SELECT count(*) FROM job").fetchall() == [(1,)]
