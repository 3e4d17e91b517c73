"""The job manager of a user's own asyncio program."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeVar

from asyncjman.api.background import Background
from asyncjman.api.calls import Calls, Input, Results
from asyncjman.api.execution import Output
from asyncjman.api.handle import JobHandle
from asyncjman.api.operations import ALL, Operations
from asyncjman.api.request import (
    Earlier,
    dependencies_of,
    flag_of,
    id_of,
    number_of,
    path_of,
    patience_of,
    resources_of,
    retry_of,
    sweep_of,
    task_ids_of,
    text_of,
    variables_of,
    words_of,
)
from asyncjman.api.resubmission import Resubmission
from asyncjman.api.result import JobResult
from asyncjman.api.specs import build_spec
from asyncjman.api.stream import event_stream
from asyncjman.api.together import cancelled, together
from asyncjman.api.watcher import Watcher
from asyncjman.errors import JobDeleted, UsageError
from asyncjman.model.duration import Duration
from asyncjman.model.events import Event, JobSubmitted
from asyncjman.model.graph import Kind
from asyncjman.model.job import Job, JobSpec
from asyncjman.model.paths import absolute
from asyncjman.model.retry import Retry
from asyncjman.model.selection import Selection
from asyncjman.model.status import FINISHED, Status
from asyncjman.model.sweep import Sweep
from asyncjman.scheduler.bus import Bus
from asyncjman.settings import Settings
from asyncjman.store.completion import to_completion

T = TypeVar("T")
OnExit = Literal["stop", "wait", "leave"]


class JobManager:
    """Submits jobs, runs them in the background, and lets them be awaited; an async context manager.

    Local jobs that are submitted or resubmitted here run as soon as they can, ``parallel`` tasks at once,
    and so does what they wait for, where nobody else runs it. Jobs of others are observed only, awaited or
    not: ``job.run()`` has them run here. With ``executor="sge"`` jobs are sent to the cluster, and followed
    there. At the end of the block local jobs that still run are stopped, those on the cluster live on
    (``on_exit="leave"``); ``on_exit="wait"`` awaits, ``on_exit="stop"`` stops what was submitted here. What
    ran only because others wait for it is not stopped, but released to run again. ``profile`` names
    settings for the cluster.

    >>> import asyncio, tempfile
    >>> from asyncjman import JobManager
    >>> async def main(folder):
    ...     async with JobManager(f"{folder}/submitted.sql3", parallel=2) as jm:
    ...         first = await jm.submit(["sh", "-c", "echo one"], log_dir=f"{folder}/logs")
    ...         second = await jm.submit(["sh", "-c", "exit 3"], after_ok=[first])
    ...         await jm.wait(first, second)
    ...         return await first.output(), second.job.exit_status
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     print(asyncio.run(main(folder)))
    ('one\\n', 3)
    """

    def __init__(
        self,
        database: str | os.PathLike[str] = "submitted.sql3",
        *,
        executor: str = "local",
        parallel: int = 1,
        on_exit: OnExit | None = None,
        output: Output | None = None,
        profile: str | None = None,
    ) -> None:
        if executor != "local":
            from asyncjman.engines.registry import check

            check(executor)
        if on_exit not in (None, "stop", "wait", "leave"):
            raise UsageError(f"no on_exit {on_exit!r}: there are 'stop', 'wait' and 'leave'")
        if output is not None and not callable(output):
            raise UsageError(f"output is a function of a stream and bytes, not {output!r}")
        path = absolute(path_of(database, "database") or "")
        self.operations = Operations(path, profile=text_of(profile, "profile"))
        self._executor = executor
        self._parallel = number_of(parallel, "parallel")
        self._on_exit: OnExit = on_exit or ("stop" if executor == "local" else "leave")
        self._output = output
        self._bus = Bus()
        self._sent: set[int] = set()
        """Jobs of a cluster that were submitted here."""

    async def __aenter__(self) -> JobManager:
        await self.operations.__aenter__()
        self._watcher = Watcher(self.operations.database, self._bus)
        self._background = Background(
            self.operations, self._bus, self._watcher, parallel=self._parallel, output=self._output
        )
        self._calls = Calls(self.operations.path, self.operations.database.runtime)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if self._on_exit == "wait" and error is None:
                await together(self._until_no_more(job_id) for job_id in self._background.told)
            elif self._on_exit == "stop" and self._sent:
                await self._stop_what_was_sent()
        finally:
            await to_completion(self._close())

    async def _close(self) -> None:
        try:
            await self._watcher.close()
        finally:
            try:
                await self._background.close()
            finally:
                self._bus.close()
                await self.operations.__aexit__(None, None, None)

    async def _until_no_more(self, job_id: int) -> None:
        with suppress(JobDeleted):
            await self._until_ended(job_id)

    async def _stop_what_was_sent(self) -> None:
        left = [job.id for job in await self.operations.get(self._sent)]
        if left:
            await self.operations.stop(Selection(ids=_ranges(left)))

    async def submit(
        self,
        command: Sequence[str | os.PathLike[str]],
        *,
        name: str = "",
        array: str | None = None,
        exec_dir: str | os.PathLike[str] | None = None,
        log_dir: str | os.PathLike[str] | None = None,
        environment: Mapping[str, str] | None = None,
        after_any: Earlier = (),
        after_ok: Earlier = (),
        after_notok: Earlier = (),
        after_corr: Earlier = (),
        stop_on_failure: bool = False,
        sweep: Sweep | Mapping[str, Sequence[object]] | None = None,
        retry: Retry | int | None = None,
        timeout: Duration | None = None,
        queue: str | None = None,
        resources: Mapping[str, object] | None = None,
        check: bool = True,
    ) -> JobHandle:
        """Submit a job and return at once. The options are those of ``jman submit``.

        ``sweep`` maps parameters to their values, which are multiplied; ``timeout`` is in seconds, a text
        such as ``"2h"``, or a timedelta; ``queue`` and ``resources`` (``memory``, ``slots``, ``time``,
        ``io_big``, ``extra``) are for the cluster.
        Raises UsageError for what makes no sense: nothing is stored then. Where it is cancelled, nothing is
        stored, or the CancelledError has the handle as its attribute ``job``.
        """
        folder = path_of(exec_dir, "exec_dir")
        spec = build_spec(
            words_of(command),
            name=text_of(name, "name") or "",
            array=text_of(array, "array"),
            exec_dir=None if folder is None else Path(folder),
            log_dir=self._log_dir(log_dir),
            executor=self._executor,
            queue="local" if self._executor == "local" else text_of(queue, "queue") or self._settings.queue,
            resources={**resources_of(resources), "queue": text_of(queue, "queue")},
            environment=variables_of(environment),
            dependencies=dependencies_of(
                {
                    Kind.ANY: after_any,
                    Kind.OK: after_ok,
                    Kind.NOTOK: after_notok,
                    Kind.CORR: after_corr,
                }
            ),
            stop_on_failure=flag_of(stop_on_failure, "stop_on_failure"),
            sweep=sweep_of(sweep),
            retry=retry_of(retry),
            timeout=timeout,
            check=check,
        )
        return await self._store(spec)

    @property
    def _settings(self) -> Settings:
        return self.operations.settings

    def _log_dir(self, given: str | os.PathLike[str] | None) -> str | None:
        """Return the folder for logs that is asked for, or the one that holds without a word."""
        if given is not None:
            return path_of(given, "log_dir")
        return None if self._executor == "local" else self._settings.log_dir

    def _for_engine(self, spec: JobSpec) -> JobSpec:
        """Return a job as it is sent to this manager's engine."""
        if self._executor == "local":
            return spec
        return replace(spec, executor=self._executor, queue=self._settings.queue)

    async def _store(self, spec: JobSpec) -> JobHandle:
        """Store a job and have it run; a cancellation that comes too late for the first has the handle."""
        handles: list[JobHandle] = []

        def take_over(stored: list[Job]) -> None:
            for job in stored:
                handles.append(JobHandle(self, job))
                self._bus.publish(JobSubmitted(job.id, job.submitted_at))
                self._begin(job)

        try:
            await self.operations.store(spec, take_over)
            (handle,) = handles
            if spec.executor != "local":
                await self._background.until_sent(handle.id)
                await handle.refresh()
        except BaseException as error:
            # where the cluster didn't answer, it may have the job
            if handles and (isinstance(error, asyncio.CancelledError) or getattr(error, "ambiguous", False)):
                error.job = handles[0]  # type: ignore[attr-defined]  # what is ours on it
            raise
        return handle

    def _begin(self, job: Job) -> None:
        """Have a job that was stored a moment ago run; it is not waited for."""
        if job.spec.executor == "local":
            self._background.run([job.id])
        else:
            self._sent.add(job.id)
            self._background.send(job)

    async def _run_call(self, spec: JobSpec, results: Results) -> JobResult:
        try:
            job = await self._store(self._for_engine(spec))
        except BaseException as error:
            if not hasattr(error, "job"):
                await results.forget()
            raise
        try:
            return await job.wait()
        except asyncio.CancelledError as error:
            error.job = job  # type: ignore[attr-defined]  # what is ours on it
            raise

    @property
    def _own_calls(self) -> Calls:
        """Return what makes function jobs. Raises NotOwner, before anything is written beside a database."""
        self.operations.writer()
        return self._calls

    async def call(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        """Run ``function(*args, **kwargs)`` as a job; return its value, or raise its exception.

        Function, arguments and value must be picklable (by cloudpickle). Where it is cancelled, see
        ``submit``.
        """
        spec, results = await self._own_calls.prepare(
            function, [(args, kwargs)], name=None, log_dir=self._log_dir(None), array=False
        )
        result = await self._run_call(spec, results)
        # whatever the function gave: its type is the caller's
        return results.value(result, 0)  # type: ignore[no-any-return]

    async def map(
        self,
        function: Callable[..., T],
        items: Iterable[Any],
        *,
        name: str | None = None,
        log_dir: str | os.PathLike[str] | None = None,
        at_once: int | None = None,
    ) -> list[T]:
        """Run ``function(item)`` for each item, as the tasks of one array job; return the values in order.

        ``at_once``: how many tasks of it may run at a time. The first exception, in order, is raised.
        """
        inputs: list[Input] = [((item,), {}) for item in items]
        if not inputs:
            return []
        spec, results = await self._own_calls.prepare(
            function,
            inputs,
            name=text_of(name, "name"),
            log_dir=self._log_dir(log_dir),
            array=True,
            throttle=None if at_once is None else number_of(at_once, "at_once"),
        )
        result = await self._run_call(spec, results)
        return [results.value(result, index) for index in range(len(inputs))]

    async def get(self, job_id: int) -> JobHandle:
        """Return a job by its id, whoever submitted it. Raises BadSelection where there is none."""
        return (await self.jobs(_only(id_of(job_id))))[0]

    async def jobs(self, selection: Selection = ALL) -> list[JobHandle]:
        """Return the jobs that are meant: all, where nothing is said."""
        return [JobHandle(self, job) async for job in self.operations.jobs(selection)]

    async def wait(self, *jobs: JobHandle, timeout: Duration | None = None) -> list[JobResult]:
        """Wait for the ends of jobs; return their results in order. Raises TimeoutError."""
        async with asyncio.timeout(patience_of(timeout)):
            return await together(job.wait() for job in jobs)

    async def as_completed(self, *jobs: JobHandle) -> AsyncGenerator[JobHandle, None]:
        """Yield the jobs as they end."""
        waits = {asyncio.ensure_future(job.wait()): job for job in jobs}
        left = set(waits)
        try:
            while left:
                done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
                for one in done:
                    one.result()
                    yield waits[one]
        finally:
            await cancelled(waits)

    def events(self, *jobs: JobHandle) -> AsyncGenerator[Event, None]:
        """Yield what happens to jobs, what has happened already first, until all of them ended."""
        return event_stream(self.operations, self._bus, self._until_ended, [job.id for job in jobs])

    async def run(self, *jobs: JobHandle) -> None:
        """Have jobs run here that were not submitted here, and all that they wait for.

        Returns at once. Tasks that another process has in hand stay with it. Jobs that were submitted or
        resubmitted here need no word. Raises NotOwner.
        """
        self.operations.writer()
        self._background.run(job.id for job in jobs)

    async def until_ended(self, job: JobHandle, timeout: Duration | None = None) -> None:
        """Wait for a job's end, whoever runs it. Raises TimeoutError after ``timeout`` (seconds, or "2h")."""
        async with asyncio.timeout(patience_of(timeout)):
            await self._until_ended(job.id)

    async def _until_ended(self, job_id: int) -> None:
        told = job_id in self._background.told
        for name in () if told else await self._needed_clusters(job_id):
            self._background.follow_cluster(name)
        try:
            await self._watcher.until_ended(job_id, self._background.failure if told else None)
        except JobDeleted as error:
            raise self._background.refused.get(job_id, error) from None

    async def _needed_clusters(self, job_id: int) -> list[str]:
        """Return the clusters that a job of one's own is on, or may wait for."""
        if not self.operations.is_owner:
            return []
        for job in await self.operations.get([job_id]):
            if job.spec.executor != "local":
                return [job.spec.executor]
            if job.spec.dependencies:
                return await self.operations.clusters()
        return []

    async def stop(self, job: JobHandle, task_ids: Sequence[int] = ()) -> None:
        """Stop a job, or some of its tasks; returns when they have ended."""
        await self.operations.stop(_only(job.id), task_ids_of(task_ids))
        await job.refresh()

    async def resubmit(self, job: JobHandle, *, also_success: bool = False, clean: bool = False) -> None:
        """Have what did not succeed of a job run once more; where it is cancelled, that is or isn't so."""
        statuses = FINISHED if also_success else FINISHED - {Status.SUCCESS}
        work = self._resubmit(job.id, Resubmission(statuses=statuses, clean=clean))
        if job.job.spec.executor == "local":
            await to_completion(work)
        else:  # a cluster may take its time
            await self._background.apart(work)
        await job.refresh()

    async def _resubmit(self, job_id: int, request: Resubmission) -> None:
        outcome = await self.operations.resubmit(_only(job_id), request)
        self._background.run(one.job.id for one in outcome.done)


def _ranges(job_ids: Iterable[int]) -> tuple[range, ...]:
    return tuple(range(job_id, job_id + 1) for job_id in sorted(job_ids))


def _only(job_id: int) -> Selection:
    return Selection(ids=(range(job_id, job_id + 1),))
