"""jman on a real cluster: what only Slurm itself can show."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.cells.slurm import Cluster
from tests.cli.tools import COMMAND, Jman, wait_until

pytestmark = pytest.mark.slurm


def submit(jman: Jman, *words: str | int) -> str:
    """Submit; return the native id."""
    return str(jman("submit", "-l", "logs", "--json", *words).json()["grid_id"])


def end(jman: Jman) -> list[dict[str, Any]]:
    jman("wait", "--timeout", "90", code=None)
    return jobs(jman)


def jobs(jman: Jman) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = jman("list", "--json").json()
    return found


def ran(jman: Jman) -> int:
    """Return how many lines tasks have written into ``ran``."""
    file = jman.folder / "ran"
    return len(file.read_text().splitlines()) if file.exists() else 0


def test_dependencies_across_a_failure(slurm: Jman) -> None:
    submit(slurm, "sleep", "1")
    submit(slurm, "-t", "1-3", "sh", "-c", "sleep 1; [ $SGE_TASK_ID != 2 ]")
    for words in (
        ("--after-ok", "1"), ("--after-ok", "2"), ("--after-notok", "1"), ("--after-notok", "2"),
        ("--after-any", "1,2"), ("--after-ok", "1,2"),
    ):  # fmt: skip
        submit(slurm, *words, "true")
    submit(slurm, "-t", "1-3", "--after-corr", "2", "true")
    found = [job["status"] for job in end(slurm)]
    assert found == [
        "success", "failure", "success", "skipped", "skipped", "success", "success", "skipped", "skipped",
    ]  # fmt: skip
    counts = slurm.job(9)["tasks"]
    assert (counts["success"], counts["skipped"]) == (2, 1)


def test_what_the_commands_of_the_user_would_change_changes_nothing(slurm: Jman) -> None:
    """As from within a task of an array, with sbatch told to make one."""
    slurm.variables |= {"SBATCH_ARRAY_INX": "1-3", "SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_JOB_ID": "8"}
    slurm.variables |= {"SQUEUE_STATES": "PENDING", "SQUEUE_FORMAT": "%i", "SLURM_TIME_FORMAT": "relative"}
    submit(slurm, "-n", "x", "sh", "-c", "echo ${SLURM_ARRAY_TASK_ID-none}; echo x >> ran")
    assert [job["status"] for job in end(slurm)] == ["success"]
    assert ((slurm.folder / "logs" / "x.o1").read_text(), ran(slurm)) == ("none\n", 1)


def test_the_words_of_a_refusal(slurm: Jman) -> None:
    done = slurm("submit", "-q", "nosuch", "true", code=2)
    assert "invalid partition specified: nosuch" in done.err
    assert "sbatch: error" not in done.err
    assert slurm("submit", "-m", "900G", "true", code=2).err.startswith("jman: the cluster refuses it: ")
    assert jobs(slurm) == []


@pytest.mark.parametrize("option", ["--gres=gpu:{}", "--gpus-per-task={}"])
def test_gpus(slurm: Jman, option: str) -> None:
    (slurm.folder / "jman.toml").write_text(f'[resources.slurm]\ngpu-option = "{option}"\n')
    for count in ("1", "2"):
        submit(slurm, "--gpus", count, "sh", "-c", "echo $CUDA_VISIBLE_DEVICES >> ran")
    end(slurm)
    assert sorted((slurm.folder / "ran").read_text().split()) in (["0", "0,1"], ["0,1", "1"])
    assert "Requested node configuration" in slurm("submit", "--gpus", "3", "true", code=2).err


def test_what_can_never_start_is_told(slurm: Jman) -> None:
    submit(slurm, "-q", "short", "--time", "90000", "true")
    wait_until(lambda: jobs(slurm)[0]["grid_state"] == "error")
    # which of its reasons squeue tells first varies
    assert "can never start as it is" in slurm("why").out


def test_why_tells_when_it_would_start(slurm: Jman) -> None:
    whole = ("-p", "16", "-m", "1M", "--time", "600", "sleep", "300")
    submit(slurm, *whole)
    wait_until(lambda: jobs(slurm)[0]["status"] == "executing")
    submit(slurm, *whole)
    said = wait_until(lambda: "Resources, partition main" in (out := slurm("why", 2).out) and out)
    assert re.search(r"^  (sent now, it would|the cluster plans to) start (it )?at 20", str(said), re.M)


def test_why_names_the_nodes_that_are_not_there(slurm: Jman, slurm_cell: Cluster) -> None:
    own = slurm_cell.own
    own.tool("scontrol", "update", f"nodename={own.host}", "state=drain", "reason=new memory")
    try:
        submit(slurm, "true")
        said = f"1 of 1 nodes of main: {own.host} drained (new memory)"
        wait_until(lambda: said in slurm("why").out)
    finally:
        own.tool("scontrol", "update", f"nodename={own.host}", "state=resume")
    assert end(slurm)[0]["status"] == "success"


def test_tasks_cancelled_by_hand(slurm: Jman, slurm_cell: Cluster) -> None:
    native_id = submit(slurm, "-t", "1-3%2", "sleep", "300")
    wait_until(lambda: slurm.job()["tasks"].get("executing") == 2)
    slurm_cell.own.tool("scancel", f"{native_id}_1")
    wait_until(lambda: slurm.job()["tasks"].get("stopped") == 1)
    slurm("stop")
    assert slurm.job()["tasks"] == {"stopped": 3}
    assert slurm("why").out.count("cancelled on the cluster") == 1


def test_stop_and_resubmit_of_single_tasks(slurm: Jman) -> None:
    submit(slurm, "-t", "2-8:2", "sh", "-c", "[ $JMAN_ATTEMPT = 2 ] || sleep 300")
    wait_until(lambda: slurm.job()["tasks"].get("executing") == 4)
    slurm("stop", "1.4", "1.8")
    assert slurm.job()["tasks"]["stopped"] == 2
    slurm("resubmit", "1.4")
    wait_until(lambda: slurm.job()["tasks"].get("success") == 1)
    assert slurm.job()["tasks"]["executing"] == 2


def test_ids_above_those_that_the_cluster_has(slurm: Jman) -> None:
    submit(slurm, "-n", "x", "-t", "998-1003", "sh", "-c", "echo $SGE_TASK_ID; [ $SGE_TASK_ID != 1001 ]")
    submit(slurm, "-n", "y", "-t", "998-1003", "--after-corr", "1", "sh", "-c", "echo $SGE_TASK_ID >> ran")
    end(slurm)
    logs = [(slurm.folder / "logs" / f"x.o1.{one}").read_text() for one in range(998, 1004)]
    assert logs == [f"{one}\n" for one in range(998, 1004)]
    assert sorted((slurm.folder / "ran").read_text().split()) == ["1000", "1002", "1003", "998", "999"]
    tasks = slurm.tasks(2)
    assert [one for one in tasks if tasks[one]["status"] == "skipped"] == [1001]


def test_an_array_of_more_tasks_than_the_cluster_takes(slurm: Jman) -> None:
    done = slurm("submit", "-l", "logs", "-t", "1-1002", "-e", "--hold", "true")
    assert done.err.count("in parts of 1000 tasks: it takes no more at once") == 1
    assert len(slurm.job()["grid_ids"]) == 2
    slurm("stop")
    assert slurm.job()["tasks"] == {"stopped": 1002}


def test_a_task_that_the_cluster_starts_anew(slurm: Jman, slurm_cell: Cluster) -> None:
    command = "echo x >> ran; [ $SLURM_RESTART_COUNT ] || sleep 300"
    native_id = submit(slurm, "-e", "--requeue", "sh", "-c", command)
    wait_until(lambda: ran(slurm) == 1)
    slurm_cell.own.tool("scontrol", "requeue", native_id)
    wait_until(lambda: slurm.job()["status"] == "waiting")
    wait_until(lambda: "StartTime=" in slurm_cell.own.tool("scontrol", "show", "job", native_id))
    slurm_cell.own.tool("scontrol", "update", f"jobid={native_id}", "StartTime=now")
    assert [(job["status"], job["attempt"]) for job in end(slurm)] == [("success", 1)]
    assert ran(slurm) == 2


def test_a_script_killed_hard_leaves_its_end_to_the_queue(slurm: Jman) -> None:
    submit(slurm, "sh", "-c", "kill -9 $PPID")
    (job,) = end(slurm)
    assert (job["status"], job["signal"]) == ("failure", 9)


def test_a_limit_of_time_is_kept_to_the_second(slurm: Jman) -> None:
    submit(slurm, "--timeout", "2", "sh", "-c", "sleep 300")
    submit(slurm, "--timeout", "60", "true")
    one, other = end(slurm)
    assert (one["status"], one["reason"], other["status"]) == ("failure", "timed out after 2 s", "success")
    assert "timed out after 2 s; ran 2." in slurm("why", "1").out


def test_what_a_task_used_is_told_without_accounting(slurm: Jman) -> None:
    submit(slurm, "-t", "2", sys.executable, "-c", "import time\nwhile time.process_time() < 0.5: pass")
    (job,) = end(slurm)
    assert job["cpu_seconds"] >= 1
    assert "2 tasks used " in slurm("why").out


def test_a_controller_that_is_away(slurm: Jman, slurm_cell: Cluster) -> None:
    submit(slurm, "-t", "1-40%16", "sh", "-c", "echo x >> ran; sleep 0.5")
    waiting = slurm.start("wait")
    wait_until(lambda: ran(slurm) > 3)
    with slurm_cell.away():
        done = slurm("list", "--json", code=None)
        # it takes 9 of the 10 seconds that list waits to say so
        assert "Unable to contact slurm controller" in done.err or "no answer" in done.err
        assert done.json()[0]["status"] in ("queued", "executing")
    waiting.wait(90)
    assert (slurm.job()["status"], ran(slurm)) == ("success", 40)


def test_a_controller_that_hangs_makes_no_job_twice(slurm: Jman, slurm_cell: Cluster) -> None:
    submit(slurm, "true")
    answer_facts_of_the_site(slurm)
    with slurm_cell.hung():
        command = [*COMMAND, "submit", "-n", "x", "sh", "-c", "echo x >> ran"]
        with subprocess.Popen(
            command, cwd=slurm.folder, env=slurm.environment(), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
        ) as killed:  # fmt: skip
            try:
                sbatch = wait_until(lambda: connected_sbatch(killed.pid))
            finally:
                killed.kill()
        for pid in sbatch:
            os.kill(pid, signal.SIGKILL)
    assert [job["status"] for job in end(slurm)] == ["success", "success"]
    assert ran(slurm) == 1


def answer_facts_of_the_site(slurm: Jman) -> None:
    """Put an scontrol on PATH that knows them: asked first, the real one would hang before sbatch does."""
    tools, environment = slurm.folder / "tools", slurm.environment()
    tools.mkdir()
    facts = subprocess.run(["scontrol", "show", "config"], env=environment, capture_output=True, check=True)
    (tools / "facts").write_bytes(facts.stdout)
    (tools / "scontrol").write_text(f"#!/bin/sh\nexec cat '{tools}/facts'\n")
    (tools / "scontrol").chmod(0o755)
    slurm.variables["PATH"] = f"{tools}:{environment['PATH']}"


def connected_sbatch(pid: int) -> list[int]:
    """Return the processes of sbatch that a process has started, once they have had time to connect."""
    found = []
    for child in psutil.Process(pid).children():
        # those that answer quickly may end at any moment
        with contextlib.suppress(psutil.NoSuchProcess, OSError):
            if child.name() == "sbatch" and _is_connected(child.pid):
                found.append(child.pid)
    return found


def _is_connected(pid: int) -> bool:
    return any(str(one.readlink()).startswith("socket:") for one in Path(f"/proc/{pid}/fd").iterdir())


def test_doctor(slurm: Jman) -> None:
    text = slurm("doctor").out
    assert "arrays of up to 1000 tasks at once; no accounting" in text
    assert "this host and user may submit" in text
