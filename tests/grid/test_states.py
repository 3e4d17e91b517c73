"""What goes wrong on a cluster: each ends in the right state, and ``why`` explains it."""

from __future__ import annotations

import os
import re
import shutil
import signal
from typing import Any

import psutil
import pytest

from tests.cells.sge import Cell, wait_until
from tests.cli.tools import pid_in
from tests.grid.conftest import Grid

pytestmark = pytest.mark.sge


def until(grid: Grid, status: str, state: str | None = None, seconds: float = 30) -> dict[str, Any]:
    """Return the job once it has this status, and the grid's own state where one is given."""

    def look() -> dict[str, Any]:
        job = grid.job()
        found = job["status"] == status and (state is None or job["grid_state"] == state)
        return job if found else {}

    return wait_until(look, seconds)


def test_the_exec_folder_is_missing_on_the_node(grid: Grid) -> None:
    gone = grid.folder / "gone"
    gone.mkdir()
    native_id = grid.grid_job("-d", str(gone), "-l", str(grid.folder / "logs"), "-e", "-h", "true")
    gone.rmdir()
    grid.tool("qalter", "-h", "U", native_id)
    job = until(grid, "failure")
    assert job["exit_status"] is None
    assert "folder missing" in job["reason"]
    assert f"folder missing: {gone}" in grid("why").out


def test_the_spool_folder_is_missing_on_the_node(grid: Grid) -> None:
    native_id = grid.grid_job("-e", "-h", "true")
    shutil.rmtree(grid.spool)
    grid.tool("qalter", "-h", "U", native_id)
    until(grid, "queued", "error")
    assert "error" in grid("list").out
    why = grid("why").out
    assert "can't chdir" in why
    assert "missing on the node" in why
    assert f"qmod -cj {native_id}" in why
    waited = grid("wait", "--timeout", "0.1", code=3)
    assert "job 1 is in error on the cluster" in waited.err
    grid("stop")
    assert grid.status() == {1: "stopped"}
    assert not grid.entries()
    grid("resubmit")
    grid.tool("qalter", "-h", "U", grid.job()["grid_id"])
    grid("wait")
    assert grid.status() == {1: "success"}


def test_the_run_time_limit(grid: Grid) -> None:
    grid.grid_job("--time", "2", "--", "sh", "-c", "echo begun; exec sleep 300")
    job = until(grid, "failure")
    assert job["signal"] == 9
    assert "limit" in job["reason"]
    why = grid("why").out
    assert "asked for time 2" in why
    assert "enforced h_rt" in why
    assert re.search(r"came to its limit h_rt: 2 s allowed, [1-9]\S* s used", why), why
    assert "| begun" in why


def test_the_memory_limit(grid: Grid) -> None:
    grow = "import time\nfound = []\nwhile True: found.append(bytearray(10**7)); time.sleep(0.02)"
    grid.grid_job("-e", "-l h_vmem=300M", "python3", "-c", grow)
    grid.grid_job("-e", "-l h_vmem=300M", "python3", "-c", "bytearray(10**9)")
    grid("wait", code=1)
    wanted = r"came to its limit h_vmem: 300 MiB allowed, (2[789]\d|300) MiB used"
    assert wait_until(lambda: re.search(wanted, grid("why", 1).out))
    why = grid("why", 2).out
    assert "h_vmem allows 300 MiB" in why
    assert "| MemoryError" in why


def test_a_shepherd_that_is_killed_is_a_loss_of_the_node(grid: Grid, sge_cell: Cell) -> None:
    program = "[ $JMAN_ATTEMPT = 2 ] && exit 0; echo $$ > pid; exec sleep 300"
    native_id = grid.grid_job("--retry", "1", "--retry-on", "node", "--", "sh", "-c", program)
    pid = pid_in(grid.folder / "pid")
    for process in psutil.Process(sge_cell.own.execd).children():
        if process.cwd().endswith(f"/{native_id}.1"):
            process.kill()
    job = until(grid, "success")
    os.kill(pid, signal.SIGKILL)  # it outlives its shepherd
    assert job["attempt"] == 2
    ((reason, exit_status),) = grid.sql("SELECT reason, exit_status FROM attempt")
    assert exit_status is None
    assert str(reason).endswith("19 before writing exit_status")


@pytest.mark.parametrize("running", [True, False], ids=["running", "pending"])
def test_an_administrator_deletes_it(grid: Grid, running: bool) -> None:
    native_id = grid.grid_job(*(() if running else ("-e", "-h")), "sleep", "300")
    if running:
        until(grid, "executing")
    grid.tool("qdel", native_id)
    job = until(grid, "failure")
    if running:
        assert (job["signal"], job["reason"]) == (
            9,
            "killed by SIGKILL (by qdel, for its memory, or by hand)",
        )
    else:
        assert (job["signal"], job["exit_status"]) == (None, None)
        assert job["reason"].startswith("vanished from the cluster")
    assert job["reason"] in grid("why").out
    assert "exited" not in grid("wait", code=1).out


def test_one_task_of_an_array_is_deleted_while_pending(grid: Grid) -> None:
    native_id = grid.grid_job("-t", "1-3", "-e", "-h", "true")
    grid.tool("qdel", f"{native_id}.2")
    grid.tool("qalter", "-h", "U", native_id)
    until(grid, "failure")
    tasks = grid.tasks()
    assert {number: one["status"] for number, one in tasks.items()} == {
        1: "success",
        2: "failure",
        3: "success",
    }
    assert tasks[2]["reason"].startswith("vanished")


