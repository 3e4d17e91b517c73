"""The job manager of a user's own asyncio program."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeVar

from asyncjman.api.calls import Calls, Input
from asyncjman.api.execution import Execution, Options, Output
from asyncjman.api.handle import JobHandle
from asyncjman.api.operations import ALL, Operations
from asyncjman.api.resubmission import Resubmission
from asyncjman.api.result import JobResult
from asyncjman.api.specs import build_spec
from asyncjman.api.stream import event_stream
from asyncjman.api.watcher import Watcher
from asyncjman.errors import JmanError, UsageError
from asyncjman.model.events import Event, JobFinished, JobSubmitted, TaskFinished, TaskStarted
from asyncjman.model.graph import Dependency, Kind
from asyncjman.model.job import JobSpec
from asyncjman.model.paths import absolute
from asyncjman.model.retry import Retry
from asyncjman.model.selection import Selection
from asyncjman.model.status import FINISHED, Status
from asyncjman.model.sweep import Sweep
from asyncjman.scheduler.bus import Bus, Subscription
from asyncjman.scheduler.grid.refresh import Refreshed
from asyncjman.settings import Settings

T = TypeVar("T")
Earlier = Iterable["JobHandle | int"]
OnExit = Literal["stop", "wait", "leave"]


class JobManager:
    """Submits jobs, runs them in the background, and lets them be awaited; an async context manager.

    Local jobs that are submitted or awaited here run as soon as they can, ``parallel`` tasks at once;
    with ``executor="sge"`` jobs are sent to the cluster, and followed there. At the end of the block
    local jobs that still run are stopped, those on the cluster live on (``on_exit="leave"``);
    ``on_exit="wait"`` awaits, ``on_exit="stop"`` stops what was submitted here. ``profile`` names
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
        executor: Literal["local", "sge"] = "local",
        parallel: int = 1,
        on_exit: OnExit | None = None,
        output: Output | None = None,
        profile: str | None = None,
    ) -> None:
        if executor not in ("local", "sge"):
            raise UsageError(f"no executor {executor!r}: there are 'local' and 'sge'")
        if parallel < 1:
            raise UsageError(f"parallel is 1 at least, not {parallel}")
        self.operations = Operations(absolute(database), profile=profile)
        self._executor = executor
        self._parallel = parallel
        self._on_exit: OnExit = on_exit or ("stop" if executor == "local" else "leave")
        self._output = output
        self._bus = Bus()
        self._execution: Execution | None = None
        self._background: list[asyncio.Task[None]] = []
        self._mine: set[int] = set()
        """Jobs that somebody waits for here, or that were submitted here."""
        self._submitted_to_grid: set[int] = set()
        self._following: asyncio.Task[None] | None = None

    async def __aenter__(self) -> JobManager:
        await self.operations.__aenter__()
        self._watcher = Watcher(self.operations.database, self._bus)
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
                await asyncio.gather(*(self._watcher.until_ended(job_id) for job_id in self._mine))
            elif self._on_exit == "stop" and self._submitted_to_grid:
                await self.operations.stop(Selection(ids=_ranges(self._submitted_to_grid)))
        finally:
            await asyncio.shield(asyncio.ensure_future(self._close()))

    async def _close(self) -> None:
        await self._watcher.close()
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
        if self._execution is not None:
            await self._execution.stop()
        await asyncio.gather(*self._background, return_exceptions=True)
        self._bus.close()
        await self.operations.__aexit__(None, None, None)

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
        timeout: float | None = None,
        queue: str | None = None,
        resources: Mapping[str, object] | None = None,
        check: bool = True,
    ) -> JobHandle:
        """Submit a job and return at once. The options are those of ``jman submit``.

        ``sweep`` maps parameters to their values, which are multiplied; ``timeout`` is in seconds;
        ``queue`` and ``resources`` (``memory``, ``slots``, ``time``, ``io_big``, ``extra``) are for the
        cluster.
        Raises UsageError for what makes no sense: nothing is stored then.
        """
        spec = build_spec(
            [os.fspath(word) for word in command],
            name=name,
            array=array,
            exec_dir=Path(exec_dir) if exec_dir is not None else None,
            log_dir=log_dir if log_dir is not None else self._default_log_dir,
            executor=self._executor,
            queue="local" if self._executor == "local" else queue or self._settings.queue,
            resources=resources or {},
            environment=[f"{key}={value}" for key, value in (environment or {}).items()],
            dependencies=_dependencies(
                {
                    Kind.ANY: after_any,
                    Kind.OK: after_ok,
                    Kind.NOTOK: after_notok,
                    Kind.CORR: after_corr,
                }
            ),
            stop_on_failure=stop_on_failure,
            sweep=Sweep.of(sweep) if isinstance(sweep, Mapping) else sweep,
            retry=Retry(retry) if isinstance(retry, int) else retry,
            timeout=timeout,
            check=check,
        )
        return await self._store(spec)

    @property
    def _settings(self) -> Settings:
        return self.operations.settings

    @property
    def _default_log_dir(self) -> str | None:
        return None if self._executor == "local" else self._settings.log_dir

    def _for_engine(self, spec: JobSpec) -> JobSpec:
        """Return a job as it is sent to this manager's engine."""
        if self._executor == "local":
            return spec
        return replace(spec, executor=self._executor, queue=self._settings.queue)

    async def _store(self, spec: JobSpec) -> JobHandle:
        job = (await self.operations.submit(spec))[0]
        if job.spec.executor != "local":
            self._submitted_to_grid.add(job.id)
        self._bus.publish(JobSubmitted(job.id, job.submitted_at))
        await self._take_on([job.id])
        return JobHandle(self, job)

    async def call(self, function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        """Run ``function(*args, **kwargs)`` as a job; return its value, or raise its exception.

        Function, arguments and value must be picklable (by cloudpickle).
        """
        spec, results = self._calls.prepare(
            function, [(args, kwargs)], name=None, log_dir=self._default_log_dir, array=False
        )
        job = await self._store(self._for_engine(spec))
        # whatever the function gave: its type is the caller's
        return results.value(await job.wait(), 0)  # type: ignore[no-any-return]

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
        spec, results = self._calls.prepare(
            function,
            inputs,
            name=name,
            log_dir=os.fspath(log_dir) if log_dir is not None else self._default_log_dir,
            array=True,
            throttle=at_once,
        )
        result = await (await self._store(self._for_engine(spec))).wait()
        return [results.value(result, index) for index in range(len(inputs))]

    async def get(self, job_id: int) -> JobHandle:
        """Return a job by its id, whoever submitted it. Raises BadSelection where there is none."""
        return (await self.jobs(_only(job_id)))[0]

    async def jobs(self, selection: Selection = ALL) -> list[JobHandle]:
        """Return the jobs that are meant: all, where nothing is said."""
        return [JobHandle(self, job) async for job in self.operations.jobs(selection)]

    async def wait(self, *jobs: JobHandle, timeout: float | None = None) -> list[JobResult]:
        """Wait for the ends of jobs; return their results in order. Raises TimeoutError."""
        async with asyncio.timeout(timeout):
            return list(await asyncio.gather(*(job.wait() for job in jobs)))

    async def as_completed(self, *jobs: JobHandle) -> AsyncIterator[JobHandle]:
        """Yield the jobs as they end."""
        waits = {asyncio.ensure_future(job.wait()): job for job in jobs}
        try:
            while waits:
                done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                for one in done:
                    one.result()
                    yield waits.pop(one)
        finally:
            for one in waits:
                one.cancel()

    async def events(self, *jobs: JobHandle) -> AsyncIterator[Event]:
        """Yield what happens to jobs, what has happened already first, until all of them ended."""
        for job in jobs:
            if job.status not in FINISHED:
                await self._take_on([job.id])
        async for event in event_stream(self.operations, self._bus, self._watcher, [job.id for job in jobs]):
            yield event

    async def until_ended(self, job: JobHandle, timeout: float | None = None) -> None:
        """Wait for a job's end, and see to it that somebody runs it."""
        if job.status in FINISHED:
            return
        await self._take_on([job.id])
        async with asyncio.timeout(timeout):
            await self._watcher.until_ended(job.id)

    async def stop(self, job: JobHandle, task_ids: Sequence[int] = ()) -> None:
        """Stop a job, or some of its tasks; returns when they have ended."""
        await self.operations.stop(_only(job.id), task_ids)
        await job.refresh()

    async def resubmit(self, job: JobHandle, *, also_success: bool = False, clean: bool = False) -> None:
        """Have what did not succeed of a job run once more."""
        statuses = FINISHED if also_success else FINISHED - {Status.SUCCESS}
        await self.operations.resubmit(_only(job.id), Resubmission(statuses=statuses, clean=clean))
        await job.refresh()
        await self._take_on([job.id], again=True)

    async def _take_on(self, job_ids: Sequence[int], *, again: bool = False) -> None:
        """Run these local jobs, and all that they wait for."""
        new = await self.operations.with_dependencies(job_ids) - (set() if again else self._mine)
        if not new:
            return
        self._mine |= new
        known = await self.operations.get(new)
        if any(job.spec.executor != "local" for job in known):
            self._follow_grid()
        if all(job.spec.executor != "local" for job in known):
            return
        if self._execution is None:
            options = Options(parallel=self._parallel, only=self._mine, keep_running=True)
            self._execution = self.operations.execution(options, output=self._output, bus=self._bus)
            subscription = self._bus.subscribe()
            self._background = [
                asyncio.create_task(self._run(self._execution)),
                asyncio.create_task(self._hear(subscription)),
            ]
        else:
            await self._execution.look(sorted(new))

    def _follow_grid(self) -> None:
        if self._following is None or self._following.done():
            self._following = asyncio.create_task(self._follow())

    async def _follow(self) -> None:
        try:
            await self.operations.grid.follow(self._publish)
        except JmanError as error:
            self._watcher.fail(error)

    def _publish(self, seen: Refreshed) -> None:
        """Tell of what was seen on the cluster; ends of jobs are told by those who wait for them."""
        for task in seen.seen:
            if task.started_at is not None and task.status is Status.EXECUTING:
                self._bus.publish(TaskStarted(task.job_id, task.started_at, task.task_id, task.attempt, ""))
            elif task.status in FINISHED and task.finished_at is not None:
                self._bus.publish(TaskFinished(task.job_id, task.finished_at, task, ""))

    async def _run(self, execution: Execution) -> None:
        try:
            await execution.run()
        except JmanError as error:
            self._watcher.fail(error)

    async def _hear(self, subscription: Subscription) -> None:
        async for event in subscription:
            if isinstance(event, JobFinished):
                self._watcher.ended(event.job_id)


def _ranges(job_ids: Iterable[int]) -> tuple[range, ...]:
    return tuple(range(job_id, job_id + 1) for job_id in sorted(job_ids))


def _only(job_id: int) -> Selection:
    return Selection(ids=(range(job_id, job_id + 1),))


def _dependencies(given: Mapping[Kind, Earlier]) -> tuple[Dependency, ...]:
    return tuple(
        Dependency(one.id if isinstance(one, JobHandle) else one, kind)
        for kind, jobs in given.items()
        for one in jobs
    )
