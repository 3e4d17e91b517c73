"""The row and the lock of a runner, by which others know that it lives."""

from __future__ import annotations

from asyncjman.scheduler.reconcile import clear_strays, lock_names
from asyncjman.scheduler.resolving import release_runner
from asyncjman.store import runners
from asyncjman.store.database import Database
from asyncjman.store.runnerlock import RunnerLock
from asyncjman.store.runners import Runner


class Registration:
    """Of one runner, from its begin to its end."""

    def __init__(self, database: Database, token: str, lock: RunnerLock | None) -> None:
        self._database = database
        self._token = token
        self._lock = lock
        self.runner = 0
        """Its id."""

    async def enter(self, parallel: int | None = None, output: str | None = None) -> Runner | None:
        """Lock first, then write the row: a row whose lock is free means a dead runner."""
        runtime = self._database.runtime
        lock = self._lock
        if lock is not None and self._database.opened_file is not None:
            await clear_strays(self._database)
            lock.take(await lock_names(self._database, self._token))
        pid = runtime.pid()
        boot, started = runtime.process_start(pid)
        try:
            async with self._database.transaction() as tx:
                self.runner = await runners.insert(
                    tx,
                    token=self._token,
                    host=runtime.host(),
                    pid=pid,
                    process_started=started,
                    now=runtime.time(),
                    boot=boot,
                    namespace=runtime.namespace(),
                    lock=lock.lock if lock else None,
                    tasks_lock=lock.tasks_lock if lock else None,
                    parallel=parallel,
                    output=output,
                )
                return await runners.get(tx, self.runner)
        except BaseException:
            if lock is not None:
                lock.release()
            raise

    async def release(self) -> None:
        """Release what it still holds, and delete the row."""
        async with self._database.transaction() as tx:
            await release_runner(tx, self.runner, "the jman that ran it ended", tx.runtime.time())

    def leave(self, *, is_released: bool) -> None:
        """Let the lock go. Where the row stays, its files prove that this runner has ended."""
        if self._lock is not None:
            self._lock.release(remove=is_released or not self._database.is_at_its_path)
