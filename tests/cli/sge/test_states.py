"""What goes wrong on a cluster: each ends in the right state, and ``why`` explains it."""

from __future__ import annotations

import os
import re
import shutil
import signal
from typing import Any

import psutil
import pytest

from tests.cells.sge import Cell
from tests.cli.sge.conftest import SgeJman
from tests.cli.tools import pid_in, wait_until

pytestmark = pytest.mark.sge


def until(sge: SgeJman, status: str, state: str | None = None, seconds: float = 30) -> dict[str, Any]:
    """Return the job once it has this status, and the own state of Grid Engine where one is given."""

    def look() -> dict[str, Any]:
        job = sge.job()
        found = job["status"] == status and (state is None or job["grid_state"] == state)
        return job if found else {}

    return wait_until(look, seconds)


def test_the_exec_folder_is_missing_on_the_node(sge: SgeJman) -> None:
    gone = sge.folder / "gone"
    gone.mkdir()
    native_id = sge.submit_job("-d", str(gone), "-l", str(sge.folder / "logs"), "-e", "-h", "true")
    gone.rmdir()
    sge.tool("qalter", "-h", "U", native_id)
    job = until(sge, "failure")
    assert job["exit_status"] is None
    assert "folder missing" in job["reason"]
    assert f"folder missing: {gone}" in sge("why").out


def test_the_spool_folder_is_missing_on_the_node(sge: SgeJman) -> None:
    native_id = sge.submit_job("-e", "-h", "true")
    shutil.rmtree(sge.spool)
    sge.tool("qalter", "-h", "U", native_id)
    until(sge, "queued", "error")
    assert "error" in sge("list").out
    why = sge("why").out
    assert "can't chdir" in why
    assert "missing on the node" in why
    assert f"qmod -cj {native_id}" in why
    waited = sge("wait", "--timeout", "0.1", code=124)
    assert "job 1 is in error on the cluster" in waited.err
    sge("stop")
    assert sge.status() == {1: "stopped"}
    assert not sge.entries()
    sge("resubmit")
    sge.tool("qalter", "-h", "U", sge.job()["grid_id"])
    sge("wait")
    assert sge.status() == {1: "success"}


def test_the_run_time_limit(sge: SgeJman) -> None:
    sge.submit_job("--time", "2", "--", "sh", "-c", "echo begun; exec sleep 300")
    job = until(sge, "failure")
    assert job["signal"] == 9
    assert "limit" in job["reason"]
    why = sge("why").out
    assert "asked for time 2" in why
    assert "enforced h_rt" in why
    assert re.search(r"came to its limit h_rt: 2 s allowed, [1-9]\S* s used", why), why
    assert "| begun" in why


def test_the_memory_limit(sge: SgeJman) -> None:
    grow = "import time\nfound = []\nwhile True: found.append(bytearray(10**7)); time.sleep(0.02)"
    sge.submit_job("-e", "-l h_vmem=300M", "python3", "-c", grow)
    sge.submit_job("-e", "-l h_vmem=300M", "python3", "-c", "bytearray(10**9)")
    sge("wait", code=1)
    wanted = r"came to its limit h_vmem: 300 MiB allowed, (2[789]\d|300) MiB used"
    assert wait_until(lambda: re.search(wanted, sge("why", 1).out))
    why = sge("why", 2).out
    assert "h_vmem allows 300 MiB" in why
    assert "| MemoryError" in why


def test_a_shepherd_that_is_killed_is_a_loss_of_the_node(sge: SgeJman, sge_cell: Cell) -> None:
    program = "[ $JMAN_ATTEMPT = 2 ] && exit 0; echo $$ > pid; exec sleep 300"
    native_id = sge.submit_job("--retry", "1", "--retry-on", "node", "--", "sh", "-c", program)
    pid = pid_in(sge.folder / "pid")
    for process in psutil.Process(sge_cell.own.execd).children():
        if process.cwd().endswith(f"/{native_id}.1"):
            process.kill()
    job = until(sge, "success")
    os.kill(pid, signal.SIGKILL)  # it outlives its shepherd
    assert job["attempt"] == 2
    ((reason, exit_status),) = sge.sql("SELECT reason, exit_status FROM attempt")
    assert exit_status is None
    assert str(reason).endswith("19 before writing exit_status")


@pytest.mark.parametrize("running", [True, False], ids=["running", "pending"])
def test_an_administrator_deletes_it(sge: SgeJman, running: bool) -> None:
    native_id = sge.submit_job(*(() if running else ("-e", "-h")), "sleep", "300")
    if running:
        until(sge, "executing")
    sge.tool("qdel", native_id)
    job = until(sge, "failure")
    if running:
        assert (job["signal"], job["reason"]) == (
            9,
            "killed by SIGKILL (by qdel, for its memory, or by hand)",
        )
    else:
        assert (job["signal"], job["exit_status"]) == (None, None)
        assert job["reason"].startswith("vanished from the cluster")
    assert job["reason"] in sge("why").out
    assert "exited" not in sge("wait", code=1).out


def test_one_task_of_an_array_is_deleted_while_pending(sge: SgeJman) -> None:
    native_id = sge.submit_job("-t", "1-3", "-e", "-h", "true")
    sge.tool("qdel", f"{native_id}.2")
    sge.tool("qalter", "-h", "U", native_id)
    until(sge, "failure")
    tasks = sge.tasks()
    assert {number: one["status"] for number, one in tasks.items()} == {
        1: "success",
        2: "failure",
        3: "success",
    }
    assert tasks[2]["reason"].startswith("vanished")


