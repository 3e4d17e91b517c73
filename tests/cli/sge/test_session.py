"""The session of the README on the real cell: every command, output and effects."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path

import pytest

from tests.cli.sge.conftest import SgeJman, Watched
from tests.cli.tools import wait_until

pytestmark = pytest.mark.sge


def test_the_tutorial_session(sge: SgeJman) -> None:
    first = sge("submit", "-n", "first", "sh", "-c", "echo one; echo broken >&2; exit 3").out
    submitted = re.fullmatch(
        r"Submitted (\d+) @all\.q \(\d seconds? ago\) sh -c 'echo one; echo broken >&2; exit 3'\n", first
    )
    assert submitted, first
    array = sge("submit", "-t", "10", "-n", "array", "sh", "-c", "echo $SGE_TASK_ID").out
    assert re.fullmatch(
        r"Submitted \d+ @all\.q \(\d seconds? ago\) sh -c 'echo \$SGE_TASK_ID' \[10 tasks\]\n", array
    )
    after = sge("submit", "-n", "after", "--dependencies", 1, 2, "--", "sh", "-c", "echo last").out
    third = re.match(r"Submitted (\d+) ", after)
    assert third
    assert "job 1 failed: exit status 3\n" in sge("wait", code=1).err
    table = sge("list").lines
    assert table[0].split() == [
        "job-id", "grid-id", "queue", "status", "tasks", "age", "host", "name", "arguments"
    ]  # fmt: skip
    rows = [line.split() for line in table[2:]]
    assert [row[0] for row in rows] == ["1", "2", "3"]
    assert [row[1] for row in rows][::2] == [submitted[1], third[1]]
    assert [row[3] for row in rows] == ["failure", "success", "success"]
    assert "10/10" in table[3]
    errors = sge("report", "--errors-only").out
    assert "1 failure (exit status 3)" in errors
    assert "broken" in errors
    assert "one" not in errors.replace("echo one", "")
    sge("submit", "sh", "-c", "sleep 300")
    again = sge("resubmit", "--clean", 1).out
    lines = again.splitlines()
    new = re.match(r"Re-submitted job (\d+) @all\.q \(\d seconds? ago\) sh -c", lines[0])
    assert new
    assert new[1] != submitted[1]
    assert lines[1:] == ["  removed `logs/first.o1'", "  removed `logs/first.e1'"]
    assert sge.job()["grid_id"] == int(new[1])
    sge("wait", 1, code=1)
    stopped = sge("stop").out
    assert re.fullmatch(r"Stopped \d+ @all\.q \(\d+ seconds? ago\) sh -c 'sleep 300'\n", stopped)
    assert sge.status() == {1: "failure", 2: "success", 3: "success", 4: "stopped"}
    assert sorted(path.name for path in (sge.folder / "logs").iterdir() if ".o2." in path.name) == sorted(
        f"array.o2.{number}" for number in range(1, 11)
    )
    deleted = sge("delete").out
    assert "  deleted job 1 from database" in deleted
    assert "  removed `logs/array.o2.10'" in deleted
    assert list(sge.folder.iterdir()) == []


def test_dependencies_are_shown(sge: SgeJman) -> None:
    first = sge.submit_job("-n", "a", "-e", "-h", "true")
    sge.submit_job("-n", "b", "--after-ok", 1, "--", "true")
    table = sge("list", "--print-dependencies").lines
    assert "ok:1" in table[3].split()
    job = sge.job(2)
    assert job["dependencies"] == [{"id": 1, "kind": "ok"}]
    assert (job["status"], job["grid_state"]) == ("waiting", "held")
    assert "waits for job 1 to succeed" in sge("why", 2).out
    assert f"held on the cluster by {first}" in sge("why", 2).out
    sge("delete")


def test_a_doomed_job_never_starts(sge: SgeJman) -> None:
    sge.submit_job("sh", "-c", "exit 1")
    sge.submit_job("--after-ok", 1, "--", "touch", "ran2")
    sge.submit_job("-x", 2, "--", "touch", "ran3")
    sge.submit_job("--after-notok", 1, "--", "touch", "ran4")
    sge.submit_job("-k", "sh", "-c", "exit 1")
    sge.submit_job("-x", 5, "--", "touch", "ran6")
    sge("wait", code=1)
    assert sge.status() == {
        1: "failure", 2: "skipped", 3: "skipped", 4: "success", 5: "failure", 6: "skipped"
    }  # fmt: skip
    assert sorted(path.name for path in sge.folder.glob("ran*")) == ["ran4"]


def test_sparse_arrays_keep_their_ids_and_failed_only(sge: SgeJman) -> None:
    show = 'echo "$SGE_TASK_ID $SGE_TASK_FIRST $SGE_TASK_LAST" >> seen; '
    show += "[ -e mended ] || [ $SGE_TASK_ID != 70 ]"
    sge.submit_job("-t", "3,70,9-11", "sh", "-c", show)
    sge("wait", code=1)
    assert {number: task["status"] for number, task in sge.tasks().items()} == {
        3: "success", 9: "success", 10: "success", 11: "success", 70: "failure"
    }  # fmt: skip
    assert sorted((sge.folder / "seen").read_text().split("\n")[:-1]) == sorted(
        f"{number} 3 70" for number in (3, 9, 10, 11, 70)
    )
    (sge.folder / "seen").unlink()
    (sge.folder / "mended").touch()
    sge("resubmit", "--failed-only", 1)
    sge("wait")
    assert (sge.folder / "seen").read_text() == "70 3 70\n"
    task = sge.tasks()[70]
    assert (task["status"], task["attempt"]) == ("success", 2)
    assert {task["attempt"] for number, task in sge.tasks().items() if number != 70} == {1}


def test_single_tasks_are_stopped_and_deleted(sge: SgeJman) -> None:
    native_id = sge.submit_job("-t", "1-6", "sh", "-c", "[ $SGE_TASK_ID -lt 5 ] || exit 0; sleep 300")
    wait_until(lambda: sge.job()["tasks"].get("executing") == 4)
    sge("stop", "-j", 1, "-a", "2-3,6")
    tasks = {number: task["status"] for number, task in sge.tasks().items()}
    assert (tasks[1], tasks[2], tasks[3], tasks[4]) == ("executing", "stopped", "stopped", "executing")
    assert tasks[6] in ("stopped", "success")
    sge("delete", "-j", 1, "-a", "2-4")
    left = {number for entry in sge.entries() for one in entry.tasks or () for number in one}
    assert not {2, 3, 4} & left
    assert set(sge.tasks()) == {1, 5, 6}
    assert sge.job()["array"] == "1,5-6"
    # stopping with two submissions of one job, of which the task is in one only
    sge("stop", 1)
    sge("resubmit", "--clean", 1)
    assert sge.job()["grid_id"] != native_id
    sge("stop", "-j", 1, "-a", "1")
    assert sge.tasks()[1]["status"] == "stopped"
    sge("delete")
    assert list(sge.folder.iterdir()) == []
    wait_until(lambda: not [one for one in sge.cell.qstat() if one.native_id == native_id])  # type: ignore[union-attr]


def test_stop_one_task_while_others_are_resubmitted(sge: SgeJman) -> None:
    program = "[ $SGE_TASK_ID = 1 ] && [ ! -e mended ] && exit 1; sleep 300"
    sge.submit_job("-t", "1-2", "sh", "-c", program)
    wait_until(lambda: sge.tasks()[1]["status"] == "failure" and sge.tasks()[2]["status"] == "executing")
    (sge.folder / "mended").touch()
    sge("resubmit", 1)
    wait_until(lambda: sge.tasks()[1]["status"] == "executing")
    sge("stop", "-j", 1, "-a", "2")
    assert {number: task["status"] for number, task in sge.tasks().items()} == {1: "executing", 2: "stopped"}
    sge("delete")
    assert list(sge.folder.iterdir()) == [sge.folder / "mended"]


def test_either_number_names_a_job(sge: SgeJman) -> None:
    native_id = sge.submit_job("true")
    sge("wait", native_id)
    assert sge("report", f"grid:{native_id}").out == sge("report", "job:1").out != ""
    # a job whose own id is the native id of another
    text = str(native_id)
    sge("--local", "submit", "true")
    with sqlite3.connect(sge.database) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("UPDATE job SET id = ? WHERE id = 2", (native_id,))
    refused = sge("list", text, code=2)
    assert f"write job:{text} or grid:{text}" in refused.err
    assert [job["id"] for job in sge.list(f"job:{text}")] == [native_id]
    assert [job["id"] for job in sge.list(f"grid:{text}")] == [1]


def test_a_job_moves_between_engines(sge: SgeJman) -> None:
    sge.submit_job("sh", "-c", "echo $JOB_ID >> where; [ -e mended ]")
    sge("wait", code=1)
    on_grid = sge.job()["grid_id"]
    (sge.folder / "mended").touch()
    assert re.match(r"Re-submitted job \d+ @local", sge("resubmit", "--to", "local", 1).out)
    assert (sge.job()["executor"], sge.job()["status"]) == ("local", "submitted")
    sge("--local", "execute")
    assert sge.job()["status"] == "success"
    assert sge("resubmit", "--to", "sge", "--also-success", 1).out.startswith("Re-submitted ")
    sge("wait")
    job = sge.job()
    assert (job["executor"], job["status"], job["attempt"]) == ("sge", "success", 3)
    assert (sge.folder / "where").read_text().split() == [str(on_grid), "1", str(job["grid_id"])]


def test_json_fields(sge: SgeJman) -> None:
    native_id = sge.submit_job("-n", "x", "-q", "q1d", "--time", "0:10:0", "-p", "2", "sh", "-c", "exit 5")
    sge("wait", code=1)
    job = sge.job()
    wanted = {
        "id": 1, "grid_id": native_id, "name": "x", "executor": "sge", "queue": "q1d", "status": "failure",
        "exit_status": 5, "host": "localhost", "attempt": 1, "log_dir": "logs",
    }  # fmt: skip
    assert {key: job[key] for key in wanted} == wanted
    assert job["resources"] == {"queue": "q1d", "time": "0:10:0", "slots": 2}
    assert job["submitted_at"] <= job["started_at"] <= job["finished_at"]


def test_a_sweep_of_a_thousand_is_one_qsub(sge: SgeJman, watched: Watched) -> None:
    (sge.folder / "logs").mkdir()
    sweep = ("--sweep", "a=1-500", "--sweep", "b=x y,z")
    native_id = sge.submit_job(*sweep, "-e", "-h", "--", "echo", "{a}", "{b}")
    assert len(watched.calls("qsub")) == 1
    assert sum(len(one) for entry in sge.entries() for one in entry.tasks or ()) == 1000
    assert sge.job()["tasks"] == {"waiting": 1000}
    script = next(sge.spool.glob("*/script.*")).read_text()
    assert "export JMAN_PARAM_a=500 JMAN_PARAM_b=z; set -- echo 500 z" in script
    sge("delete")
    assert list(sge.folder.iterdir()) == []
    assert not [one for one in sge.cell.qstat() if one.native_id == native_id]  # type: ignore[union-attr]


def test_sweep_parameters_arrive(sge: SgeJman) -> None:
    sge.submit_job("--sweep", "a=x y,$HOME,'*'", "--", "sh", "-c", 'echo "$1" "$JMAN_PARAM_a"', "-", "<{a}>")
    sge("wait")
    logs = [(sge.folder / "logs" / f"sh.o1.{number}").read_text() for number in (1, 2, 3)]
    assert logs[:2] == ["<x y> x y\n", "<$HOME> $HOME\n"]


def test_a_run_time_limit_is_a_timeout(sge: SgeJman) -> None:
    # the first attempt runs into the limit; retried only for that
    program = "[ $JMAN_ATTEMPT = 2 ] && exit 0; sleep 300"
    sge.submit_job("--time", "2", "--retry", "1", "--retry-on", "timeout", "--", "sh", "-c", program)
    sge.submit_job("--retry", "3", "--retry-on", "timeout", "--", "sh", "-c", "exit 1")
    sge("wait", code=1)
    first, second = sge.list()
    assert (first["status"], first["attempt"]) == ("success", 2)
    assert (second["status"], second["attempt"]) == ("failure", 1)
    earlier = sge.sql("SELECT reason FROM attempt WHERE job_id = 1")
    assert "limit" in str(earlier[0][0])


def test_a_retry_waits_for_its_delay(sge: SgeJman) -> None:
    program = "[ $JMAN_ATTEMPT = 2 ]"
    options = ("--retry", "1", "--retry-delay", "4s")
    sge.submit_job(*options, "-t", "3,7", "sh", "-c", f"{program} || [ $SGE_TASK_ID = 3 ]")
    sge.submit_job(*options, "--", "sh", "-c", program)
    wait_until(lambda: sge.job(2)["attempt"] == 2)
    why = sge("why", 2).out
    assert "is queued" in why
    assert "starts not before" in why
    sge("wait")
    rows = sge.sql(
        "SELECT task.job_id, task.task_id, task.started_at - attempt.finished_at FROM task JOIN attempt "
        "USING (job_id, task_id)"
    )
    assert [row[:2] for row in rows] == [(1, 7), (2, 0)]
    assert all(float(str(row[2])) >= 4 for row in rows), rows


def test_each_attempt_gets_its_own_usage(sge: SgeJman) -> None:
    burn = "i=0; while [ $i -lt 300000 ]; do i=$((i + 1)); done; exit 1"
    program = f"[ $JMAN_ATTEMPT = 2 ] && exit 0; {burn}"
    sge.submit_job("--retry", "1", "--", "sh", "-c", program)
    sge.submit_job("--retry", "1", "-t", "3,7", "sh", "-c", f"[ $SGE_TASK_ID = 3 ] || {{ {program}; }}")
    sge("wait")
    usage = "SELECT job_id, task_id, attempt, cpu_seconds FROM {} WHERE cpu_seconds IS NOT NULL"
    query = f"{usage.format('attempt')} UNION ALL {usage.format('task')} ORDER BY job_id, task_id, attempt"
    rows = wait_until(lambda: sge("list", "-t") and len(found := sge.sql(query)) == 5 and found)
    used = {row[:3]: float(str(row[3])) for row in rows or ()}
    assert used.keys() == {(1, 0, 1), (1, 0, 2), (2, 3, 1), (2, 7, 1), (2, 7, 2)}
    for job_id, task_id in ((1, 0), (2, 7)):
        assert used[job_id, task_id, 1] > 2 * used[job_id, task_id, 2], used
    wait_until(lambda: sge("list", "-t") and sge.sql("SELECT sum(accounted = 0) FROM submission") == [(0,)])
    assert re.search(
        r"^  used \d\.\d CPU seconds in \d+\.\d seconds.*, \d+ MiB at its peak$", sge("why", 1).out, re.M
    )
    assert "2 tasks used " in sge("why", 2).out


def test_what_waits_for_a_job_with_retries_waits_for_the_last_attempt(sge: SgeJman) -> None:
    sge.submit_job("--retry", "2", "--", "sh", "-c", "[ $JMAN_ATTEMPT = 2 ]")
    sge("submit", "--after-ok", 1, "--", "touch", "ran")
    sge("wait")
    assert sge.status() == {1: "success", 2: "success"}
    assert (sge.folder / "ran").exists()


def test_what_qsub_refuses_leaves_nothing(sge: SgeJman) -> None:
    refused = sge("submit", "-e", "-l nosuch=1", "true", code=3)
    assert 'unknown resource "nosuch"' in refused.err
    assert not sge.list()
    assert not sge.spool.exists()
    refused = sge("submit", "-e", "-q nosuch.q", "true", code=3)
    assert 'unknown queue "nosuch.q"' in refused.err


def test_queues(sge: SgeJman) -> None:
    sge.submit_job("-q", "all.q,q1d", "sh", "-c", "echo $QUEUE > queue")
    for queues in ("nosuch", "all.q,nosuch"):
        refused = sge("submit", "-q", queues, "true", code=2)
        assert "the cluster has no queue nosuch: there are all.q, " in refused.err
    assert len(sge.list()) == 1
    sge("wait")
    assert (sge.folder / "queue").read_text().strip() in ("all.q", "q1d")


def test_hostile_words_arrive(sge: SgeJman, tmp_path: Path) -> None:
    words = ["a b", "'", '"', "$HOME", "*", "a\nb", "a,b", "", "\\", "`x`", "\u00e9", "-q", "#$ -q x"]
    folder = tmp_path / "a b'c\"$d*\n\u00e9"
    folder.mkdir()
    program = "import json, os, sys; print(json.dumps([sys.argv[1:], os.environ['V'], os.getcwd()]))"
    value = "x,y\n'\"$HOME `z` \\"
    sge.submit_job("-d", str(folder), "-s", f"V={value}", "--", "python3", "-c", program, *words)
    sge("wait")
    seen = json.loads((folder / "logs" / "python3.o1").read_text())
    assert seen == [words, value, str(folder)]


def test_dry_run_prints_and_submits_nothing(sge: SgeJman, watched: Watched) -> None:
    out = sge("submit", "--dry-run", "-t", "4%2", "-m", "2G", "-p", "2", "-q", "q1d", "echo", "$x").out
    first, *script = out.splitlines()
    assert re.search(r"qsub -terse .* -t 1-4:1 -tc 2 .*-q q1d .*-pe pe_mth 2 /bin/sh ", first), first
    assert script[0] == "  | #!/bin/sh"
    assert any(line == "  | exec echo '$x'" for line in script)
    assert not watched.calls("qsub")
    assert list(sge.folder.iterdir()) == []


def test_resubmit_sends_at_once_while_other_tasks_run(sge: SgeJman) -> None:
    program = "[ $SGE_TASK_ID = 1 ] && exit 1; while [ ! -e go ]; do sleep 0.1; done"
    sge.submit_job("-t", "1-2", "sh", "-c", program)
    wait_until(lambda: {k: v["status"] for k, v in sge.tasks().items()} == {1: "failure", 2: "executing"})
    sent = "SELECT count(*) FROM submission WHERE native_id IS NOT NULL"
    assert sge.sql(sent) == [(1,)]
    sge("resubmit", 1)
    assert sge.sql(sent) == [(2,)]
    (sge.folder / "go").touch()
    sge("wait", code=1)
