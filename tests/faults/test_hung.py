"""A cluster whose commands hang: each command of ours has one limit of time for all that it asks."""

from __future__ import annotations

import time

import pytest

from tests.cli.tools import Jman
from tests.faults.cell import Cell

COMMANDS = ("qsub", "qstat", "qdel", "qacct", "qconf", "qalter")
SLACK_SECONDS = 8.0
"""For the start of Python and all else, on a busy machine; a call alone would take 30 seconds."""


@pytest.fixture
def hung(jman: Jman, cell: Cell) -> Jman:
    """Some jobs in all states, of which each makes a call of its own, on a cluster that hangs."""
    jman("submit", "--", "true")
    cell.run(1)
    jman("list")
    jman("submit", "--", "true")
    jman("submit", "-t", "3", "--", "true")
    cell.start(3)
    jman("list")
    jman("--local", "submit", "true")
    for _ in range(2):
        jman("submit", "-q", "q1d", "-x", 4, "--", "true")
    jman("--local", "execute")
    for name in COMMANDS:
        cell.let(name, "hang")
    jman.variables["JMAN_CLUSTER_TIMEOUT"] = "2"
    return jman


def timed(jman: Jman, *words: str | int, code: int | None = 0) -> tuple[float, str]:
    """Run a command as a process; return how many seconds it took, and its errors."""
    begun = time.monotonic()
    done = jman.fresh(*words, code=code)
    return time.monotonic() - begun, done.err


def test_one_limit_for_all_that_is_asked(hung: Jman) -> None:
    hung.variables["JMAN_CLUSTER_TIMEOUT"] = "1"
    for words in (["list"], ["list", "-t"], ["list", "--json"], ["report"], ["why"]):
        seconds, errors = timed(hung, *words)
        assert seconds < 1 + SLACK_SECONDS
        assert "no answer within 1 s" in errors
    seconds, _ = timed(hung, "doctor", code=3)
    assert seconds < 1 + SLACK_SECONDS


def test_ten_seconds_are_the_limit(hung: Jman) -> None:
    del hung.variables["JMAN_CLUSTER_TIMEOUT"]
    seconds, errors = timed(hung, "list", "-t")
    assert 10 <= seconds < 10 + SLACK_SECONDS
    assert "no answer within 10 s" in errors


@pytest.mark.parametrize(("command", "code"), [("wait", 124), ("communicate", 3)])
def test_a_timeout_is_kept(hung: Jman, command: str, code: int) -> None:
    seconds, errors = timed(hung, command, "--timeout", "3", code=code)
    assert 3 <= seconds < 3 + SLACK_SECONDS
    assert "no answer within 3 s" in errors


def test_a_file_sets_the_limit(hung: Jman) -> None:
    del hung.variables["JMAN_CLUSTER_TIMEOUT"]
    (hung.folder / "jman.toml").write_text("cluster-timeout = 1.5\n")
    seconds, errors = timed(hung, "list")
    assert seconds < 1.5 + SLACK_SECONDS
    assert "no answer within 1.5 s" in errors


def test_an_execute_that_ends_is_seen_although_the_cluster_hangs(hung: Jman, cell: Cell) -> None:
    """What the jobs themselves wrote is read, whether the cluster answers or not."""
    cell.run(2)
    timed(hung, "list")
    for name in COMMANDS:
        cell.let(name)
    assert hung.status()[2] == "success"


@pytest.mark.parametrize(("command", "hangs"), [("stop", "qstat"), ("delete", "qstat"), ("stop", "qdel")])
def test_what_is_not_confirmed_is_told(jman: Jman, cell: Cell, command: str, hangs: str) -> None:
    jman("submit", "--", "true")
    jman("submit", "-t", "3", "--", "true")
    jman("--local", "submit", "true")
    cell.start(1)
    jman("list")
    before = jman.status()
    cell.let(hangs, "hang")
    done = jman(command, code=3)
    assert "job 1,2 " in done.err
    assert "not confirmed" in done.err
    assert "nothing was changed" in done.err
    cell.let(hangs)
    assert {key: jman.status()[key] for key in (1, 2)} == {key: before[key] for key in (1, 2)}
    if command == "stop":
        # what is on this machine does not wait for the cluster
        assert jman.status()[3] == "stopped"
        assert "Stopped 3 @local" in done.out


