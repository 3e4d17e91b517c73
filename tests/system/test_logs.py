"""Where logs go: never out of their folder."""

from __future__ import annotations

import os
from pathlib import Path, PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncjman.model.job import JobSpec
from asyncjman.system.environment import task_environment
from asyncjman.system.logs import display_name, file_stem, keep_earlier_log, log_paths
from tests.making import HOSTILE, spec_of

NAMES = HOSTILE | st.sampled_from(
    ["..", ".", "../../x", "/etc/passwd", "a" * 400, "ä" * 200, "a\x1b[31m", "\x85"]
)


def _spec(name: str, command: str = "true", log_dir: str | None = "logs") -> JobSpec:
    return JobSpec(command=(command,), name=name, exec_dir="/home/me", log_dir=log_dir)


@given(NAMES, NAMES, st.integers(1, 10**9), st.integers(0, 10**9))
def test_no_name_leads_out_of_the_folder(name: str, command: str, job_id: int, task_id: int) -> None:
    paths = log_paths(_spec(name, command), job_id, task_id)
    assert paths is not None
    for path in paths:
        assert os.path.normpath(path) == path
        assert str(PurePath(path).parent) == "/home/me/logs"
        assert not any(ord(one) < 32 or 127 <= ord(one) < 160 for one in path)
        assert len(os.fsencode(PurePath(path).name)) < 200
    assert paths[0] != paths[1]


@given(NAMES)
def test_a_stem_is_one_part_of_a_path(name: str) -> None:
    stem = file_stem(name)
    assert stem not in ("", ".", "..")
    assert PurePath("/x", stem).parts == ("/", "x", stem)
    assert file_stem(stem) == stem


def test_names_of_logs() -> None:
    assert log_paths(_spec("n"), 3, 0) == ("/home/me/logs/n.o3", "/home/me/logs/n.e3")
    assert log_paths(_spec("n"), 3, 7) == ("/home/me/logs/n.o3.7", "/home/me/logs/n.e3.7")
    assert log_paths(_spec("", "/bin/my script.py"), 1, 0) == (
        "/home/me/logs/my script.py.o1",
        "/home/me/logs/my script.py.e1",
    )
    assert log_paths(_spec("n", log_dir="/abs"), 1, 0) == ("/abs/n.o1", "/abs/n.e1")
    assert log_paths(_spec("n", log_dir=None), 1, 0) is None


@pytest.mark.parametrize(
    ("command", "name"), [("/usr/bin/env", "env"), ("", "job"), ("/", "job"), ("a/b/", "b")]
)
def test_a_job_with_no_name(command: str, name: str) -> None:
    assert display_name(_spec("", command)) == name


def test_an_earlier_log_is_kept_once(tmp_path: Path) -> None:
    log = tmp_path / "n.o1"
    log.write_text("first")
    keep_earlier_log(str(log), 2)
    keep_earlier_log(str(log), 2)
    log.write_text("again")
    keep_earlier_log(str(log), 2)
    assert (tmp_path / "n.o1.attempt1").read_text() == "first"
    assert log.read_text() == "again"


def test_variables_of_a_task() -> None:
    plain = task_environment(spec_of(name="n"), 4, 0, 2)
    assert plain == {
        "JOB_ID": "4",
        "JOB_NAME": "n",
        "SGE_TASK_ID": "undefined",
        "SGE_TASK_FIRST": "undefined",
        "SGE_TASK_LAST": "undefined",
        "SGE_TASK_STEPSIZE": "undefined",
        "JMAN_JOB_ID": "4",
        "JMAN_ATTEMPT": "2",
        "JMAN_TASK_COUNT": "1",
        "JMAN_TASK_INDEX": "0",
    }
    array = task_environment(spec_of("1-9:2"), 4, 3, 1)
    assert [array[f"SGE_TASK_{one}"] for one in ("ID", "FIRST", "LAST", "STEPSIZE")] == ["3", "1", "9", "2"]
