"""The job manager for plain scripts: the same verbs without ``async``.

An event loop runs in a thread of its own; each verb here calls that of ``asyncjman.JobManager`` there.

>>> import tempfile
>>> from asyncjman.sync import JobManager
>>> with tempfile.TemporaryDirectory() as folder, JobManager(f"{folder}/submitted.sql3") as jm:
...     jm.map(len, ["a", "bb"])
[1, 2]
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Iterator, Sequence
from functools import partial, update_wrapper
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Self, TypedDict, TypeVar, Unpack, cast

from asyncjman.api import manager as asynchronous
from asyncjman.api.call_handle import CallHandle as AsyncCallHandle
from asyncjman.api.executor import JobExecutor
from asyncjman.api.functions import FunctionVerbs
from asyncjman.api.handle import JobHandle as AsyncJobHandle
from asyncjman.api.portal import Portal
from asyncjman.api.wrapped import replaced

if TYPE_CHECKING:
    from typing import Literal, overload

    from asyncjman.api.call_options import CallOptions
    from asyncjman.api.job_options import Options
    from asyncjman.api.progress import Progress
    from asyncjman.api.resubmission import Outcome
    from asyncjman.api.result import JobResult
    from asyncjman.api.running import Output
    from asyncjman.model.duration import Duration
    from asyncjman.model.events import Event
    from asyncjman.model.job import Job, Task
    from asyncjman.model.selection import Selection
    from asyncjman.model.status import Status

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
A = TypeVar("A")
T_co = TypeVar("T_co", covariant=True)


class ManagerOptions(TypedDict, total=False):
    """What ``JobManager`` takes besides the database; see ``asyncjman.JobManager``."""

    executor: str
    parallel: int
    on_exit: asynchronous.OnExit | None
    output: Output | None
    profile: str | None
    cluster: str | None
    run: bool
    create: bool


class _Facade:
    """Something whose verbs run in the loop of a portal."""

    _portal: Portal
    _target: Any

    def _call(self, verb: Callable[..., Coroutine[Any, Any, R]], *args: Any, **kwargs: Any) -> R:
        found: R = self._portal.call(verb, *replaced(args, _unwrapped), **replaced(kwargs, _unwrapped))
        return cast(R, replaced(found, self._wrapped))

    def _iterate(self, stream: AsyncGenerator[R, None]) -> Iterator[R]:
        try:
            while True:
                try:
                    one = self._portal.call(stream.__anext__)
                except StopAsyncIteration:
                    return
                yield cast(R, self._wrapped(one))
        finally:
            if self._portal.is_running:
                self._portal.call(stream.aclose)

    def _wrapped(self, value: Any) -> Any:
        if isinstance(value, AsyncCallHandle):
            return CallHandle(self._portal, value)
        return JobHandle(self._portal, value) if isinstance(value, AsyncJobHandle) else value


def _unwrapped(value: Any) -> Any:
    return value._target if isinstance(value, JobHandle) else value


def _same(
    verb: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]],
) -> Callable[Concatenate[Any, P], R]:
    """Return a verb's twin, which waits for what comes of it; both have the same parameters and words."""

    def twin(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> R:
        found: R = self._call(partial(verb, self._target), *args, **kwargs)
        return found

    update_wrapper(twin, verb)
    return twin


class JobHandle(_Facade):
    """A job; its verbs are those of ``asyncjman.JobHandle``."""

    def __init__(self, portal: Portal, handle: AsyncJobHandle) -> None:
        self._portal = portal
        self._target = handle

    @property
    def id(self) -> int:
        return cast(AsyncJobHandle, self._target).id

    @property
    def job(self) -> Job:
        return cast(AsyncJobHandle, self._target).job

    @property
    def status(self) -> Status:
        return cast(AsyncJobHandle, self._target).status

    def __repr__(self) -> str:
        return repr(self._target)

    def result(self, timeout: Duration | None = None) -> JobResult:
        """Wait for the job's end. Raises JobFailed where it is not a success, and TimeoutError."""
        return self._portal.call(partial(AsyncJobHandle.succeeded, self._target), timeout)

    wait = _same(AsyncJobHandle.wait)
    run = _same(AsyncJobHandle.run)
    refresh = _same(AsyncJobHandle.refresh)
    tasks = _same(AsyncJobHandle.tasks)
    output = _same(AsyncJobHandle.output)
    progress = _same(AsyncJobHandle.progress)
    stop = _same(AsyncJobHandle.stop)
    resubmit = _same(AsyncJobHandle.resubmit)

    def value(self, timeout: Duration | None = None) -> Any:
        """Return the value of a function job. Raises UsageError for a command's job."""
        return self._portal.call(self._target.value, timeout)


class CallHandle(JobHandle, Generic[T_co]):
    """A function that runs as a job; its verbs are those of ``asyncjman.CallHandle``."""

    def value(self, timeout: Duration | None = None) -> T_co:
        """Wait for the function's value, and return it; raise its exception, or TimeoutError."""
        return cast(T_co, self._portal.call(self._target.value, timeout))

    release = _same(AsyncCallHandle.release)

    def as_argument(self) -> T_co:
        """Return this handle, for a type checker as the value that it stands for."""
        return cast(T_co, self)


class _Verbs(_Facade):
    """What is submitted: of a JobManager, and of a view of it."""

    def submit(self, command: Sequence[str | os.PathLike[str]], **options: Unpack[Options]) -> JobHandle:
        """Submit a job and return at once, see ``asyncjman.JobManager.submit``."""
        return cast(JobHandle, self._call(self._target.submit, command, **options))

    def options(self, **options: Unpack[CallOptions]) -> JobView:
        """Return a view with other defaults, see ``asyncjman.JobManager.options``."""
        return JobView(self._portal, replaced(options, _unwrapped), self._target)

    if TYPE_CHECKING:

        @overload
        def start(
            self, function: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs
        ) -> CallHandle[T]: ...
        @overload
        def start(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> CallHandle[T]: ...
        def start(self, function: Any, /, *args: Any, **kwargs: Any) -> Any: ...
        @overload
        def call(
            self, function: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs
        ) -> T: ...
        @overload
        def call(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
        def call(self, function: Any, /, *args: Any, **kwargs: Any) -> Any: ...
        @overload
        def map(
            self,
            function: Callable[[A], T],
            items: Iterable[A],
            *,
            chunk: int = 1,
            at_once: int | None = None,
            return_exceptions: Literal[False] = False,
            name: str | None = None,
            log_dir: str | os.PathLike[str] | None = None,
        ) -> list[T]: ...
        @overload
        def map(
            self,
            function: Callable[[A], T],
            items: Iterable[A],
            *,
            chunk: int = 1,
            at_once: int | None = None,
            return_exceptions: bool,
            name: str | None = None,
            log_dir: str | os.PathLike[str] | None = None,
        ) -> list[T | Exception]: ...
        def map(self, function: Any, items: Any, **options: Any) -> Any: ...

    else:
        start = _same(FunctionVerbs.start)
        call = _same(FunctionVerbs.call)
        map = _same(FunctionVerbs.map)

    starmap = _same(FunctionVerbs.starmap)

    def imap(
        self,
        function: Callable[[A], T],
        items: Iterable[A],
        *,
        ordered: bool = True,
        window: int = 1000,
        chunk: int = 1,
        at_once: int | None = None,
        return_exceptions: bool = False,
    ) -> Iterator[T]:
        """Yield values as they come, see ``asyncjman.JobManager.imap``.

        A generator of ``items`` runs in the thread of the loop.
        """
        stream = self._target.imap(
            function,
            items,
            ordered=ordered,
            window=window,
            chunk=chunk,
            at_once=at_once,
            return_exceptions=return_exceptions,
        )
        return self._iterate(stream)

    def as_executor(self) -> JobExecutor:
        """Return a ``concurrent.futures.Executor`` whose calls are jobs."""
        return JobExecutor(self._portal, self._target)


class JobView(_Verbs):
    """A JobManager whose verbs that submit have other defaults, made by ``jm.options(...)``."""

    def __init__(self, portal: Portal, options: Any, owner: Any) -> None:
        self._portal = portal
        self._target = owner.options(**options)


class JobManager(_Verbs):
    """Submits jobs, runs them meanwhile, and waits for them; a context manager.

    All is as with ``asyncjman.JobManager``, whose options it takes. SIGTERM to the program leaves the block,
    where it is in the main thread and the program has no handler of its own.
    """

    def __init__(
        self,
        database: str | os.PathLike[str] = "submitted.sql3",
        **options: Unpack[ManagerOptions],
    ) -> None:
        self._target = asynchronous.JobManager(database, **options)
        self._portal = Portal()
        self._before: Any = None

    def open(self) -> Self:
        """Open the database; ``close`` is to follow. ``with`` does both."""
        self._portal.start()
        try:
            self._portal.call(self._target.open)
        except BaseException:
            self._portal.stop()
            raise
        in_main = threading.current_thread() is threading.main_thread()
        if in_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            self._before = signal.signal(signal.SIGTERM, _leave)
        return self

    def close(self, *, failed: bool = False) -> None:
        """Do with what was submitted what ``on_exit`` says, and close the database; twice is no error."""
        if not self._portal.is_running:
            return
        try:
            self._portal.call(partial(self._target.close, failed=failed))
        finally:
            self._portal.stop()
            if self._before is not None:
                signal.signal(signal.SIGTERM, self._before)
                self._before = None

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close(failed=error is not None)

    def get(self, job_id: int) -> JobHandle:
        """Return a job by its id, whoever submitted it; that of a function is a ``CallHandle``."""
        return cast(JobHandle, self._call(self._target.get, job_id))

    def jobs(
        self,
        *,
        status: Status | str | Iterable[Status | str] = (),
        name: str | None = None,
        sweep: dict[str, object] | None = None,
    ) -> list[JobHandle]:
        """Return the jobs that are meant, see ``asyncjman.JobManager.jobs``."""
        return cast("list[JobHandle]", self._call(self._target.jobs, status=status, name=name, sweep=sweep))

    def wait(self, *jobs: JobHandle, timeout: Duration | None = None) -> list[JobResult]:
        """Wait for the ends of jobs; return their results in order. Raises TimeoutError."""
        return cast("list[JobResult]", self._call(self._target.wait, *jobs, timeout=timeout))

    def as_completed(self, *jobs: JobHandle) -> Iterator[JobHandle]:
        """Yield the jobs as they end."""
        return self._iterate(self._target.as_completed(*map(_unwrapped, jobs)))

    def events(self, *jobs: JobHandle) -> Iterator[Event]:
        """Yield what happens to jobs, see ``asyncjman.JobManager.events``."""
        return self._iterate(self._target.events(*map(_unwrapped, jobs)))

    def stop(self, which: JobHandle | Selection, task_ids: Sequence[int] = ()) -> None:
        """Stop a job, or some of its tasks; returns when they have ended."""
        self._call(self._target.stop, which, task_ids)

    def resubmit(
        self, which: JobHandle | Selection, *, also_success: bool = False, clean: bool = False
    ) -> Outcome:
        """Have what did not succeed run once more, with ``also_success`` everything."""
        return cast(
            "Outcome", self._call(self._target.resubmit, which, also_success=also_success, clean=clean)
        )

    def delete(self, which: JobHandle | int | Selection, *, keep_logs: bool = False) -> None:
        """Delete a job, its logs and its values, after what runs of it was stopped."""
        self._call(self._target.delete, which, keep_logs=keep_logs)

    def attempts(self, job: JobHandle | int, task_id: int = 0) -> list[Task]:
        """Return all attempts of a task, the first one first."""
        return cast("list[Task]", self._call(self._target.attempts, job, task_id))

    def progress(self, *jobs: JobHandle | int) -> Progress:
        """Return how many tasks of these jobs are done, as it stands now."""
        return cast("Progress", self._call(self._target.progress, *jobs))


def _leave(number: int, frame: object) -> None:
    raise SystemExit(128 + number)


__all__ = ["CallHandle", "JobHandle", "JobManager", "JobView"]
