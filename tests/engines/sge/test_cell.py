"""The job script, the command lines and the parsers on a real cell."""

from __future__ import annotations

import asyncio
import getpass
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from asyncjman.engines.cluster import records
from asyncjman.engines.cluster.names import job_name
from asyncjman.engines.cluster.process import CommandFailed, run
from asyncjman.engines.cluster.records import Record, RecordKind
from asyncjman.engines.cluster.script import Script, text_of
from asyncjman.engines.cluster.script_dependencies import Predecessor
from asyncjman.engines.sge import commands, resources
from asyncjman.engines.sge.dialect import SgeDialect
from asyncjman.engines.sge.faults import fault_of
from asyncjman.engines.sge.parse import is_error, note_of, parse_qacct, parse_qstat_j
from asyncjman.model.array import ArraySpec
from asyncjman.model.graph import Kind
from asyncjman.model.resources import Resources
from asyncjman.model.status import Status
from tests.cells.sge import Cell
from tests.cli.tools import wait_until
from tests.engines.cluster.test_script import DUMP
from tests.making import HOSTILE_WORDS

pytestmark = pytest.mark.sge
Submit = Callable[..., int]


@pytest.fixture
def submit(sge_cell: Cell, tmp_path: Path) -> Submit:
    """Submit a job script; the job's id names its folders."""

    def do(job_id: int, *argv: str, **changes: object) -> int:
        qsub = {key: changes.pop(key) for key in ("tasks", "hold", "throttle", "options") if key in changes}
        spool = tmp_path / "spool" / str(job_id)
        spool.mkdir(parents=True)
        values: dict[str, object] = {
            "job_id": job_id,
            "records": str(spool),
            "argv": argv,
            "exec_dir": str(tmp_path),
            "name": "my job",
            "stdout": f"{tmp_path}/logs/x.o{job_id}",
            "stderr": f"{tmp_path}/logs/x.e{job_id}",
            "rules": SgeDialect.script,
            **changes,
        }
        script = Script(**values)  # type: ignore[arg-type]
        if script.array and not script.task_map:
            qsub.setdefault("tasks", script.array.ranges[0])
        file = spool / "job.sh"
        file.write_bytes(text_of(script))
        name = job_name(job_id, "0" * 14, script.name)
        submission = commands.Submission(name=name, work_dir=str(spool), script=str(file), **qsub)  # type: ignore[arg-type]
        return sge_cell.qsub(submission)

    return do


def ends(tmp_path: Path, job_id: int, count: int = 1) -> dict[int, Record]:
    """Return the ends of a job's tasks, once there are ``count``."""

    def look() -> dict[int, Record]:
        found = records.scan(tmp_path / "spool" / str(job_id))
        return {one.task_id: one for one in found if one.kind is RecordKind.EXIT}

    return wait_until(lambda: found if len(found := look()) >= count else {})


def started(tmp_path: Path, job_id: int, task_id: int = 0) -> Path:
    path = tmp_path / "spool" / str(job_id) / f"start.{task_id}"
    wait_until(path.exists)
    return path


def test_arguments_variables_and_folders_arrive(submit: Submit, tmp_path: Path) -> None:
    folder = tmp_path / "a b'c\"$d*,\n\u00e9\udcff"
    folder.mkdir()
    environment = {f"V{number}": value for number, value in enumerate(HOSTILE_WORDS)} | {"a.b": "x,y\n"}
    argv = [*HOSTILE_WORDS, "x" * 120_000]
    native_id = submit(
        1, sys.executable, "-c", DUMP, *argv, exec_dir=str(folder), environment=environment,
        stdout=f"{folder}/logs/o", stderr=f"{folder}/logs/e",
    )  # fmt: skip
    end = ends(tmp_path, 1)[0]
    assert (end.exit_status, end.native_id) == (0, str(native_id))
    seen_argv, _, env = (folder / "logs" / "o").read_bytes().partition(b"\1\0")
    assert seen_argv.split(b"\0")[:-1] == [*map(os.fsencode, argv)]
    seen = dict(one.partition(b"=")[::2] for one in env.split(b"\0"))
    for key, value in environment.items():
        assert seen[os.fsencode(key)] == os.fsencode(value), key
    assert seen[b"JOB_ID"] == str(native_id).encode()
    assert seen[b"TMPDIR"] == seen[b"TMP"]
    assert seen[b"PWD"] == os.fsencode(folder)