def test_what_the_cluster_still_lists_is_not_stopped(
    jman: Jman, cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that is dead keeps a job that is being deleted for ever."""
    monkeypatch.setattr("asyncjman.scheduler.cancelling.WAIT_SECONDS", 0.5)
    jman("submit", "--", "true")
    jman("submit", "--", "true")
    cell.start(1)
    jman("list")
    cell.let("qdel", "deaf")
    done = jman("stop", code=3)
    assert "Stopped 2" in done.out
    assert "Stopped 1" not in done.out
    assert "job 1 (grid 1) is not confirmed" in done.err
    assert jman.status() == {1: "executing", 2: "stopped"}
    done = jman("delete")
    assert "job 1 (grid 1) is not confirmed" in done.err
    assert not jman.database.exists()


def test_a_second_submission_is_not_tried_while_the_cluster_hangs(jman: Jman, cell: Cell) -> None:
    """What never was sent is known not to be there: no doubt about it is told."""
    cell.let("qconf", "hang")
    refused = jman("submit", "-q", "q1d", "--", "true", code=3)
    assert "qconf: no answer" in refused.err
    assert "not known whether" not in refused.err
    cell.let("qconf")
    assert jman.list() == []
    assert cell.calls("qsub") == []


def test_too_little_time_for_accounting_is_no_evidence(jman: Jman, cell: Cell) -> None:
    """What accounting was not asked, or not long enough, it may know: nothing is given up for it."""
    jman("submit", "--", "true")
    cell.run(1, record=False)
    cell.let("qacct", "slow", 4)
    jman.variables["JMAN_CLUSTER_TIMEOUT"] = "1"
    for _ in range(3):
        jman.fresh("list")
    cell.let("qacct")
    del jman.variables["JMAN_CLUSTER_TIMEOUT"]  # now accounting may take as long as the machine needs
    assert jman.status() == {1: "success"}


def test_what_follows_here_follows_although_the_cluster_hangs(hung: Jman, cell: Cell) -> None:
    """A job that waits for one of this machine is skipped with it, whatever the cluster says."""
    hung("--local", "submit", "false")
    for name in COMMANDS:
        cell.let(name)
    hung("submit", "--after-ok", 7, "--", "true")
    cell.let("qstat", "hang")
    hung("--local", "execute", code=None)
    hung("list")
    assert hung.status()[8] == "skipped"


def test_doctor_goes_on_where_only_one_question_hangs(jman: Jman, cell: Cell) -> None:
    cell.let("qconf", "hang")
    out = jman("doctor", code=3).out
    assert "qmaster: answers" in out
    assert "qconf: no answer" in out
    assert "submission: this host and user may submit" in out


def test_a_limit_of_jobs_is_waited_for(jman: Jman, cell: Cell) -> None:
    """As many jobs as a user may have are there: what is to be sent by itself is sent later."""
    jman("submit", "--retry", "1", "--", "sh", "-c", "[ $JMAN_ATTEMPT = 2 ]")
    jman("submit", "--", "true")
    cell.let("qsub", "full")
    cell.run(1)
    for _ in range(2):
        assert "only 20 jobs are allowed per user" in jman("list").err
    assert jman.status()[1] == "submitted"
    waiting = jman("submit", "--", "true")
    assert "only 20 jobs are allowed per user" in waiting.err
    assert len(jman.list()) == 3
    jman("stop", 3)
    # what is there can be stopped all the same
    assert "Stopped 2" in jman("stop", 2).out
    cell.let("qsub")
    jman("list")
    (native_id,) = cell.listed()
    cell.run(native_id)
    jman("wait", 1, "--timeout", "20")
    assert jman.status() == {1: "success", 2: "stopped", 3: "stopped"}
