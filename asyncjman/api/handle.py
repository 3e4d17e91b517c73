"""One job, to be awaited."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from asyncjman.api.checks import timeout_of
from asyncjman.api.result import JobResult
from asyncjman.errors import JobDeleted, JobFailed, UsageError
from asyncjman.model.duration import Duration
from asyncjman.model.job import PLAIN_TASK, Job, Task
from asyncjman.model.status import Status

if TYPE_CHECKING:
    from asyncjman.api.progress import Progress
    from asyncjman.api.resubmission import Outcome
    from asyncjman.api.session import Session


class Manager(Protocol):
    """What a handle needs of the JobManager that it came from."""

    session: Session

    async def read(self, job_ids: Iterable[int]) -> list[Job]: ...
    async def progress(self, *jobs: JobHandle) -> Progress: ...
    def tasks(self, job: Job) -> AsyncIterator[Task]: ...
    def logs(self, job: Job, task_id: int) -> tuple[str, str] | None: ...
    async def run(self, *jobs: JobHandle) -> None: ...
    async def until_ended(self, job: JobHandle, timeout: Duration | None = None) -> None: ...
    async def stop(self, which: JobHandle, task_ids: Sequence[int] = ()) -> list[Job]: ...
    async def resubmit(
        self, which: JobHandle, *, also_success: bool = False, clean: bool = False
    ) -> Outcome: ...


class JobHandle:
    """A job of a JobManager's. Awaiting it gives its JobResult, or raises JobFailed.

    >>> import asyncio, tempfile
    >>> from asyncjman import JobManager
    >>> async def main(folder):
    ...     async with JobManager(f"{folder}/submitted.sql3") as jm:
    ...         job = await jm.submit(["true"])
    ...         return (await job).status
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     print(asyncio.run(main(folder)))
    success
    """

    def __init__(self, manager: Manager, job: Job) -> None:
        self._manager = manager
        self._job = job

    @property
    def id(self) -> int:
        """Return the job's id, the same that the command line shows."""
        return self._job.id

    @property
    def database(self) -> Path:
        """Return the path of the database that the job is in."""
        return self._manager.session.path

    @property
    def job(self) -> Job:
        """Return the job as it was when last looked at; ``refresh`` looks again."""
        return self._job

    @property
    def status(self) -> Status:
        """Return the status as it was when last looked at."""
        return self._job.status

    def __repr__(self) -> str:
        return f"<JobHandle {self.id} {self.status}>"

    def __await__(self) -> Generator[Any, None, JobResult]:
        return self.succeeded().__await__()

    async def succeeded(self, timeout: Duration | None = None) -> JobResult:
        """Wait for the job's end, as ``wait`` does; raise JobFailed where it is not a success."""
        result = await self.wait(timeout)
        if not result.succeeded:
            why = f": {result.reason}" if result.reason else ""
            logs = f" (see {result.logs[-1]})" if result.logs else ""
            raise JobFailed(f"job {self.id} ended with {result.status}{why}{logs}", result)
        return result

    async def wait(self, timeout: Duration | None = None) -> JobResult:
        """Wait for the job's end, whoever runs it; a failure is a result like any other.

        Raises TimeoutError after ``timeout`` (seconds, or as in "2h"); the job runs on.
        """
        async with asyncio.timeout(timeout_of(timeout)):
            while True:
                await self._manager.until_ended(self)
                job = await self.refresh()
                if job.finished_at is not None:  # else somebody had it run again in this moment
                    return await self._result()

    async def run(self) -> None:
        """Have the job run here, although it was not submitted here, and all that it waits for.

        Returns at once. Tasks that another process has in hand stay with it.
        """
        await self._manager.run(self)

    async def refresh(self) -> Job:
        """Look at the job again. Raises JobDeleted where it is no more."""
        found = await self._manager.read([self.id])
        if not found:
            raise JobDeleted(f"job {self.id} was deleted")
        self._job = found[0]
        return self._job

    async def tasks(self) -> list[Task]:
        """Return all tasks as they stand."""
        return [task async for task in self._manager.tasks(await self.refresh())]

    async def value(self, timeout: Duration | None = None) -> Any:
        """Return the value of a function job, see ``CallHandle``. Raises UsageError for a command's job."""
        raise UsageError(f"job {self.id} runs a command, and has no value: await it for its result")

    async def progress(self) -> Progress:
        """Return how many of its tasks are done, as it stands now."""
        await self.refresh()
        return await self._manager.progress(self)

    async def output(self, task_id: int = PLAIN_TASK, *, errors: bool = False) -> str:
        """Return what the job, or a task of its array, wrote to its log so far: "" without one."""
        logs = self._manager.logs(self._job, task_id)
        if logs is None:
            return ""
        runtime = self._manager.session.database.runtime
        return await runtime.in_thread(_read, logs[1] if errors else logs[0])

    async def stop(self, task_ids: Sequence[int] = ()) -> None:
        """Stop the job, or some of its tasks; returns when they have ended."""
        await self._manager.stop(self, task_ids)

    async def resubmit(self, *, also_success: bool = False, clean: bool = False) -> None:
        """Have what did not succeed run once more; with ``also_success`` everything."""
        await self._manager.resubmit(self, also_success=also_success, clean=clean)

    async def _result(self) -> JobResult:
        job = self._job
        tasks = [task async for task in self._manager.tasks(job)]
        speaking = [task for task in tasks if task.status is Status.FAILURE] or tasks[:1]
        logs = [self._manager.logs(job, task.task_id) or () for task in speaking[:10]]
        return JobResult(
            job_id=job.id,
            status=job.status,
            tasks=tasks,
            exit_status=job.exit_status,
            signal=job.signal,
            reason=job.reason,
            cpu_seconds=job.cpu_seconds,
            peak_memory=job.peak_memory_bytes,
            logs=tuple(path for pair in logs for path in pair),
        )


def _read(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", "backslashreplace")
    except FileNotFoundError:
        return ""
