"""How a job ended."""

from __future__ import annotations

from dataclasses import dataclass

from asyncjman.model.job import Task
from asyncjman.model.status import Status


@dataclass(frozen=True, slots=True)
class JobResult:
    """How a job ended.

    ``peak_memory`` is in bytes, ``cpu_seconds`` of all tasks together; ``logs`` are the paths of the
    output and error log of each task that failed, or of the one task there is.

    >>> from asyncjman import JobResult, Status
    >>> JobResult(job_id=1, status=Status.SUCCESS, tasks=[]).succeeded
    True
    """

    job_id: int
    status: Status
    tasks: list[Task]
    exit_status: int | None = None
    signal: int | None = None
    reason: str | None = None
    cpu_seconds: float | None = None
    peak_memory: int | None = None
    logs: tuple[str, ...] = ()

    @property
    def succeeded(self) -> bool:
        return self.status is Status.SUCCESS
