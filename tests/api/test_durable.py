"""What a recorded success relies on is on the disk before it: files, and the entries of their folders."""

from __future__ import annotations

import errno
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from asyncjman import JobManager
from tests.api.tools import rows

WATCH = """
import json, os
def log(kind, path, how=""):
    with open({log!r}, "a") as stream:
        stream.write(json.dumps([os.getpid(), kind, path, how]) + "\\n")
real = os.fsync
def fsync(file):
    descriptor = file if isinstance(file, int) else file.fileno()
    real(descriptor)
    log("fsync", os.readlink(f"/proc/self/fd/{{descriptor}}"))
os.fsync = fsync
replace, rename = os.replace, os.rename
def renamed(one, other, **options):
    replace(one, other, **options)
    log("rename", os.path.abspath(other), os.path.abspath(one))
os.replace = os.rename = renamed
"""


@pytest.fixture
def seen(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Note each fsync and each rename, here and in the Python processes that are started."""
    log = folder / "seen"
    code = WATCH.format(log=str(log))
    (folder / "hook").mkdir()
    (folder / "hook" / "sitecustomize.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder / "hook"), *filter(None, sys.path)]))
    for name in ("fsync", "replace", "rename"):
        monkeypatch.setattr(os, name, getattr(os, name))
    exec(code, {})
    return log


def in_spool(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("submitted.sql3.spool/*/*")]


def read(log: Path) -> list[list[Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names of descriptors are read from /proc")
async def test_functions_inputs_and_results(
    folder: Path, seen: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def kept(handle: object) -> None:
        """What was returned stays, to be looked at."""

    monkeypatch.setattr("asyncjman.api.calling.release", kept)
    async with JobManager(parallel=2) as jm:
        assert await jm.map(len, ["a", "bb"]) == [1, 2]
    (function,) = (folder / "submitted.sql3.spool").glob("*/function")
    job, spool = function.parent, function.parent.parent
    events = read(seen)
    here = [path for pid, kind, path, _ in events if kind == "fsync" and pid == os.getpid()]
    for path in (function, job / "inputs"):
        assert str(path) in here, path
    assert {str(job), str(spool), str(folder)} <= set(here)
    for number in (0, 1):
        result = str(job / f"result.{number}")
        (renamed,) = (event for event in events if event[1] == "rename" and event[2] == result)
        of_worker = [event for event in events if event[0] == renamed[0]]
        after = [event[1:3] for event in of_worker[of_worker.index(renamed) :]]
        assert after.index(["fsync", result]) < after.index(["fsync", str(job)])


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names of descriptors are read from /proc")
async def test_before_the_job_is_stored(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = []
    real = os.fsync

    def fsync(file: Any) -> None:
        real(file)
        stored.append(rows(folder / "submitted.sql3", "SELECT count(*) FROM job"))

    async with JobManager() as jm:
        monkeypatch.setattr(os, "fsync", fsync)
        assert await jm.call(len, "a") == 1
    assert stored and set(map(str, stored)) == {"[(0,)]"}


async def test_what_was_not_stored_leaves_no_files(folder: Path) -> None:
    async with JobManager() as jm:
        with pytest.raises(Exception, match="NUL"):
            await jm.map(len, ["a"], name="a\0b")
    assert in_spool(folder) == []


def noted(number: int) -> int:
    with Path("ran").open("a") as stream:
        stream.write(f"{number}\n")
    return number


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="names of descriptors are read from /proc")
async def test_a_disk_that_reports_errors_for_a_moment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No end is lost by it: each function runs once."""
    monkeypatch.setattr("asyncjman.scheduler.recorder.RETRY_SECONDS", 0.01)
    real, faults = os.fsync, [errno.EIO, errno.ENOSPC]

    def fsync(file: Any) -> None:
        descriptor = file if isinstance(file, int) else file.fileno()
        if Path(f"/proc/self/fd/{descriptor}").readlink().name.startswith("result.") and faults:
            raise OSError(faults.pop(), "broken")
        real(file)

    monkeypatch.setattr(os, "fsync", fsync)
    async with JobManager(parallel=2) as jm:
        for _ in range(3):  # from the second one on they are forks, whose results are written out here
            assert await jm.map(noted, range(8)) == list(range(8))
    assert not faults
    assert sorted((folder / "ran").read_text().split()) == sorted(map(str, 3 * [*range(8)]))