def test_suspended(grid: Grid) -> None:
    native_id = grid.grid_job("sh", "-c", "while [ ! -e go ]; do sleep 0.1; done")
    until(grid, "executing")
    grid.tool("qmod", "-sj", native_id)
    until(grid, "executing", "suspended")
    assert "suspended" in grid("list").out
    assert "qmod -usj" in grid("why").out
    grid.tool("qmod", "-usj", native_id)
    wait_until(lambda: grid.job()["grid_state"] is None)
    (grid.folder / "go").touch()
    grid("wait")


def test_held_by_a_person(grid: Grid) -> None:
    native_id = grid.grid_job("-e", "-h", "true")
    until(grid, "waiting", "held")
    assert "hold" in grid("why").out.lower() or "held" in grid("why").out.split("\n", 1)[1]
    grid.tool("qalter", "-h", "U", native_id)
    grid("wait")


def test_nothing_offers_what_it_asks_for(grid: Grid) -> None:
    grid.grid_job("-m", "900G", "true")
    until(grid, "queued")
    assert wait_until(lambda: "mem_free=900G" in (out := grid("why").out) and out)


def test_what_no_host_can_ever_run_is_told_though_the_queues_are_full(grid: Grid) -> None:
    gate = "while [ ! -e go ]; do sleep 0.1; done"
    grid.grid_job("-q", "all.q,q1d", "-t", "6", "sh", "-c", gate)
    wait_until(lambda: grid.job()["tasks"].get("executing") == 6)
    grid.grid_job("-e", "-l mem_total=900G", "true")
    grid.grid_job("-m", "900G", "true")
    grid.grid_job("-q", "all.q,q1d", "-p", "9", "true")
    grid.grid_job("-q", "all.q,q1d", "-m", "1M", "-p", "2", "true")
    whys = [grid("why", number).out for number in (2, 3, 4, 5)]
    (grid.folder / "go").touch()
    assert "no host can ever run it" in whys[0]
    assert "it offers only hl:mem_total=" in whys[0]
    assert "no host, as they are now" in whys[1]
    assert "it offers only hl:mem_free=" in whys[1]
    assert "no host can ever run it" in whys[2]
    assert 'cannot run in PE "pe_mth" because it only offers 0 slots' in whys[2]
    assert "no host" not in whys[3]
    grid("wait", 5)
    grid("delete")


def test_the_command_is_missing(grid: Grid) -> None:
    grid.grid_job("--no-check", "./nosuch")
    job = until(grid, "failure")
    assert job["exit_status"] == 127
    assert "not found" in grid("why").out


def test_the_command_is_not_executable(grid: Grid) -> None:
    (grid.folder / "plain").write_text("hello\n")
    grid.grid_job("--no-check", "./plain")
    job = until(grid, "failure")
    assert job["exit_status"] == 126
    assert "ermission denied" in grid("why").out


def test_the_log_folder_can_not_be_made(grid: Grid) -> None:
    (grid.folder / "file").touch()
    grid.grid_job("-l", "file/logs", "true")
    job = until(grid, "failure")
    assert "can't make the log folder" in job["reason"]


@pytest.mark.skipif(not os.environ.get("JMAN_LONG"), reason="takes the cell up to a minute: JMAN_LONG=1")
def test_started_again_by_a_person(grid: Grid) -> None:
    program = "echo x >> runs; while [ ! -e go ]; do sleep 0.1; done"
    native_id = grid.grid_job("-e", "-h", "sh", "-c", program)
    grid.tool("qalter", "-r", "y", native_id)
    grid.tool("qalter", "-h", "U", native_id)
    wait_until(lambda: (grid.folder / "runs").exists())
    until(grid, "executing")
    grid.tool("qmod", "-rj", native_id)
    wait_until(lambda: (grid.folder / "runs").read_text() == "x\nx\n")
    (grid.folder / "go").touch()
    grid("wait")
    job = grid.job()
    assert (job["status"], job["exit_status"]) == ("success", 0)


def test_a_late_record_corrects_vanished(grid: Grid) -> None:
    native_id = grid.grid_job("-e", "-h", "sh", "-c", "true")
    grid.grid_job("--after-ok", 1, "-t", "2", "--", "sh", "-c", "touch ran2.$SGE_TASK_ID")
    grid.grid_job("-x", 2, "--", "touch", "ran3")
    grid.grid_job("sh", "-c", "exit 1")
    grid.grid_job("--after-ok", 1, "--after-ok", 4, "--", "touch", "ran5")
    grid.tool("qdel", native_id)
    wait_until(lambda: set(grid.status().values()) == {"failure", "skipped"})
    folder = grid.spool / str(grid.sql("SELECT token FROM job WHERE id = 1")[0][0])
    text = (
        f"jman 1\njob 1\ntask 0\nattempt 1\ngrid {native_id}\nhost far\ntime 1700000000\nstarted 1699999999\n"
    )
    (folder / "exit.0").write_text(text + "signal \nexit_status 0\nend\n")
    job = grid.job()
    assert (job["status"], job["exit_status"], job["reason"]) == ("success", 0, None)
    # and what was skipped because of it runs, but for what must not because of another
    grid("wait", code=1)
    assert grid.status() == {1: "success", 2: "success", 3: "success", 4: "failure", 5: "skipped"}
    assert sorted(path.name for path in grid.folder.glob("ran*")) == ["ran2.1", "ran2.2", "ran3"]
