"""Ending what a dead runner left, beside other processes that do the same."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from asyncjman.engines.base import Abandoned, Ref
from asyncjman.engines.local import LocalEngine
from asyncjman.runtime import SYSTEM
from asyncjman.scheduler import reconcile
from asyncjman.store.runnerlock import TASKS, LockNames, RunnerLock
from asyncjman.store.runners import Runner


async def test_the_lock_file_of_a_new_runner_is_not_taken_for_that_of_a_dead_one(tmp_path: Path) -> None:
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

    class RemovedMeanwhile(LocalEngine):
        async def recover(
            self, runner: Abandoned, refs: Collection[Ref] | None = None, *, end: bool = True
        ) -> int:
            assert runner.inherited == lock.tasks_lock
            names.path(TASKS).unlink()
            for number in range(5):
                path = tmp_path / f"new.{number}"
                path.touch()
                numbers.append(f"{path.stat().st_dev}:{path.stat().st_ino}")
            return 0

    await reconcile.recover(RemovedMeanwhile(), runner, names, SYSTEM)
    assert lock.tasks_lock not in numbers
