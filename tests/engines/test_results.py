"""Results of functions, on a disk that reports errors."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest

from asyncjman.engines.local.results import Results
from asyncjman.errors import EnvironmentProblem


class Disk:
    """Notes what was written and synced of each file; ``faults``: the errors that it has still to report."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.faults: list[int] = []
        self.events: list[tuple[str, str]] = []
        sync, write = os.fsync, os.pwrite

        def fsync(descriptor: int) -> None:
            if self.faults:
                raise OSError(self.faults.pop(), "fault")
            sync(descriptor)
            self.events.append(("sync", self.name(descriptor)))

        def pwrite(descriptor: int, data: Any, offset: int) -> int:
            self.events.append(("write", self.name(descriptor)))
            return write(descriptor, data, offset)

        monkeypatch.setattr(os, "fsync", fsync)
        monkeypatch.setattr(os, "pwrite", pwrite)

    @staticmethod
    def name(descriptor: int) -> str:
        return Path(f"/proc/self/fd/{descriptor}").readlink().name


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def made(folder: Path, count: int) -> tuple[Results, list[Path]]:
    results, paths = Results(), [folder / f"result.{number}" for number in range(count)]
    for path in paths:
        path.write_bytes(path.name.encode())
        results.add(str(path))
    return results, paths


async def test_each_is_synced_once(tmp_path: Path, disk: Disk) -> None:
    results, paths = made(tmp_path, 9)
    await results.write_out()
    await results.write_out()
    assert sorted(disk.events) == sorted(("sync", path.name) for path in (*paths, tmp_path))


@pytest.mark.parametrize("count", [1, 9])
async def test_after_an_error_they_are_written_anew(tmp_path: Path, disk: Disk, count: int) -> None:
    """A disk reports an error once: that a second fsync succeeds does not say that the data are there."""
    results, paths = made(tmp_path, count)
    disk.faults = [errno.EIO]
    with pytest.raises(EnvironmentProblem, match=r"can't be written to .*/result\.\d: fault"):
        await results.write_out()
    disk.events.clear()
    await results.write_out()
    for path in paths:
        assert path.read_bytes() == path.name.encode()
        assert disk.events.index(("write", path.name)) < disk.events.index(("sync", path.name))
    assert disk.events[-1] == ("sync", tmp_path.name)
    disk.events.clear()
    await results.write_out()
    assert disk.events == []


async def test_what_went_meanwhile_is_not_waited_for(tmp_path: Path, disk: Disk) -> None:
    results, (first, second) = made(tmp_path, 2)
    disk.faults = [errno.ENOSPC]
    with pytest.raises(EnvironmentProblem):
        await results.write_out()
    first.unlink()
    await results.write_out()
    assert not first.exists()
    assert ("sync", second.name) in disk.events
