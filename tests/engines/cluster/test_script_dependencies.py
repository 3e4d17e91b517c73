"""Job scripts that wait for other jobs read their records on the node."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from asyncjman.engines.cluster import compacted
from asyncjman.engines.cluster.script import text_of
from asyncjman.engines.cluster.script_dependencies import Predecessor
from asyncjman.engines.cluster.script_records import SKIPPED_STATUS
from asyncjman.model.array import ArraySpec
from asyncjman.model.graph import Kind
from asyncjman.model.status import Status
from tests.cli.tools import wait_until
from tests.engines.cluster.test_script import make, run_script, the_end


def predecessor(
    tmp_path: Path, kind: Kind, ends: Mapping[int, str], tasks: str = "", **more: bool
) -> Predecessor:
    folder = tmp_path / "it's $7"
    folder.mkdir(exist_ok=True)
    for task_id, line in ends.items():
        head = f"jman 1\njob 7\ntask {task_id}\nattempt 1\ngrid 1\nhost h\ntime 1\n"
        (folder / f"exit.{task_id}").write_text(f"{head}{line}\nend\n")
    ranges = ArraySpec.parse(tasks).ranges if tasks else ()
    return Predecessor(job_id=7, records=str(folder), kind=kind, tasks=ranges, **more)


OK, BAD, SKIPPED = "exit_status 0", "exit_status 3", "skipped 3\nreason because of job 3"


@pytest.mark.parametrize(
    ("kind", "end", "stop", "runs"),
    [
        (Kind.OK, OK, False, True),
        (Kind.OK, BAD, False, False),
        (Kind.OK, SKIPPED, False, False),
        (Kind.OK, "reason folder missing: x", False, False),
        (Kind.ANY, BAD, False, True),
        (Kind.ANY, BAD, True, False),
        (Kind.ANY, OK, True, True),
        (Kind.ANY, SKIPPED, False, False),
        (Kind.NOTOK, BAD, False, True),
        (Kind.NOTOK, BAD, True, True),
        (Kind.NOTOK, OK, False, False),
        (Kind.NOTOK, SKIPPED, False, False),
    ],
)
def test_dependencies_are_looked_at_on_the_node(
    tmp_path: Path, kind: Kind, end: str, stop: bool, runs: bool
) -> None:
    before = predecessor(tmp_path, kind, {0: end}, stop_on_failure=stop)
    status = run_script(make(tmp_path, "touch", "ran", predecessors=(before,)), tmp_path)
    assert status == (0 if runs else SKIPPED_STATUS), "0 is what accounting says of a success alone"
    assert (tmp_path / "ran").exists() == runs
    assert (tmp_path / "records" / "start.0").exists() == runs
    found = the_end(tmp_path)
    assert found.status is (Status.SUCCESS if runs else Status.SKIPPED)
    assert found.skipped_by == (None if runs else 7)
    assert (found.reason or "").startswith("" if runs else "because of job 7")


def test_each_task_waits_for_its_own_where_asked(tmp_path: Path) -> None:
    before = predecessor(tmp_path, Kind.CORR, {1: OK, 2: BAD}, "1-2")
    script = make(tmp_path, "true", array=ArraySpec.parse("1-2"), predecessors=(before,))
    for task_id in (1, 2):
        run_script(script, tmp_path, env={"SGE_TASK_ID": str(task_id)})
    assert the_end(tmp_path, 1).status is Status.SUCCESS
    assert the_end(tmp_path, 2).status is Status.SKIPPED


def test_a_big_array_that_was_compacted_is_looked_at_quickly(tmp_path: Path) -> None:
    before = predecessor(tmp_path, Kind.OK, {3: OK}, "1-50000:2")
    folder = Path(before.records)
    (folder / compacted.COMPACTED).write_text(
        "".join(f"{task} {int(task == 3)} 1\n" for task in range(1, 50000, 2))
    )
    begin = time.monotonic()
    run_script(make(tmp_path, "true", predecessors=(before,)), tmp_path)
    assert the_end(tmp_path).status is Status.SUCCESS  # a record file is newer than what was compacted
    assert time.monotonic() - begin < 10


def test_a_late_record_is_waited_for(tmp_path: Path) -> None:
    before = predecessor(tmp_path, Kind.OK, {1: OK, 2: "exit_st"}, "1-2")
    whole = Path(before.records, "exit.2")
    whole.write_text(whole.read_text().removesuffix("end\n"))
    (tmp_path / "job.sh").write_bytes(text_of(make(tmp_path, "true", predecessors=(before,))))
    with subprocess.Popen(["/bin/sh", tmp_path / "job.sh"]) as process:
        wait_until(lambda: (tmp_path / "records").exists())
        assert process.poll() is None
        predecessor(tmp_path, Kind.OK, {2: OK})
        assert process.wait(20) == 0
    assert the_end(tmp_path).status is Status.SUCCESS


def test_a_compacted_line_that_is_cut_off_says_nothing(tmp_path: Path) -> None:
    before = predecessor(tmp_path, Kind.OK, {}, "1-2")
    folded = Path(before.records, compacted.COMPACTED)
    folded.write_text("1 0 1\n2 13")
    (tmp_path / "job.sh").write_bytes(text_of(make(tmp_path, "true", predecessors=(before,))))
    with subprocess.Popen(["/bin/sh", tmp_path / "job.sh"]) as process:
        wait_until(lambda: (tmp_path / "records").exists())
        compacted.note(folded.parent, [(2, True, 1)])
        assert process.wait(20) == 0
    assert the_end(tmp_path).status is Status.SUCCESS
