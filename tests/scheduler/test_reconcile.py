"""Ending what a dead runner left, beside other processes that do the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from asyncjman.scheduler import reconcile
from asyncjman.store.runnerlock import TASKS, LockNames, RunnerLock
from asyncjman.store.runners import Runner


def test_the_lock_file_of_a_new_runner_is_not_taken_for_that_of_a_dead_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another jman ends the same runner, and removes its files, while its processes are looked for.

    The next file may get the number of the one that was removed: who has it open to write it would be
    taken for a process of the dead runner, and ended.
    """
    names = LockNames.of(tmp_path / "jobs.sql3", "0", "a" * 32)
    lock = RunnerLock()
    lock.take(names)
    lock.release(remove=False)
    runner = Runner(1, "a" * 32, "here", 1, 0.0, 0.0, None, None, lock.lock, lock.tasks_lock)
    numbers: list[str] = []

    def removed_meanwhile(token: str, since: float | None, file: str | None) -> list[Any]:
        assert file == lock.tasks_lock
        names.path(TASKS).unlink()
        for number in range(5):
            path = tmp_path / f"new.{number}"
            path.touch()
            numbers.append(f"{path.stat().st_dev}:{path.stat().st_ino}")
        return []

    monkeypatch.setattr(reconcile, "marked", removed_meanwhile)
    reconcile.left_processes(runner, names)
    assert lock.tasks_lock not in numbers
