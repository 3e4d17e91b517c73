"""A function job, to be awaited for its value."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Generic, TypeVar, cast

from asyncjman.api import values
from asyncjman.api.handle import JobHandle
from asyncjman.errors import UsageError
from asyncjman.model.duration import Duration
from asyncjman.model.job import JobSpec
from asyncjman.model.status import Status
from asyncjman.worker import is_function

T_co = TypeVar("T_co", covariant=True)


class CallHandle(JobHandle, Generic[T_co]):
    """A function that runs as a job. Awaiting it gives the function's value, or raises its exception.

    The value is kept beside the database until ``release`` or ``delete``: another process reads it by the
    job's id, ``await (await jm.get(id)).value()``. Given as an argument to another function job, it stands
    for its value, and that job waits for this one.
    """

    def __repr__(self) -> str:
        return f"<CallHandle {self.id} {self.status}>"

    # a job's result is what its function returned
    def __await__(self) -> Generator[Any, None, T_co]:  # type: ignore[override]  # not a JobResult
        return self.value().__await__()

    async def value(self, timeout: Duration | None = None) -> T_co:
        """Wait for the job's end, and return the function's value: of a ``map`` the list of all.

        Raises what the function raised, with its traceback as ``__cause__``; CallFailed where it gave back
        neither; TimeoutError after ``timeout`` (seconds, or as in "2h"), the job runs on; UsageError where
        the value was released.
        """
        result = await self.wait(timeout)
        runtime, path = self._manager.session.database.runtime, self._manager.session.path
        if result.status is Status.SUCCESS and not await runtime.in_thread(values.are_there, path, self.job):
            raise UsageError(
                f"the value of job {self.id} is no more: it was released, or taken by the call that waited"
            )
        results = values.results_of(path, self.job)
        found = await runtime.in_thread(values.outcomes, results, result, range(len(result.tasks)))
        return cast(T_co, values.value_of(found, many=self.job.spec.array is not None))

    async def release(self) -> None:
        """Remove the value and the arguments from the disk; the job stays. Twice is no error.

        Raises UsageError while the job has not ended: ``stop`` it first.
        """
        from asyncjman.model.status import FINISHED

        if (await self.refresh()).status not in FINISHED:
            raise UsageError(f"job {self.id} has not ended: its arguments are still needed, stop it first")
        self._manager.session.writer()
        await values.results_of(self._manager.session.path, self.job).release()

    def as_argument(self) -> T_co:
        """Return this handle, for a type checker as the value that it stands for.

        ``await jm.start(evaluate, model.as_argument())`` is checked like ``evaluate(model)``.
        """
        return cast(T_co, self)


def handle_class(spec: JobSpec) -> type[JobHandle]:
    """Return what a program is given for a job."""
    return CallHandle if is_function(spec.command) else JobHandle
