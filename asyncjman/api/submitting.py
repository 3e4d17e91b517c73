"""Submitting jobs that a program has handles of."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

from asyncjman.api.handles import JobHandles
from asyncjman.errors import UsageError
from asyncjman.model.job import LOCAL, Job, JobSpec

if TYPE_CHECKING:
    from asyncjman.api.handle import JobHandle
    from asyncjman.api.job_options import Options
    from asyncjman.api.request import JobRequest
    from asyncjman.api.running import Output

H = TypeVar("H", bound="JobHandle")
T = TypeVar("T")


class JobSubmitter(JobHandles):
    """Stores jobs and has them run in the background."""

    _executor: str
    _output: Output | None
    _sent: set[int]
    """Jobs of a cluster that were submitted here."""

    @property
    def captures(self) -> bool:
        """Tell whether what functions print goes to log files: else the manager's ``output`` has it."""
        return self._output is None

    async def apart(self, work: Coroutine[Any, Any, T]) -> T:
        """Have something done to its end, also where who waits for it is cancelled."""
        return await self._background.apart(work)

    async def submit(
        self, command: Sequence[str | os.PathLike[str]], **options: Unpack[Options]
    ) -> JobHandle:
        """Submit a job and return at once. The options are those of ``jman submit``, see ``Options``.

        Raises UsageError for what makes no sense: nothing is stored then. Where it is cancelled, nothing is
        stored, or the CancelledError has the handle as its attribute ``job``.
        """
        from asyncjman.api.handle import JobHandle

        return await self.store(self.resolved(requested(command, options)), JobHandle)

    def resolved(self, request: JobRequest) -> JobSpec:
        """Return the job that is stored for what is asked for. Raises UsageError."""
        return request.resolve(self._executor, self.session.settings)

    async def store(self, spec: JobSpec, kind: type[H]) -> H:
        """Store a job and have it run; a cancellation that comes too late for the first has the handle."""
        from asyncjman.api.submission import store
        from asyncjman.model.events import JobSubmitted

        handles: list[H] = []
        background = self._background

        def on_stored(stored: list[Job]) -> None:
            for job in stored:
                handles.append(kind(self, job))
                background.bus.publish(JobSubmitted(job.id, job.submitted_at))
                self._begin(job)

        try:
            self.session.refuse(spec)
            await store(self.session.writer(), spec, on_stored)
            (handle,) = handles
            if spec.engine != LOCAL:
                await background.until_sent(handle.id)
                await handle.refresh()
        except BaseException as error:
            # where the cluster didn't answer, it may have the job
            if handles and (isinstance(error, asyncio.CancelledError) or getattr(error, "ambiguous", False)):
                error.job = handles[0]  # type: ignore[attr-defined]  # what is ours on it
            raise
        return handle

    def _begin(self, job: Job) -> None:
        """Have a job that was stored a moment ago run; it is not waited for."""
        if job.spec.engine == LOCAL:
            self._background.run([job.id])
        else:
            self._sent.add(job.id)
            self._background.send(job)


def requested(command: Sequence[str | os.PathLike[str]], options: Options) -> JobRequest:
    """Return what is asked for. Raises UsageError for an option that there is not."""
    from asyncjman.api.request import JobRequest

    try:
        return JobRequest(command=command, **options)
    except TypeError as error:
        raise UsageError(f"submit: {error}".replace("JobRequest.__init__() got", "it got")) from None
