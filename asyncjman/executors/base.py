"""The one protocol that every executor speaks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from asyncjman.model.job import Usage
from asyncjman.model.status import Status


@dataclass(frozen=True, slots=True)
class Work:
    """One attempt at one task, with all that it takes to run it.

    ``stdout`` and ``stderr`` are the log files, absolute; None: to the console.
    """

    job_id: int
    task_id: int
    attempt: int
    argv: tuple[str, ...]
    exec_dir: str
    environment: Mapping[str, str]
    stdout: str | None
    stderr: str | None


@dataclass(frozen=True, slots=True)
class Observation:
    """What an executor saw of a task; times in seconds since 1970."""

    native_id: str
    status: Status
    time: float
    exit_status: int | None = None
    signal: int | None = None
    reason: str | None = None
    host: str | None = None
    usage: Usage | None = None


class NotNow(OSError):
    """The work can't be started at this moment; it can be soon."""


class Executor(Protocol):
    """Runs work. Submitting and watching are apart, so that the native id can be stored in between."""

    async def open(self) -> None:
        """Make ready; must be called before all else."""

    async def close(self) -> None:
        """Let go of all resources; work that still runs is not ended by this."""

    async def submit(self, work: Work) -> str:
        """Start, or queue, the work and return the executor's own id of it.

        Raises NotNow where it is to be tried again soon, and OSError where the work can't be started;
        its ``strerror`` tells why.
        """

    def watch(self) -> AsyncIterator[Observation]:
        """Yield what is seen of all work submitted, in the order in which it is seen, without end."""

    async def cancel(self, native_ids: Sequence[str], *, kill: bool = False) -> None:
        """Ask the work to end, and all processes it started; with ``kill`` they aren't asked."""

    async def cancel_rest(self, *, kill: bool = False) -> None:
        """Ask what tasks that have ended left running to end, too."""
