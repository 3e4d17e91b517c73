"""What every engine owes: one suite over all of them."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import psutil
import pytest

from tests.cli.tools import wait_until
from tests.contract.conftest import Engine
from tests.making import HOSTILE_WORDS

DUMP = """
import os, sys
with open(os.environ["OUT"], "wb") as out:
    out.write(b"\\0".join([*map(os.fsencode, sys.argv[1:]), os.environb[b"VALUE"], os.getcwdb()]))
"""


def submit(engine: Engine, *words: str) -> None:
    engine.jman(*engine.words, "submit", "-l", "logs", "--no-check", *words)


@pytest.mark.parametrize("status", [0, 3, 99, 100])
def test_the_exit_status(engine: Engine, status: int) -> None:
    submit(engine, "sh", "-c", f"exit {status}")
    job = engine.end()
    assert (job["status"], job["exit_status"]) == ("success" if status == 0 else "failure", status)
    assert job["attempt"] == 1


def test_a_signal(engine: Engine) -> None:
    submit(engine, "sh", "-c", "kill -9 $$")
    job = engine.end()
    assert (job["status"], job["signal"]) == ("failure", 9)


def test_a_command_that_is_missing(engine: Engine) -> None:
    submit(engine, "./nosuch")
    job = engine.end()
    assert job["status"] == "failure"
    assert job["exit_status"] in (127, None)
    assert job["reason"]


def test_a_folder_that_is_missing(engine: Engine) -> None:
    folder, moved = engine.jman.folder / "gone", engine.jman.folder / "moved"
    folder.mkdir()
    submit(engine, "sh", "-c", f"until [ -e '{moved}' ]; do sleep 0.05; done")
    words = ("-d", str(folder), "-l", str(engine.jman.folder), "-n", "x", "-x", "1")
    submit(engine, *words, "sh", "-c", "echo > ../ran")
    folder.rename(moved)
    engine.end()
    job = engine.jman.job(2)
    if (engine.jman.folder / "ran").exists():
        pytest.fail("it ran in another folder")
    assert job["status"] == "failure"
    assert job["exit_status"] in (127, None)
    assert "gone" in job["reason"]


def test_output_goes_to_the_logs(engine: Engine) -> None:
    submit(engine, "-n", "x", "sh", "-c", "echo out; echo err >&2")
    engine.end()
    logs = engine.jman.folder / "logs"
    assert (logs / "x.o1").read_text() == "out\n"
    assert (logs / "x.e1").read_text() == "err\n"


def test_words_values_and_folders_arrive(engine: Engine, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"a b'c\"$d*\n\xc3\xa9\xff")
    folder.mkdir()
    value = "".join(HOSTILE_WORDS)
    out = str(tmp_path / "seen")
    submit(
        engine, "-d", str(folder), "-s", f"OUT={out}", "-s", f"VALUE={value}",
        "--", sys.executable, "-c", DUMP, *HOSTILE_WORDS,
    )  # fmt: skip
    assert engine.end()["status"] == "success"
    seen = (tmp_path / "seen").read_bytes().split(b"\0")
    assert seen == [*map(os.fsencode, HOSTILE_WORDS), os.fsencode(value), os.fsencode(folder)]


def test_a_task_knows_who_it_is(engine: Engine) -> None:
    names = ["SGE_TASK_ID", "SGE_TASK_FIRST", "SGE_TASK_LAST", "SGE_TASK_STEPSIZE", "JMAN_TASK_INDEX",
             "JMAN_TASK_COUNT", "JMAN_JOB_ID", "JMAN_ATTEMPT", "JOB_NAME"]  # fmt: skip
    program = f"import json, os; print(json.dumps([os.environ.get(name) for name in {names}]))"
    submit(engine, "-n", "x", "-t", "3-7:2", sys.executable, "-c", program)
    engine.end()
    assert json.loads((engine.jman.folder / "logs" / "x.o1.5").read_text()) == [
        "5", "3", "7", "2", "1", "3", "1", "1", "x"
    ]  # fmt: skip


def has_ended(pid: int) -> bool:
    """Tell whether a process runs no more: who has it as a child may not have fetched its end."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_cancel(engine: Engine) -> None:
    submit(engine, "sh", "-c", "echo $$ > pid; exec sleep 300")
    engine.start()
    pid = int(wait_until(lambda: (file := engine.jman.folder / "pid").exists() and file.read_text()))
    engine.jman("stop")
    job = engine.jman.job()
    assert (job["status"], job["reason"]) == ("stopped", "stopped")
    wait_until(lambda: has_ended(pid))


def test_standard_input_is_empty(engine: Engine) -> None:
    submit(engine, "-n", "x", "wc", "-c")
    engine.end()
    assert (engine.jman.folder / "logs" / "x.o1").read_text().strip() == "0"


def test_a_later_attempt_keeps_the_log_of_the_one_before(engine: Engine) -> None:
    submit(engine, "-n", "x", "sh", "-c", "echo $JMAN_ATTEMPT; exit 1")
    engine.end()
    engine.jman("resubmit")
    assert engine.end()["attempt"] == 2
    logs = engine.jman.folder / "logs"
    assert ((logs / "x.o1").read_text(), (logs / "x.o1.attempt1").read_text()) == ("2\n", "1\n")
