"""A cluster that fails, and a jman that is killed: nothing lost, nothing twice, no wrong success."""

from __future__ import annotations

import contextlib
import getpass
import os
import random
import subprocess
import time

import pytest

from asyncjman.engines.cluster import process as command
from asyncjman.engines.sge import commands
from asyncjman.engines.sge.parse import parse_qacct
from asyncjman.scheduler import intents
from tests.cells.sge import wait_until
from tests.cli.tools import COMMAND
from tests.grid.conftest import Grid, Watched

pytestmark = pytest.mark.sge

LONG = bool(os.environ.get("JMAN_LONG"))


@pytest.fixture
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands that hang be given up soon."""
    monkeypatch.setattr(command, "TIMEOUT_SECONDS", 1.0)
    monkeypatch.setattr(intents, "ORPHAN_SECONDS", 2.0)


def names_on_grid(grid: Grid) -> list[str]:
    """Return the names of jobs that the grid has or had, each as often as it was submitted."""
    assert grid.cell is not None
    listed = {(one.native_id, one.name) for one in grid.entries()}
    argv = commands.qacct_names(
        grid.cell.binaries.path("qacct"), f"jm*_{grid.token}*", user=getpass.getuser()
    )
    done = {(one.native_id, one.name) for one in parse_qacct(grid.cell.call(argv, check=False))}
    return sorted(name for _, name in listed | done)


def job_numbers(grid: Grid) -> list[int]:
    return sorted(int(name[2:].partition("_")[0]) for name in names_on_grid(grid))


# -- commands that do wrong ----------------------------------------------------------------------


def some(short: str, rest: str) -> list[str]:
    """Return the faults to try: the long form (JMAN_LONG=1) tries more."""
    return [*short.split(), *(rest.split() if LONG else ())]


@pytest.mark.parametrize("fault", some("hang away garbage", "killed nothing fails unheard"))
def test_a_qstat_that_does_wrong(grid: Grid, watched: Watched, short_limits: None, fault: str) -> None:
    grid.grid_job("sh", "-c", "while [ ! -e go ]; do sleep 0.1; done; exit 3")
    grid.grid_job("-e", "-h", "true")
    wait_until(lambda: grid.status() == {1: "executing", 2: "waiting"})
    watched.let("qstat", fault)
    for _ in range(3):
        seen = grid("list")
        assert seen.err.startswith("jman: qstat"), seen
        assert " old\n" in seen.err
    assert grid.status() == {1: "executing", 2: "waiting"}
    grid("why")
    # the job's own record is believed all the same
    (grid.folder / "go").touch()
    wait_until(lambda: grid.status()[1] == "failure")
    watched.let("qstat")
    assert grid("list").err == ""
    assert grid.status() == {1: "failure", 2: "waiting"}


@pytest.mark.parametrize("mode", ["chatty", "slow", "third"])
def test_a_qstat_that_is_a_nuisance(grid: Grid, watched: Watched, mode: str) -> None:
    for name in ("qstat", "qacct", "qdel"):
        watched.let(name, mode)
    grid.grid_job("sh", "-c", "exit 3")
    grid("wait", code=1)
    assert grid.job()["exit_status"] == 3


@pytest.mark.parametrize("fault", some("nothing unheard hang", "killed garbage silent"))
def test_a_qsub_that_does_wrong(grid: Grid, watched: Watched, short_limits: None, fault: str) -> None:
    watched.let("qsub", fault)
    refused = grid("submit", "sh", "-c", "echo x >> ran", code=3)
    assert refused.err.startswith("jman: qsub"), refused
    watched.let("qsub")
    if grid.list():
        # it is not known whether it was taken: found out, or sent again, within the time of an orphan
        wait_until(lambda: grid.job()["grid_id"])
        grid("wait")
        assert (grid.folder / "ran").read_text() == "x\n"
        wait_until(lambda: job_numbers(grid) == [1])
    else:
        assert names_on_grid(grid) == []


@pytest.mark.parametrize("mode", ["away", "third"])
def test_a_qsub_that_works_later(grid: Grid, watched: Watched, mode: str) -> None:
    watched.let("qsub", mode)
    process = grid.start("submit", "true")
    if mode == "away":
        wait_until(lambda: len(watched.calls("qsub")) >= 2)
        watched.let("qsub")
    assert process.wait(30) == 0, grid.output_of(process)
    grid("wait")
    wait_until(lambda: job_numbers(grid) == [1])


@pytest.mark.parametrize("fault", some("killed nothing", "fails hang away garbage"))
def test_a_qdel_that_does_wrong(
    grid: Grid, watched: Watched, short_limits: None, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "LONGEST_PAUSE_SECONDS", 0.5)
    grid.grid_job("sleep", "300")
    grid.grid_job("-e", "-h", "true")
    wait_until(lambda: grid.status() == {1: "executing", 2: "waiting"})
    watched.let("qdel", fault)
    if fault in ("hang", "away"):
        monkeypatch.setattr(command, "RETRY_SECONDS", 1.0)
    for words in (("stop",), ("delete",)):
        grid(*words, code=3)
        assert grid.status() == {1: "executing", 2: "waiting"}
    assert len(grid.entries()) == 2
    watched.let("qdel")
    grid("delete")
    assert list(grid.folder.iterdir()) == []


@pytest.mark.parametrize("fault", some("hang", "garbage killed nothing fails silent"))
def test_a_qacct_that_does_wrong(grid: Grid, watched: Watched, short_limits: None, fault: str) -> None:
    grid.variables["JMAN_VANISH_GRACE"] = "1"
    watched.let("qacct", fault)
    native_id = grid.grid_job("sleep", "300")
    wait_until(lambda: grid.status() == {1: "executing"})
    grid.tool("qdel", native_id)
    grid("wait", code=1)
    assert grid.job()["reason"].startswith("vanished")


def test_every_command_fails_every_third_time(grid: Grid, watched: Watched, short_limits: None) -> None:
    for name in ("qsub", "qstat", "qdel", "qacct"):
        watched.let(name, "third")
    sent = 0
    while sent < 6:
        sent += grid("submit", "sh", "-c", "echo $JMAN_JOB_ID >> ran", code=None).code == 0
        grid("list")
    grid("wait")
    assert {one["status"] for one in grid.list()} == {"success"}
    ran = sorted(map(int, (grid.folder / "ran").read_text().split()))
    assert ran == [one["id"] for one in grid.list()]
    wait_until(lambda: job_numbers(grid) == ran)


def test_the_qmaster_away_under_wait(grid: Grid, watched: Watched) -> None:
    gate = "while [ ! -e go ]; do sleep 0.1; done"
    program = f"{gate}; echo $SGE_TASK_ID >> ran; exit $((SGE_TASK_ID % 4 == 0))"
    grid.grid_job("-t", "12", "sh", "-c", program)
    process = grid.start("wait")
    wait_until(lambda: watched.calls("qstat"))
    for name in ("qstat", "qsub", "qdel"):
        watched.let(name, "away")
    before = len(watched.calls("qstat"))
    wait_until(lambda: len(watched.calls("qstat")) > before + 3)
    (grid.folder / "go").touch()
    for name in ("qstat", "qsub", "qdel"):
        watched.let(name)
    assert process.wait(60) == 1
    assert {number for number, one in grid.tasks().items() if one["status"] == "failure"} == {4, 8, 12}
    assert sorted(map(int, (grid.folder / "ran").read_text().split())) == list(range(1, 13))


# -- jman killed, and several at once -------------------------------------------------------------


def test_submit_killed_at_twenty_moments(grid: Grid) -> None:
    """The long form (JMAN_LONG=1) kills 200 times."""
    before = time.monotonic()
    grid.fresh("submit", "-e", "-h", "true")
    usual = time.monotonic() - before
    chance = random.Random(3)
    trials = 200 if LONG else 20
    survived = 0
    for number in range(trials):
        process = subprocess.Popen(
            [*COMMAND, "submit", "-n", f"n{number}", "-e", "-h", "true"],
            cwd=grid.folder, env=grid.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        # a moment of its life: most of them where the store and qsub are at work
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(usual * chance.uniform(0.2, 1.1))
        survived += process.poll() is not None
        process.kill()
        process.communicate()
    # a qsub that outlives its jman is waited for: it has the token in its arguments
    wait_until(lambda: all(one["grid_id"] for one in grid.fresh("list", "--json").json()))
    shown = grid.list()
    assert job_numbers(grid) == [one["id"] for one in shown]
    on_grid = {one.native_id for one in grid.entries()}
    assert {one["grid_id"] for one in shown} == on_grid
    assert len(shown) > survived
    assert survived < trials
    print(f"{trials} trials: {survived} ended before the kill, {len(shown)} jobs, each once on the grid")


def test_an_intent_of_a_killed_resubmission_does_not_take_the_former_number(grid: Grid) -> None:
    program = "[ $SGE_TASK_ID = 1 ] && exit 1; while [ ! -e go ]; do sleep 0.1; done"
    grid.grid_job("-t", "1-2", "sh", "-c", program)
    wait_until(lambda: {k: v["status"] for k, v in grid.tasks().items()} == {1: "failure", 2: "executing"})
    # killed after the intent was stored, before qsub
    code = (
        "import os; from asyncjman.engines.cluster.engine import ClusterEngine as E\n"
        "async def launch(*_, **__): os._exit(9)\n"
        "E.launch = launch\nfrom asyncjman.cli.start import main; main()"
    )
    words = [COMMAND[0], "-c", code, "resubmit", "1"]
    killed = subprocess.run(words, cwd=grid.folder, env=grid.environment(), capture_output=True, timeout=60)
    assert killed.returncode == 9, killed
    assert grid.sql("SELECT count(*) FROM submission WHERE native_id IS NULL") == [(1,)]
    grid("list")
    ((_, first), (task_map, second)) = grid.sql("SELECT task_map, native_id FROM submission ORDER BY id")
    assert task_map == "[1]"
    assert second not in (None, first)
    (grid.folder / "go").touch()
    grid("wait", code=1)
    task = grid.tasks()[1]
    assert (task["status"], task["attempt"], task["exit_status"]) == ("failure", 2, 1)


def test_two_that_send_the_same_job(grid: Grid) -> None:
    grid("--local", "submit", "true")
    for _ in range(5):
        grid("submit", "-x", 1, "--", "true")
    grid("--local", "execute")
    processes = [grid.start("list") for _ in range(4)] + [grid.start("wait")]
    assert [process.wait(60) for process in processes] == [0] * 5, [*map(grid.output_of, processes)]
    wait_until(lambda: len(job_numbers(grid)) >= 5)
    assert job_numbers(grid) == [2, 3, 4, 5, 6]
    assert intents.in_flight == set()


def test_list_and_wait_at_the_same_time_while_jobs_end(grid: Grid) -> None:
    grid.grid_job("-t", "20", "sh", "-c", "exit $((SGE_TASK_ID == 7))")
    grid.grid_job("--after-notok", 1, "--", "true")
    grid.grid_job("--after-ok", 1, "--", "true")
    waits = [grid.start("wait"), grid.start("wait")]
    while any(one.poll() is None for one in waits):
        lists = [grid.start("list") for _ in range(2)]
        assert [one.wait(60) for one in lists] == [0, 0], [*map(grid.output_of, lists)]
    outputs = [*map(grid.output_of, [*waits, *lists])]
    assert not [one for one in outputs if "Traceback" in one or "locked" in one], outputs
    assert grid.status() == {1: "failure", 2: "success", 3: "skipped"}
    assert {number for number, one in grid.tasks().items() if one["status"] == "failure"} == {7}


@pytest.mark.skipif(not LONG, reason="restarts the qmaster: JMAN_LONG=1 does it")
def test_the_qmaster_restarted_in_the_middle_of_a_hundred_tasks(grid: Grid, wide_queue: str) -> None:
    program = "echo $SGE_TASK_ID >> ran; sleep 2; exit $((SGE_TASK_ID % 10 == 0))"
    grid.grid_job("-q", wide_queue, "-t", "100%20", "sh", "-c", program)
    process = grid.start("wait")
    wait_until(lambda: (grid.folder / "ran").exists() and len((grid.folder / "ran").read_text().split()) > 15)
    assert grid.cell is not None
    grid.cell.own.stop_qmaster()
    assert "qstat" in grid("list").err
    grid.cell.own.start_qmaster()
    assert process.wait(180) == 1, grid.output_of(process)
    assert sorted(map(int, (grid.folder / "ran").read_text().split())) == list(range(1, 101))
    tasks = grid.tasks()
    assert {number for number, one in tasks.items() if one["exit_status"] == 1} == set(range(10, 101, 10))
    assert grid.job()["tasks"] == {"success": 90, "failure": 10}
