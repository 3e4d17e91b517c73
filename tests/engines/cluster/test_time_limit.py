"""A job script that ends what takes too long."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from asyncjman.engines.cluster import records, time_limit
from asyncjman.engines.cluster.records import Record, RecordKind
from asyncjman.engines.cluster.script import Script, text_of
from asyncjman.model.failure import Cause
from tests.cli.tools import is_alive, wait_until
from tests.engines.cluster.test_script import SHELLS, make

pytestmark = pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: str(shell[0]))


def run(script: Script, folder: Path, shell: list[str]) -> int:
    file = folder / "job.sh"
    file.write_bytes(text_of(script))
    environment = {"PATH": os.environ["PATH"], "JOB_ID": "777"}
    return subprocess.run([*shell, file], env=environment, timeout=60, start_new_session=True).returncode


def the_end(folder: Path) -> Record:
    record = records.read(folder / "records" / "exit.0", RecordKind.EXIT)
    assert record is not None
    return record


def test_what_ends_in_time(tmp_path: Path, shell: list[str]) -> None:
    begin = time.monotonic()
    assert run(make(tmp_path, "sh", "-c", "exit 3", time_limit=30.0), tmp_path, shell) == 3
    assert time.monotonic() - begin < 15
    assert (the_end(tmp_path).exit_status, the_end(tmp_path).cause) == (3, None)
    wait_until(lambda: not left_of(tmp_path))


def left_of(folder: Path) -> list[int]:
    """Return the processes that have a folder in their command line, as the script and its watcher have."""
    found = []
    for one in Path("/proc").iterdir():
        try:
            if one.name.isdecimal() and str(folder).encode() in (one / "cmdline").read_bytes():
                found.append(int(one.name))
        except OSError:
            continue
    return [pid for pid in found if pid != os.getpid() and is_alive(pid)]


@pytest.mark.parametrize(
    "end", ["exec sleep 100", "trap 'exit 0' TERM; sleep 100 & wait", "sleep 100; exit 3"]
)
def test_what_takes_too_long(tmp_path: Path, shell: list[str], end: str) -> None:
    command = f"echo $$ > pid; {end}"
    assert run(make(tmp_path, "sh", "-c", command, time_limit=1.0), tmp_path, shell) == 143
    record = the_end(tmp_path)
    assert (record.exit_status, record.cause, record.reason) == (143, Cause.TIMEOUT, "timed out after 1 s")
    assert not is_alive(int((tmp_path / "pid").read_text()))


def test_a_signal_to_the_watcher_that_is_lost_changes_no_end(tmp_path: Path, shell: list[str]) -> None:
    """It comes while the shell forks, say: what watches the time wakes up long after the task has ended."""
    text = text_of(make(tmp_path, "true", time_limit=1.0)).replace(b'kill "$jman_watch"', b"true")
    file = tmp_path / "job.sh"
    file.write_bytes(text.replace(f"sleep {time_limit.GRACE_SECONDS}".encode(), b"sleep 0"))
    environment = {"PATH": os.environ["PATH"], "JOB_ID": "777"}
    done = subprocess.run([*shell, file], env=environment, timeout=60, start_new_session=True)
    wait_until(lambda: not left_of(tmp_path))
    assert (done.returncode, the_end(tmp_path).exit_status, the_end(tmp_path).cause) == (0, 0, None)


def test_what_does_not_end_is_killed(
    tmp_path: Path, shell: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time_limit, "GRACE_SECONDS", 1)
    command = "echo $$ > pid; trap '' TERM; while :; do sleep 1; done"
    assert run(make(tmp_path, "sh", "-c", command, time_limit=1.0), tmp_path, shell) == -9
    assert (the_end(tmp_path).exit_status, the_end(tmp_path).cause) == (137, Cause.TIMEOUT)
    wait_until(lambda: not is_alive(int((tmp_path / "pid").read_text())))
    assert not list((tmp_path / "records").glob(".limit*"))