def test_exit_statuses_of_an_array(submit: Submit, sge_cell: Cell, tmp_path: Path) -> None:
    statuses = (0, 3, 99, 100, 127, 255)
    program = f"set -- {' '.join(map(str, statuses))}; shift $((SGE_TASK_ID - 1)); exit $1"
    native_id = submit(2, "sh", "-c", program, array=ArraySpec.parse("1-6"))
    assert [one.exit_status for _, one in sorted(ends(tmp_path, 2, 6).items())] == list(statuses)
    sge_cell.wait_gone(native_id)  # neither started again nor in Eqw
    argv = commands.qacct_names(sge_cell.binaries.path("qacct"), "jm2_*", user=getpass.getuser())

    def accounted() -> list[int]:
        found = parse_qacct(asyncio.run(run(argv, env=sge_cell.binaries.environment, check=False)).stdout)
        mine = {one.task_id: one.exit_status for one in found if one.native_id == native_id}
        return [code for _, code in sorted(mine.items())] if len(mine) == 6 else []

    assert wait_until(accounted) == [0, 3, 1, 1, 127, 255]


def test_sparse_tasks(submit: Submit, tmp_path: Path) -> None:
    array = ArraySpec.parse("2,5,100000")
    submit(3, "sh", "-c", "echo $SGE_TASK_ID $SGE_TASK_FIRST $SGE_TASK_LAST", array=array,
           task_map=((5, 2), (100000, 2)), tasks=range(1, 3), throttle=1)  # fmt: skip
    found = ends(tmp_path, 3, 2)
    assert sorted(found) == [5, 100000]
    assert all((one.attempt, one.status) == (2, Status.SUCCESS) for one in found.values())
    assert (tmp_path / "logs" / "x.o3.100000").read_text() == "100000 2 100000\n"


def test_a_deleted_job_leaves_no_end(submit: Submit, sge_cell: Cell, tmp_path: Path) -> None:
    native_id = submit(4, "sleep", "100", options=("-q", "all.q"))
    start = started(tmp_path, 4)
    (entry,) = wait_until(lambda: sge_cell.entries(native_id))
    assert (entry.name, entry.queue) == (f"jm4_{'0' * 14}_my_job", "all.q")
    sge_cell.call(commands.qdel(sge_cell.binaries.path("qdel"), [native_id]))
    sge_cell.wait_gone(native_id)
    assert start.exists()
    assert not start.with_name("exit.0").exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_command_killed_on_the_node(submit: Submit, tmp_path: Path, number: signal.Signals) -> None:
    submit(5, "sh", "-c", f"kill -{number} $$")
    end = ends(tmp_path, 5)[0]
    assert (end.exit_status, end.signal, end.status) == (128 + number, number, Status.FAILURE)


def test_a_soft_limit_reaches_the_command_once(submit: Submit, tmp_path: Path) -> None:
    program = (
        "import signal, sys\nsignal.signal(signal.SIGUSR1, lambda *_: (print('usr1', flush=True), "
        "signal.alarm(2)))\nsignal.signal(signal.SIGALRM, lambda *_: sys.exit(4))\nwhile True: signal.pause()"
    )
    submit(6, sys.executable, "-c", program, options=("-l", "s_rt=2"))
    end = ends(tmp_path, 6)[0]
    assert end.exit_status == 4
    assert (tmp_path / "logs" / "x.o6").read_text() == "usr1\n"


