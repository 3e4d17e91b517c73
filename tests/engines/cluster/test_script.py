"""The job script, run by the shells of this machine as a node would run it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asyncjman.engines.base import LaunchRequest, Ref
from asyncjman.engines.cluster import compacted, records
from asyncjman.engines.cluster.dialect import ScriptRules
from asyncjman.engines.cluster.records import Record, RecordKind
from asyncjman.engines.cluster.script import Script, script_of, text_of
from asyncjman.engines.sge.dialect import SgeDialect
from asyncjman.errors import UsageError
from asyncjman.model.array import ArraySpec
from asyncjman.model.job import JobSpec
from asyncjman.model.status import Status
from tests.cli.tools import wait_until
from tests.making import ALL_BYTES, HOSTILE_WORDS

SHELLS = [
    shell for shell in (["dash"], ["bash", "--posix"], ["busybox", "sh"], ["ksh"]) if shutil.which(shell[0])
]
DUMP = (
    "import os, sys; w = os.write; [w(1, os.fsencode(one) + b'\\0') for one in sys.argv[1:]]; "
    "w(1, b'\\1\\0'); [w(1, k + b'=' + v + b'\\0') for k, v in os.environb.items()]"
)


def run_script(
    script: Script, folder: Path, shell: list[str] | None = None, env: Mapping[str, str] | None = None
) -> int:
    file = folder / "job.sh"
    file.write_bytes(text_of(script))
    environment = {"PATH": os.environ["PATH"], "JOB_ID": "777", "SGE_TASK_ID": "undefined", **(env or {})}
    done = subprocess.run([*(shell or ["/bin/sh"]), file], env=environment, capture_output=True, timeout=60)
    assert done.stdout == b""
    return done.returncode


def make(folder: Path, *argv: str, **changes: object) -> Script:
    values: dict[str, object] = {
        "job_id": 42,
        "records": str(folder / "records"),
        "argv": argv,
        "exec_dir": str(folder),
        "name": "my job",
        "stdout": str(folder / "logs" / "x.o42"),
        "stderr": str(folder / "logs" / "x.e42"),
        "rules": SgeDialect.script,
        **changes,
    }
    return Script(**values)  # type: ignore[arg-type]


def the_end(folder: Path, task_id: int = 0) -> Record:
    record = records.read(folder / "records" / f"exit.{task_id}", RecordKind.EXIT)
    assert record is not None
    return record


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: str(shell[0]))
def test_arguments_and_variables_arrive_as_they_are(tmp_path: Path, shell: list[str]) -> None:
    folder = tmp_path / "a b'c\"$d\n\u00e9\udcff"
    folder.mkdir()
    environment = {f"V{number}": value for number, value in enumerate(HOSTILE_WORDS)}
    environment |= {"a.b": ALL_BYTES, "UID": "7", "IFS": "x", "jman_task": "own", "PPID": "1"}
    script = make(folder, sys.executable, "-c", DUMP, *HOSTILE_WORDS, "x" * 120_000, environment=environment)
    assert run_script(script, folder, shell, {"TMP": "/var/tmp"}) == 0
    argv, _, env = (folder / "logs" / "x.o42").read_bytes().partition(b"\1\0")
    assert argv.split(b"\0")[:-1] == [*map(os.fsencode, HOSTILE_WORDS), b"x" * 120_000]
    seen = dict(one.partition(b"=")[::2] for one in env.split(b"\0"))
    for key, value in environment.items():
        assert seen[os.fsencode(key)] == os.fsencode(value), key
    assert seen[b"JOB_ID"] == b"777"
    assert seen[b"JMAN_JOB_ID"] == b"42"
    assert seen[b"JMAN_ATTEMPT"] == b"1"
    assert seen[b"JOB_NAME"] == b"my job"
    assert seen[b"SGE_TASK_ID"] == b"undefined"
    assert seen[b"TMPDIR"] == b"/var/tmp"
    assert not [key for key in seen if key.startswith(b"jman_") and key != b"jman_task"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=40).filter(lambda one: b"\0" not in one), max_size=4))
def test_any_bytes_arrive(tmp_path: Path, words: list[bytes]) -> None:
    for left in (tmp_path / "logs" / "x.o42", tmp_path / "records" / "exit.0"):
        left.unlink(missing_ok=True)
    argv = ["/usr/bin/printf", "%s\\n", *map(os.fsdecode, words)]
    assert run_script(make(tmp_path, *argv), tmp_path) == 0
    assert (tmp_path / "logs" / "x.o42").read_bytes() == b"".join(one + b"\n" for one in words or [b""])


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: str(shell[0]))
@pytest.mark.parametrize("status", [0, 1, 3, 99, 100, 127, 255])
def test_the_exit_status_is_recorded_as_it_was(tmp_path: Path, status: int, shell: list[str]) -> None:
    code = run_script(make(tmp_path, "sh", "-c", f"exit {status}"), tmp_path, shell)
    assert code == (1 if status in (99, 100) else status)
    end = the_end(tmp_path)
    assert (end.exit_status, end.native_id, end.job_id, end.attempt) == (status, "777", 42, 1)
    assert end.status is (Status.SUCCESS if status == 0 else Status.FAILURE)
    assert end.started_at is not None
    assert time.time() - 60 < end.started_at <= end.time < time.time() + 1


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: str(shell[0]))
def test_what_the_command_used_is_recorded(tmp_path: Path, shell: list[str]) -> None:
    burn = "import time\nwhile time.process_time() < 0.5: pass"
    assert run_script(make(tmp_path, sys.executable, "-c", burn), tmp_path, shell) == 0
    used = the_end(tmp_path).cpu_seconds
    assert used is not None and used >= 0.5


def test_the_start_is_recorded_before_the_command_runs(tmp_path: Path) -> None:
    run_script(make(tmp_path, "cp", str(tmp_path / "records" / "start.0"), "seen"), tmp_path)
    record = records.parse_record(RecordKind.START, (tmp_path / "seen").read_text())
    assert record is not None
    assert record.status is Status.EXECUTING
    assert record.host


@pytest.mark.parametrize("command", ["/no/such", "no-such-command"])
def test_a_missing_command_ends_with_127(tmp_path: Path, command: str) -> None:
    # a folder of PATH that can't be read would make it "permission denied"
    assert run_script(make(tmp_path, command), tmp_path, env={"PATH": "/usr/bin:/bin"}) == 127
    assert the_end(tmp_path).exit_status == 127
    assert "not found" in (tmp_path / "logs" / "x.e42").read_text()


def test_what_is_in_the_way_is_named(tmp_path: Path) -> None:
    assert run_script(make(tmp_path, "true", exec_dir=f"{tmp_path}/gone"), tmp_path) == 1
    end = the_end(tmp_path)
    assert end.reason == f"folder missing: {tmp_path}/gone"
    assert end.exit_status is None
    assert end.status is Status.FAILURE
    (tmp_path / "logs").write_text("a file where a folder should be")
    run_script(make(tmp_path, "true"), tmp_path)
    assert the_end(tmp_path).reason == f"can't make the log folder {tmp_path}/logs"
    (tmp_path / "logs").unlink()
    (tmp_path / "logs" / "x.o42").mkdir(parents=True)
    run_script(make(tmp_path, "true"), tmp_path)
    assert the_end(tmp_path).reason == f"can't write the log {tmp_path}/logs/x.o42"


@pytest.mark.parametrize("put", [lambda log: log.symlink_to(log.parent / "victim"), os.mkfifo])
def test_a_link_or_a_pipe_in_place_of_a_log(tmp_path: Path, put: Callable[[Path], None]) -> None:
    log = tmp_path / "logs" / "x.o42"
    log.parent.mkdir()
    put(log)
    assert run_script(make(tmp_path, "true"), tmp_path) == 1
    assert the_end(tmp_path).reason == f"can't write the log {log}"
    assert not (log.parent / "victim").exists()


def test_no_log_files(tmp_path: Path) -> None:
    run_script(make(tmp_path, "echo", "hi", stdout=None, stderr=None), tmp_path)
    assert the_end(tmp_path).status is Status.SUCCESS
    assert not (tmp_path / "logs").exists()


def test_earlier_logs_are_kept(tmp_path: Path) -> None:
    for attempt in (1, 2, 2, 3):
        run_script(make(tmp_path, "sh", "-c", f"echo attempt {attempt}; exit 1", attempt=attempt), tmp_path)
    logs = tmp_path / "logs"
    assert (logs / "x.o42.attempt1").read_text() == "attempt 1\n"
    assert (logs / "x.o42.attempt2").read_text() == "attempt 2\nattempt 2\n"
    assert (logs / "x.o42").read_text() == "attempt 3\n"


def test_sparse_tasks_are_mapped(tmp_path: Path) -> None:
    array = ArraySpec.parse("2,5,1000000")
    script = make(tmp_path, "sh", "-c", "echo $SGE_TASK_ID $SGE_TASK_FIRST $SGE_TASK_LAST $JMAN_ATTEMPT",
                  array=array, task_map=((5, 2), (1000000, 3)))  # fmt: skip
    assert len(array.ranges) > 1
    assert run_script(script, tmp_path, env={"SGE_TASK_ID": "2", "SGE_TASK_FIRST": "1"}) == 0
    assert (tmp_path / "logs" / "x.o42.1000000").read_text() == "1000000 2 1000000 3\n"
    assert the_end(tmp_path, 1000000).attempt == 3
    for number in ("3", "0", "", "01", "x", "-1"):
        assert run_script(script, tmp_path, env={"SGE_TASK_ID": number}) == 1


@pytest.mark.parametrize("number", [1, 50, 100, 101, 150])
def test_a_part_of_an_array_takes_no_more_words_for_more_tasks(tmp_path: Path, number: int) -> None:
    """Of a part of 75000 tasks the script had 4 MB, which each task had to read."""
    array = ArraySpec.parse("7-3000:2")
    refs = [(task_id, 1 + (at >= 100)) for at, task_id in enumerate(array.slice(500, 150))]
    script = make(tmp_path, "sh", "-c", "echo $SGE_TASK_ID $JMAN_ATTEMPT $JMAN_TASK_INDEX",
                  array=array, task_map=tuple(refs))  # fmt: skip
    less = make(tmp_path, "sh", "-c", "echo $SGE_TASK_ID $JMAN_ATTEMPT $JMAN_TASK_INDEX",
                array=array, task_map=tuple(refs[99:101]))  # fmt: skip
    assert len(text_of(script)) < len(text_of(less)) + 20
    assert run_script(script, tmp_path, env={"SGE_TASK_ID": str(number)}) == 0
    task_id, attempt = refs[number - 1]
    seen = (tmp_path / "logs" / f"x.o42.{task_id}").read_text()
    assert seen == f"{task_id} {attempt} {499 + number}\n"


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: str(shell[0]))
def test_signals_of_the_group_reach_the_command_once(tmp_path: Path, shell: list[str]) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "import signal, sys\nsignal.signal(signal.SIGUSR1, lambda *_: print('usr1', flush=True))\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))\n"
        "print('up', signal.getsignal(signal.SIGINT) is signal.default_int_handler, flush=True)\n"
        "while True: signal.pause()\n"
    )
    (tmp_path / "job.sh").write_bytes(text_of(make(tmp_path, sys.executable, str(program))))
    process = subprocess.Popen([*shell, tmp_path / "job.sh"], start_new_session=True)
    log = tmp_path / "logs" / "x.o42"
    wait_until(lambda: log.exists() and "up True" in log.read_text(), 20)
    os.killpg(process.pid, signal.SIGUSR1)
    wait_until(lambda: "usr1" in log.read_text(), 20)
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(20) == 5
    assert log.read_text().count("usr1") == 1
    end = the_end(tmp_path)
    assert end.exit_status == 5


def test_a_command_killed_by_a_signal(tmp_path: Path) -> None:
    run_script(make(tmp_path, "sh", "-c", "kill -SEGV $$"), tmp_path)
    end = the_end(tmp_path)
    assert (end.exit_status, end.signal, end.status) == (139, signal.SIGSEGV, Status.FAILURE)


def test_a_script_of_a_spec() -> None:
    spec = JobSpec(command=("./a.py",), interpreter=("python3",), exec_dir="/w", log_dir="logs")
    request = LaunchRequest(
        token="0" * 14, job_id=3, spec=spec, tasks=(Ref(3, 0, 2),), folder="/spool/3", logs="/w/logs/a.py"
    )
    script = script_of(request, ScriptRules())
    assert script.attempt == 2
    assert (script.argv, script.stdout, script.name) == (("python3", "./a.py"), "/w/logs/a.py.o3", "a.py")


@pytest.mark.parametrize("bad", [{"a=b": "x"}, {"": "x"}, {"a": "\0"}])
def test_what_no_process_can_be_given_is_refused(tmp_path: Path, bad: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        text_of(make(tmp_path, "true", environment=bad))


COUNTS = ScriptRules(restart="RESTARTS")


@pytest.mark.parametrize("is_compacted", [False, True])
@pytest.mark.parametrize("rules", [SgeDialect.script, COUNTS], ids=["plain", "counts"])
def test_what_has_ended_is_not_run_again(tmp_path: Path, rules: ScriptRules, is_compacted: bool) -> None:
    """A controller of Slurm that was killed starts again what it had not written down as started."""
    script = make(tmp_path, "sh", "-c", 'echo x >> ran; [ "$JMAN_ATTEMPT" != 2 ]', rules=rules)

    def run_it(attempt: int, count: int, restarts: int = 0) -> None:
        status = run_script(replace(script, attempt=attempt), tmp_path, env={"RESTARTS": str(restarts)})
        assert status == (attempt == 2)
        assert len((tmp_path / "ran").read_text().split()) == count
        if is_compacted:
            compacted.compact(tmp_path / "records", records.scan(tmp_path / "records"))

    run_it(1, 1)
    run_it(1, 1)
    run_it(1, 1, restarts=1)
    run_it(2, 2)
    run_it(2, 3, restarts=1)  # what failed may be started anew on purpose
    run_it(2, 3 if rules is COUNTS else 4, restarts=0 if is_compacted else 1)
    run_it(3, 4 if rules is COUNTS else 5)


@pytest.mark.parametrize("shell", SHELLS, ids="-".join)
def test_an_earlier_attempt_does_not_start_after_a_later_one(tmp_path: Path, shell: list[str]) -> None:
    script = make(tmp_path, "sh", "-c", "echo x >> ran")
    assert run_script(replace(script, attempt=2), tmp_path, shell) == 0
    assert run_script(replace(script, attempt=1), tmp_path, shell) == 1
    assert (tmp_path / "ran").read_text() == "x\n"
    assert the_end(tmp_path).attempt == 2


@pytest.mark.parametrize("shell", SHELLS, ids="-".join)
def test_an_earlier_attempt_leaves_the_record_of_a_later_one(tmp_path: Path, shell: list[str]) -> None:
    """Its node hung, and came to life when the later one had run elsewhere."""
    later = tmp_path / "later.sh"
    later.write_bytes(text_of(make(tmp_path, "true", attempt=2)))
    run_script(make(tmp_path, "sh", "-c", f"sh '{later}'; exit 3", attempt=1), tmp_path, shell)
    assert (the_end(tmp_path).attempt, the_end(tmp_path).exit_status) == (2, 0)
