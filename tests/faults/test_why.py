"""``why`` says what is so, also where the cluster says something else, or nothing."""

from __future__ import annotations

import re

import pytest

from tests.cli.tools import Jman
from tests.faults.cell import Cell

FULL = 'queue instance "all.q@localhost" dropped because it is full'
CHDIR = "11/24/2026 17:20:03 [0:1]: error: can't chdir to /x: No such file or directory"
GROUPS = "11/24/2026 17:20:03 [0:1]: can not find an unused add_grp_id"


@pytest.mark.parametrize("fault", ["hang", "away", "killed", "nothing"])
def test_no_answer_is_not_an_absence(jman: Jman, cell: Cell, fault: str) -> None:
    jman("submit", "--", "true")
    cell.let("qstat", fault)
    why = jman("why").out
    assert "does not answer" in why
    assert "does not list" not in why
    cell.let("qstat")
    cell.drop(1)
    assert "does not list 1 any more" in jman("why", env={"JMAN_VANISH_GRACE": "600"}).out


@pytest.mark.parametrize("array", [True, False])
def test_an_error_that_is_over_is_not_told(jman: Jman, cell: Cell, array: bool) -> None:
    """The text of an error stays with the job on the cluster after it runs."""
    jman("submit", *(["-t", "1-3"] if array else []), "--", "true")
    cell.set(1, state="Eqw", errors={1: GROUPS}, scheduling=[FULL])
    assert "add_grp_id" in jman("why").out
    cell.set(1, state="r")
    why = jman("why").out
    assert "add_grp_id" not in why
    assert "qmod -cj" not in why
    assert FULL not in why  # it runs
    (job,) = jman.list("-a")
    assert (job["status"], job["reason"], job["grid_state"]) == ("executing", None, None)
    if array:
        assert {task["reason"] for task in job["tasks"]} == {None}


def test_an_error_of_a_retry_that_is_over_is_not_told_either(jman: Jman, cell: Cell) -> None:
    """A task with a row of its own keeps no text of an error that somebody cleared."""
    jman("submit", "--retry", "1", "--", "false")
    cell.run(1)
    jman("list")
    cell.set(2, state="Eqw", errors={1: CHDIR})
    assert "in error state" in jman.job()["reason"]
    cell.set(2, state="qw")
    assert jman.job()["reason"] is None
    assert "chdir" not in jman("why").out


def test_the_task_of_an_error_is_told_by_our_number(jman: Jman, cell: Cell) -> None:
    jman("submit", "-t", "3,70,71", "--", "true")
    cell.set(1, tasks="1-3:1", state="Eqw", errors={2: CHDIR})
    why = jman("why").out
    assert "error of task 70: " in why
    assert "the working folder is missing" in why


def test_what_no_host_can_ever_run_is_told_so(jman: Jman, cell: Cell) -> None:
    jman("submit", "-e", "-l mem_total=900G", "--", "true")
    reason = '(-l mem_total=900G) cannot run at host "localhost" because it offers only hl:mem_total=23.541G'
    cell.set(1, resources="mem_total=900G", ever=[reason], scheduling=[FULL])
    why = jman("why").out
    assert "no host can ever run it" in why
    assert reason in why
    assert FULL not in why


def test_what_no_host_offers_now_is_told_so(jman: Jman, cell: Cell) -> None:
    """Of a load value Grid Engine says that no host has it at all, which is not so."""
    jman("submit", "-m", "900G", "--", "true")
    unknown = 'cannot run in queue "{}@localhost" because job requests unknown resource (mem_free)'
    reason = '(-l mem_free=900G) cannot run at host "localhost" because it offers only hl:mem_free=23.277G'
    ever = [unknown.format("all.q"), unknown.format("q1d")]
    cell.set(1, resources="mem_free=900G", ever=ever, now=[reason], scheduling=[FULL])
    why = jman("why").out
    assert "no host, as they are now" in why
    assert reason in why
    assert "ever" not in why
    assert "unknown resource" not in why


@pytest.mark.parametrize(
    ("resources", "ever"),
    [
        (
            "mem_free=1G",
            '(-l mem_free=1G) cannot run in queue "all.q" because job requests unknown resource (mem_free)',
        ),
        ("mem_free=3G,h_rt=100", 'cannot run in PE "pe_mth" because it only offers 0 slots'),
    ],
)
def test_what_waits_for_a_free_slot_is_not_called_impossible(
    jman: Jman, cell: Cell, resources: str, ever: str
) -> None:
    jman("submit", "-m", "1G", "--", "true")
    now = [
        '(-l slots=1) cannot run in queue "all.q@localhost" because it offers only qc:slots=0.000000',
        'cannot run in PE "pe_mth" because it only offers 0 slots',
    ]
    cell.set(1, resources=resources, ever=[ever], now=now, scheduling=[FULL])
    why = jman("why").out
    assert "no host" not in why
    assert FULL in why


@pytest.mark.parametrize("fault", ["hang", "nothing", "killed", "away"])
def test_without_a_verdict_the_rest_is_told(jman: Jman, cell: Cell, fault: str) -> None:
    jman("submit", "--", "true")
    cell.set(1, scheduling=[FULL])
    cell.let("qalter", fault)
    why = jman("why").out
    assert FULL in why
    assert "no host" not in why


def test_what_a_former_number_says_is_not_told(jman: Jman, cell: Cell) -> None:
    """A retry that is still to be sent is not looked for under the number of the attempt before."""
    jman("submit", "--retry", "1", "--", "false")
    cell.let("qsub", "away")
    cell.run(1)
    jman("list")
    why = jman("why").out
    assert "next attempt has not been sent" in why
    assert "does not list" not in why


def test_only_the_tasks_that_are_there_are_looked_for(jman: Jman, cell: Cell) -> None:
    """Of an array whose failed task was sent again, the first number has no task any more."""
    jman("submit", "-t", "1-3", "--retry", "1", "--", "sh", "-c", "[ $SGE_TASK_ID != 2 ]")
    cell.run(1, tasks=[1, 2, 3])
    jman("list")
    assert cell.listed() == [2]
    why = jman("why").out
    assert "does not list" not in why
    assert "waits in the queue" in why


def test_a_time_that_is_over_is_not_waited_for(jman: Jman, cell: Cell) -> None:
    jman("submit", "--", "true")
    cell.set(1, not_before="Mon Nov 23 04:27:37 2020")
    assert "not before" not in jman("why").out
    cell.set(1, not_before="Mon Nov 23 04:27:37 2099")
    assert "starts not before Mon Nov 23 04:27:37 2099" in jman("why").out


def test_many_jobs_are_asked_for_at_once(jman: Jman, cell: Cell) -> None:
    for _ in range(4):
        jman("submit", "--", "true")
    before = {name: len(cell.calls(name)) for name in ("qstat", "qalter")}
    assert len(re.findall("(?m)^job ", jman("why").out)) == 4
    asked = {name: len(cell.calls(name)) - count for name, count in before.items()}
    assert asked["qstat"] <= 2
    assert asked["qalter"] == 1
