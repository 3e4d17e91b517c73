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
from tests.cli.sge.conftest import SgeJman, Watched
from tests.cli.tools import COMMAND, wait_until

pytestmark = pytest.mark.sge

LONG = bool(os.environ.get("JMAN_LONG"))


@pytest.fixture
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands that hang be given up soon."""
    monkeypatch.setattr(command, "TIMEOUT_SECONDS", 1.0)
    monkeypatch.setattr(intents, "ORPHAN_SECONDS", 2.0)


def names_on_grid(sge: SgeJman) -> list[str]:
    """Return the names of jobs that the cell has or had, each as often as it was submitted."""
    assert sge.cell is not None
    listed = {(one.native_id, one.name) for one in sge.entries()}
    argv = commands.qacct_names(sge.cell.binaries.path("qacct"), f"jm*_{sge.token}*", user=getpass.getuser())
    done = {(one.native_id, one.name) for one in parse_qacct(sge.cell.call(argv, check=False))}
    return sorted(name for _, name in listed | done)


def job_numbers(sge: SgeJman) -> list[int]:
    return sorted(int(name[2:].partition("_")[0]) for name in names_on_grid(sge))


# -- commands that do wrong ----------------------------------------------------------------------


def some(short: str, rest: str) -> list[str]:
    """Return the faults to try: the long form (JMAN_LONG=1) tries more."""
    return [*short.split(), *(rest.split() if LONG else ())]


@pytest.mark.parametrize("fault", some("hang away garbage", "killed nothing fails unheard"))
def test_a_qstat_that_does_wrong(sge: SgeJman, watched: Watched, short_limits: None, fault: str) -> None:
    sge.submit_job("sh", "-c", "while [ ! -e go ]; do sleep 0.1; done; exit 3")
    sge.submit_job("-e", "-h", "true")
    wait_until(lambda: sge.status() == {1: "executing", 2: "waiting"})
    watched.let("qstat", fault)
    for _ in range(3):
        seen = sge("list")
        assert seen.err.startswith("jman: qstat"), seen
        assert " old\n" in seen.err
    assert sge.status() == {1: "executing", 2: "waiting"}
    sge("why")
    # the job's own record is believed all the same
    (sge.folder / "go").touch()
    wait_until(lambda: sge.status()[1] == "failure")
    watched.let("qstat")
    assert sge("list").err == ""
    assert sge.status() == {1: "failure", 2: "waiting"}


@pytest.mark.parametrize("mode", ["chatty", "slow", "third"])
def test_a_qstat_that_is_a_nuisance(sge: SgeJman, watched: Watched, mode: str) -> None:
    for name in ("qstat", "qacct", "qdel"):
        watched.let(name, mode)
    sge.submit_job("sh", "-c", "exit 3")
    sge("wait", code=1)
    assert sge.job()["exit_status"] == 3


@pytest.mark.parametrize("fault", some("nothing unheard hang", "killed garbage silent"))
def test_a_qsub_that_does_wrong(sge: SgeJman, watched: Watched, short_limits: None, fault: str) -> None:
    watched.let("qsub", fault)
    refused = sge("submit", "sh", "-c", "echo x >> ran", code=3)
    assert refused.err.startswith("jman: qsub"), refused
    watched.let("qsub")
    if sge.list():
        # it is not known whether it was taken: found out, or sent again, within the time of an orphan
        wait_until(lambda: sge.job()["grid_id"])
        sge("wait")
        assert (sge.folder / "ran").read_text() == "x\n"
        wait_until(lambda: job_numbers(sge) == [1])
    else:
        assert names_on_grid(sge) == []


@pytest.mark.parametrize("mode", ["away", "third"])
def test_a_qsub_that_works_later(sge: SgeJman, watched: Watched, mode: str) -> None:
    watched.let("qsub", mode)
    process = sge.start("submit", "true")
    if mode == "away":
        wait_until(lambda: len(watched.calls("qsub")) >= 2)
        watched.let("qsub")
    assert process.wait(30) == 0, sge.output_of(process)
    sge("wait")
    wait_until(lambda: job_numbers(sge) == [1])


@pytest.mark.parametrize("fault", some("killed nothing", "fails hang away garbage"))
def test_a_qdel_that_does_wrong(
    sge: SgeJman, watched: Watched, short_limits: None, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "LONGEST_PAUSE_SECONDS", 0.5)
    sge.submit_job("sleep", "300")
    sge.submit_job("-e", "-h", "true")
    wait_until(lambda: sge.status() == {1: "executing", 2: "waiting"})
    watched.let("qdel", fault)
    if fault in ("hang", "away"):
        monkeypatch.setattr(command, "RETRY_SECONDS", 1.0)
    for words in (("stop",), ("delete",)):
        sge(*words, code=3)
        assert sge.status() == {1: "executing", 2: "waiting"}
    assert len(sge.entries()) == 2
    watched.let("qdel")
    sge("delete")
    assert list(sge.folder.iterdir()) == []


@pytest.mark.parametrize("fault", some("hang", "garbage killed nothing fails silent"))
def test_a_qacct_that_does_wrong(sge: SgeJman, watched: Watched, short_limits: None, fault: str) -> None:
    sge.variables["JMAN_VANISH_GRACE"] = "1"
    watched.let("qacct", fault)
    native_id = sge.submit_job("sleep", "300")
    wait_until(lambda: sge.status() == {1: "executing"})
    sge.tool("qdel", native_id)
    sge("wait", code=1)
    assert sge.job()["reason"].startswith("vanished")


def test_every_command_fails_every_third_time(sge: SgeJman, watched: Watched, short_limits: None) -> None:
    for name in ("qsub", "qstat", "qdel", "qacct"):
        watched.let(name, "third")
    sent = 0
    while sent < 6:
        sent += sge("submit", "sh", "-c", "echo $JMAN_JOB_ID >> ran", code=None).code == 0
        sge("list")
    sge("wait")
    assert {one["status"] for one in sge.list()} == {"success"}
    ran = sorted(map(int, (sge.folder / "ran").read_text().split()))
    assert ran == [one["id"] for one in sge.list()]
    wait_until(lambda: job_numbers(sge) == ran)


def test_the_qmaster_away_under_wait(sge: SgeJman, watched: Watched) -> None:
    gate = "while [ ! -e go ]; do sleep 0.1; done"
    program = f"{gate}; echo $SGE_TASK_ID >> ran; exit $((SGE_TASK_ID % 4 == 0))"
    sge.submit_job("-t", "12", "sh", "-c", program)
    process = sge.start("wait")
    wait_until(lambda: watched.calls("qstat"))
    for name in ("qstat", "qsub", "qdel"):
        watched.let(name, "away")
    before = len(watched.calls("qstat"))
    wait_until(lambda: len(watched.calls("qstat")) > before + 3)
    (sge.folder / "go").touch()
    for name in ("qstat", "qsub", "qdel"):
        watched.let(name)
    assert process.wait(60) == 1
    assert {number for number, one in sge.tasks().items() if one["status"] == "failure"} == {4, 8, 12}
    assert sorted(map(int, (sge.folder / "ran").read_text().split())) == list(range(1, 13))


# -- jman killed, and several at once -------------------------------------------------------------


def test_submit_killed_at_any_moment(sge: SgeJman) -> None:
    """The long form (JMAN_LONG=1) kills 200 times."""
    before = time.monotonic()
    sge.fresh("submit", "-e", "-h", "true")
    usual = time.monotonic() - before
    chance = random.Random(3)
    trials = 200 if LONG else 12
    survived = 0
    for number in range(trials):
        process = subprocess.Popen(
            [*COMMAND, "submit", "-n", f"n{number}", "-e", "-h", "true"],
            cwd=sge.folder, env=sge.environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        # a moment of its life: most of them where the store and qsub are at work
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(usual * chance.uniform(0.2, 1.1))
        survived += process.poll() is not None
        process.kill()
        process.communicate()
    # a qsub that outlives its jman is waited for: it has the token in its arguments
    wait_until(lambda: all(one["grid_id"] for one in sge.fresh("list", "--json").json()))
    shown = sge.list()
    assert job_numbers(sge) == [one["id"] for one in shown]
    on_grid = {one.native_id for one in sge.entries()}
    assert {one["grid_id"] for one in shown} == on_grid
    assert len(shown) > survived
    assert survived < trials
    print(f"{trials} trials: {survived} ended before the kill, {len(shown)} jobs, each once on the cell")


def test_an_intent_of_a_killed_resubmission_does_not_take_the_former_number(sge: SgeJman) -> None:
    program = "[ $SGE_TASK_ID = 1 ] && exit 1; while [ ! -e go ]; do sleep 0.1; done"
    sge.submit_job("-t", "1-2", "sh", "-c", program)
    wait_until(lambda: {k: v["status"] for k, v in sge.tasks().items()} == {1: "failure", 2: "executing"})
    # killed after the intent was stored, before qsub
    code = (
        "import os; from asyncjman.engines.cluster.engine import ClusterEngine as E\n"
        "async def launch(*_, **__): os._exit(9)\n"
        "E.launch = launch\nfrom asyncjman.cli.start import main; main()"
    )
    words = [COMMAND[0], "-c", code, "resubmit", "1"]
    killed = subprocess.run(words, cwd=sge.folder, env=sge.environment(), capture_output=True, timeout=60)
    assert killed.returncode == 9, killed
    assert sge.sql("SELECT count(*) FROM submission WHERE native_id IS NULL") == [(1,)]
    sge("list")
    ((_, first), (task_map, second)) = sge.sql("SELECT task_map, native_id FROM submission ORDER BY id")
    assert task_map == "[1]"
    assert second not in (None, first)
    (sge.folder / "go").touch()
    sge("wait", code=1)
    task = sge.tasks()[1]
    assert (task["status"], task["attempt"], task["exit_status"]) == ("failure", 2, 1)


def test_two_that_send_the_same_job(sge: SgeJman) -> None:
    sge("--local", "submit", "true")
    for _ in range(5):
        sge("submit", "-x", 1, "--", "true")
    sge("--local", "execute")
    processes = [sge.start("list") for _ in range(4)] + [sge.start("wait")]
    assert [process.wait(60) for process in processes] == [0] * 5, [*map(sge.output_of, processes)]
    wait_until(lambda: len(job_numbers(sge)) >= 5)
    assert job_numbers(sge) == [2, 3, 4, 5, 6]
    assert intents.in_flight == set()


def test_list_and_wait_at_the_same_time_while_jobs_end(sge: SgeJman) -> None:
    sge.submit_job("-t", "20", "sh", "-c", "exit $((SGE_TASK_ID == 7))")
    sge.submit_job("--after-notok", 1, "--", "true")
    sge.submit_job("--after-ok", 1, "--", "true")
    waits = [sge.start("wait"), sge.start("wait")]
    while any(one.poll() is None for one in waits):
        lists = [sge.start("list") for _ in range(2)]
        assert [one.wait(60) for one in lists] == [0, 0], [*map(sge.output_of, lists)]
    outputs = [*map(sge.output_of, [*waits, *lists])]
    assert not [one for one in outputs if "Traceback" in one or "locked" in one], outputs
    assert sge.status() == {1: "failure", 2: "success", 3: "skipped"}
    assert {number for number, one in sge.tasks().items() if one["status"] == "failure"} == {7}


@pytest.mark.skipif(not LONG, reason="restarts the qmaster: JMAN_LONG=1 does it")
def test_the_qmaster_restarted_in_the_middle_of_a_hundred_tasks(sge: SgeJman, wide_queue: str) -> None:
    program = "echo $SGE_TASK_ID >> ran; sleep 2; exit $((SGE_TASK_ID % 10 == 0))"
    sge.submit_job("-q", wide_queue, "-t", "100%20", "sh", "-c", program)
    process = sge.start("wait")
    wait_until(lambda: (sge.folder / "ran").exists() and len((sge.folder / "ran").read_text().split()) > 15)
    assert sge.cell is not None
    sge.cell.own.stop_qmaster()
    assert "qstat" in sge("list").err
    sge.cell.own.start_qmaster()
    assert process.wait(180) == 1, sge.output_of(process)
    assert sorted(map(int, (sge.folder / "ran").read_text().split())) == list(range(1, 101))
    tasks = sge.tasks()
    assert {number for number, one in tasks.items() if one["exit_status"] == 1} == set(range(10, 101, 10))
    assert sge.job()["tasks"] == {"success": 90, "failure": 10}