def test_dependencies(submit: Submit, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    bad = submit(7, "sh", "-c", f"while ! [ -e {gate} ]; do sleep 0.1; done; exit $((SGE_TASK_ID - 1))",
                 array=ArraySpec.parse("1-2"))  # fmt: skip
    first = {"job_id": 7, "records": str(tmp_path / "spool" / "7"), "tasks": (range(1, 3),)}

    def after(job_id: int, hold: int, before: dict[str, object], kind: Kind, **more: object) -> int:
        predecessors = (Predecessor(**before, kind=kind),)  # type: ignore[arg-type]
        return submit(job_id, "touch", f"ran{job_id}", hold=(hold,), predecessors=predecessors, **more)

    to_cancel = after(8, bad, first, Kind.OK)
    after(9, to_cancel, {"job_id": 8, "records": str(tmp_path / "spool" / "8")}, Kind.ANY)
    after(10, bad, first, Kind.NOTOK)
    after(11, bad, first, Kind.ANY)
    after(12, bad, first, Kind.CORR, array=ArraySpec.parse("1-2"))
    gate.touch()
    found = {job_id: ends(tmp_path, job_id)[0] for job_id in (8, 9, 10, 11)}
    assert {job_id: one.status for job_id, one in found.items()} == {
        8: Status.SKIPPED,
        9: Status.SKIPPED,
        10: Status.SUCCESS,
        11: Status.SUCCESS,
    }
    assert found[9].reason == "because of job 8, which was skipped"
    assert [one.status for _, one in sorted(ends(tmp_path, 12, 2).items())] == [
        Status.SUCCESS,
        Status.SKIPPED,
    ]
    assert not (tmp_path / "ran8").exists()
    assert not (tmp_path / "spool" / "8" / "start.0").exists()


def test_an_error_state_has_its_reason(sge_cell: Cell) -> None:
    native_id = sge_cell.qsub(commands.Submission(name="jm13_x", work_dir="/nonexistent", script="/dev/null"))
    (entry,) = wait_until(lambda: [one for one in sge_cell.entries(native_id) if is_error(one.state_codes)])
    assert note_of(entry.state_codes) == "error"
    (detail,) = parse_qstat_j(
        sge_cell.call(commands.qstat_jobs(sge_cell.binaries.path("qstat"), [native_id]))
    )
    assert "can't chdir to /nonexistent" in detail.error_reasons[1][0]
    sge_cell.call(commands.qdel(sge_cell.binaries.path("qdel"), [native_id]))


def test_what_a_job_asks_for(sge_cell: Cell) -> None:
    wanted = Resources(queue="q1d", memory="600G", slots=2, time="100")
    queues = sge_cell.call(commands.qconf_queues(sge_cell.binaries.path("qconf"))).split()
    submission = commands.Submission(
        name="jm14_x", work_dir="/tmp", script="/dev/null",
        options=resources.options(wanted, queues=queues), tasks=range(1, 6, 2), throttle=2,
    )  # fmt: skip
    native_id = sge_cell.qsub(submission)
    (detail,) = parse_qstat_j(
        sge_cell.call(commands.qstat_jobs(sge_cell.binaries.path("qstat"), [native_id]))
    )
    sge_cell.call(
        commands.qdel_tasks(sge_cell.binaries.path("qdel"), native_id, [range(1, 2), range(3, 6, 2)])
    )
    assert detail.resources == {"mem_free": "1200G", "h_vmem": "600G", "h_rt": "100"}
    assert (detail.queues, detail.environment) == (("q1d",), ("pe_mth", "2"))
    assert detail.name == "jm14_x"
    sge_cell.wait_gone(native_id)


@pytest.mark.parametrize(
    ("option", "words"),
    [(("-q", "nosuch.q"), 'unknown queue "nosuch.q"'), (("-l", "nosuch=1"), 'unknown resource "nosuch"')],
)
def test_what_can_not_be_comes_in_qsubs_words(sge_cell: Cell, option: tuple[str, ...], words: str) -> None:
    with pytest.raises(CommandFailed, match=words) as caught:
        sge_cell.qsub(commands.Submission(name="x", work_dir="/tmp", script="/dev/null", options=option))
    assert not caught.value.transient


def test_no_qmaster_is_a_fault_that_passes(sge_cell: Cell, tmp_path: Path) -> None:
    common = tmp_path / "default" / "common"
    common.mkdir(parents=True)
    real = Path(sge_cell.binaries.environment["SGE_ROOT"], "cell", "common")
    for name in ("bootstrap", "act_qmaster"):
        (common / name).write_text((real / name).read_text())
    ports = {"SGE_QMASTER_PORT": "7777", "SGE_EXECD_PORT": "7778"}
    env = {**sge_cell.binaries.environment, "SGE_ROOT": str(tmp_path), "SGE_CELL": "default", **ports}
    with pytest.raises(CommandFailed, match=r"select error|send error") as caught:
        argv = commands.qstat(sge_cell.binaries.path("qstat"), "root")
        asyncio.run(run(argv, env=env, classify=fault_of))
    assert caught.value.transient
    assert not caught.value.ambiguous