def test_suspended(sge: SgeJman) -> None:
    native_id = sge.submit_job("sh", "-c", "while [ ! -e go ]; do sleep 0.1; done")
    until(sge, "executing")
    sge.tool("qmod", "-sj", native_id)
    until(sge, "executing", "suspended")
    assert "suspended" in sge("list").out
    assert "qmod -usj" in sge("why").out
    sge.tool("qmod", "-usj", native_id)
    wait_until(lambda: sge.job()["grid_state"] is None)
    (sge.folder / "go").touch()
    sge("wait")


def test_held_by_a_person(sge: SgeJman) -> None:
    native_id = sge.submit_job("-e", "-h", "true")
    until(sge, "waiting", "held")
    assert "hold" in sge("why").out.lower() or "held" in sge("why").out.split("\n", 1)[1]
    sge.tool("qalter", "-h", "U", native_id)
    sge("wait")


def test_nothing_offers_what_it_asks_for(sge: SgeJman) -> None:
    sge.submit_job("-m", "900G", "true")
    until(sge, "queued")
    assert wait_until(lambda: "mem_free=900G" in (out := sge("why").out) and out)


def test_what_no_host_can_ever_run_is_told_though_the_queues_are_full(sge: SgeJman) -> None:
    gate = "while [ ! -e go ]; do sleep 0.1; done"
    sge.submit_job("-q", "all.q,q1d", "-t", "6", "sh", "-c", gate)
    wait_until(lambda: sge.job()["tasks"].get("executing") == 6)
    sge.submit_job("-e", "-l mem_total=900G", "true")
    sge.submit_job("-m", "900G", "true")
    sge.submit_job("-q", "all.q,q1d", "-p", "9", "true")
    sge.submit_job("-q", "all.q,q1d", "-m", "1M", "-p", "2", "true")
    whys = [sge("why", number).out for number in (2, 3, 4, 5)]
    (sge.folder / "go").touch()
    assert "no host can ever run it" in whys[0]
    assert "it offers only hl:mem_total=" in whys[0]
    assert "no host, as they are now" in whys[1]
    assert "it offers only hl:mem_free=" in whys[1]
    assert "no host can ever run it" in whys[2]
    assert 'cannot run in PE "pe_mth" because it only offers 0 slots' in whys[2]
    assert "no host" not in whys[3]
    sge("wait", 5)
    sge("delete")


def test_the_command_is_missing(sge: SgeJman) -> None:
    sge.submit_job("--no-check", "./nosuch")
    job = until(sge, "failure")
    assert job["exit_status"] == 127
    assert "not found" in sge("why").out


def test_the_command_is_not_executable(sge: SgeJman) -> None:
    (sge.folder / "plain").write_text("hello\n")
    sge.submit_job("--no-check", "./plain")
    job = until(sge, "failure")
    assert job["exit_status"] == 126
    assert "ermission denied" in sge("why").out


def test_the_log_folder_can_not_be_made(sge: SgeJman) -> None:
    (sge.folder / "file").touch()
    sge.submit_job("-l", "file/logs", "true")
    job = until(sge, "failure")
    assert "can't make the log folder" in job["reason"]


@pytest.mark.skipif(not os.environ.get("JMAN_LONG"), reason="takes the cell up to a minute: JMAN_LONG=1")
def test_started_again_by_a_person(sge: SgeJman) -> None:
    program = "echo x >> runs; while [ ! -e go ]; do sleep 0.1; done"
    native_id = sge.submit_job("-e", "-h", "sh", "-c", program)
    sge.tool("qalter", "-r", "y", native_id)
    sge.tool("qalter", "-h", "U", native_id)
    wait_until(lambda: (sge.folder / "runs").exists())
    until(sge, "executing")
    sge.tool("qmod", "-rj", native_id)
    wait_until(lambda: (sge.folder / "runs").read_text() == "x\nx\n")
    (sge.folder / "go").touch()
    sge("wait")
    job = sge.job()
    assert (job["status"], job["exit_status"]) == ("success", 0)


def test_a_late_record_corrects_vanished(sge: SgeJman) -> None:
    native_id = sge.submit_job("-e", "-h", "sh", "-c", "true")
    sge.submit_job("--after-ok", 1, "-t", "2", "--", "sh", "-c", "touch ran2.$SGE_TASK_ID")
    sge.submit_job("-x", 2, "--", "touch", "ran3")
    sge.submit_job("sh", "-c", "exit 1")
    sge.submit_job("--after-ok", 1, "--after-ok", 4, "--", "touch", "ran5")
    sge.tool("qdel", native_id)
    wait_until(lambda: set(sge.status().values()) == {"failure", "skipped"})
    folder = sge.spool / str(sge.sql("SELECT token FROM job WHERE id = 1")[0][0])
    text = (
        f"jman 1\njob 1\ntask 0\nattempt 1\ngrid {native_id}\nhost far\ntime 1700000000\nstarted 1699999999\n"
    )
    (folder / "exit.0").write_text(text + "signal \nexit_status 0\nend\n")
    job = sge.job()
    assert (job["status"], job["exit_status"], job["reason"]) == ("success", 0, None)
    # and what was skipped because of it runs, but for what must not because of another
    sge("wait", code=1)
    assert sge.status() == {1: "success", 2: "success", 3: "success", 4: "failure", 5: "skipped"}
    assert sorted(path.name for path in sge.folder.glob("ran*")) == ["ran2.1", "ran2.2", "ran3"]
