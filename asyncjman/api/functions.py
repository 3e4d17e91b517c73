"""Functions as jobs, as a program asks for them."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Coroutine, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar, TypeVarTuple, Unpack, overload

from asyncjman.api.checks import flag_of, number_of
from asyncjman.api.submitting import JobSubmitter, requested
from asyncjman.errors import UsageError

if TYPE_CHECKING:
    from asyncjman.api.call_handle import CallHandle
    from asyncjman.api.call_options import CallOptions
    from asyncjman.api.handle import JobHandle
    from asyncjman.api.job_options import Options

P = ParamSpec("P")
T = TypeVar("T")
A = TypeVar("A")
Ts = TypeVarTuple("Ts")


class FunctionVerbs:
    """What is done with functions: of a JobManager, and of a view of it with other defaults.

    Function, arguments and values must be picklable (by cloudpickle). An argument may be a ``CallHandle``:
    its value is passed, and the job waits for it.
    """

    @property
    def _owner(self) -> Functions:
        raise NotImplementedError

    @property
    def _defaults(self) -> CallOptions:
        return {}

    def options(self, **options: Unpack[CallOptions]) -> JobView:
        """Return a view of the manager, whose ``submit``, ``start``, ``call``, ``map``... have these options.

        Raises UsageError for what makes no sense.
        """
        from asyncjman.api.call_options import checked

        return JobView(self._owner, checked({**self._defaults, **options}))

    @overload
    async def start(
        self, function: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> CallHandle[T]: ...
    @overload
    async def start(
        self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> CallHandle[T]: ...
    async def start(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> CallHandle[Any]:
        """Submit ``function(*args, **kwargs)`` as a job and return at once.

        Its value is kept until ``handle.release()`` or ``jm.delete(handle)``. Raises UsageError for what
        can't be pickled or makes no sense: nothing is stored then. Where it is cancelled, nothing is stored,
        or the CancelledError has the handle as its attribute ``job``.
        """
        from asyncjman.api.calling import begin

        return await begin(self._owner, function, [(args, kwargs)], self._defaults)

    @overload
    async def call(
        self, function: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> T: ...
    @overload
    async def call(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T: ...
    async def call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Run ``function(*args, **kwargs)`` as a job; return its value, or raise its exception.

        Its value is kept no longer. Where this is cancelled, the job is stopped (``options(on_cancel=)``).
        Raises CallFailed where the function gave back neither value nor exception, and what ``start`` raises.
        """
        from asyncjman.api.calling import call

        return await call(self._owner, function, (args, kwargs), self._defaults)

    @overload
    async def map(
        self,
        function: Callable[[A], Coroutine[Any, Any, T]],
        items: Iterable[A],
        *,
        chunk: int = 1,
        at_once: int | None = None,
        return_exceptions: Literal[False] = False,
        name: str | None = None,
        log_dir: str | os.PathLike[str] | None = None,
    ) -> list[T]: ...
    @overload
    async def map(
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
    async def map(
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
    async def map(
        self,
        function: Callable[..., Any],
        items: Iterable[Any],
        *,
        chunk: int = 1,
        at_once: int | None = None,
        return_exceptions: bool = False,
        name: str | None = None,
        log_dir: str | os.PathLike[str] | None = None,
    ) -> list[Any]:
        """Run ``function(item)`` for each item, as the tasks of one array job; return the values in order.

        ``chunk``: how many items a task takes, one after the other; ``at_once``: how many tasks may run at a
        time. The first that fails stops the rest, and MapFailed is raised, with the values that there are as
        ``results``; with ``return_exceptions`` all are run, and exceptions stand in the list. ``name`` and
        ``log_dir`` are those of ``options``. Where this is cancelled, see ``call``.
        """
        inputs = [((item,), dict[str, Any]()) for item in _iterable(items)]
        return await self._map(function, inputs, chunk, at_once, return_exceptions, name, log_dir)

    async def starmap(
        self,
        function: Callable[[*Ts], T],
        rows: Iterable[tuple[*Ts]],
        *,
        chunk: int = 1,
        at_once: int | None = None,
        return_exceptions: bool = False,
        name: str | None = None,
        log_dir: str | os.PathLike[str] | None = None,
    ) -> list[T]:
        """Run ``function(*row)`` for each row; all else is as in ``map``."""
        given: Iterable[Iterable[Any]] = _iterable(rows)
        inputs = [(tuple(_iterable(row)), dict[str, Any]()) for row in given]
        return await self._map(function, inputs, chunk, at_once, return_exceptions, name, log_dir)

    async def _map(
        self,
        function: Callable[..., Any],
        inputs: Sequence[tuple[tuple[Any, ...], dict[str, Any]]],
        chunk: int,
        at_once: int | None,
        return_exceptions: bool,
        name: str | None,
        log_dir: str | os.PathLike[str] | None,
    ) -> list[Any]:
        from asyncjman.api.call_options import checked
        from asyncjman.api.calling import map_

        given: CallOptions = {}
        if name is not None:
            given["name"] = name
        if log_dir is not None:
            given["log_dir"] = log_dir
        return await map_(
            self._owner,
            function,
            inputs,
            checked({**self._defaults, **given}),
            chunk=number_of(chunk, "chunk"),
            at_once=None if at_once is None else number_of(at_once, "at_once"),
            return_exceptions=flag_of(return_exceptions, "return_exceptions"),
        )

    def imap(
        self,
        function: Callable[[A], T],
        items: Iterable[A] | AsyncIterable[A],
        *,
        ordered: bool = True,
        window: int = 1000,
        chunk: int = 1,
        at_once: int | None = None,
        return_exceptions: bool = False,
    ) -> AsyncGenerator[T, None]:
        """Yield ``function(item)`` for each item: in order, or with ``ordered=False`` as they end.

        ``items`` may be a generator without an end, also an asynchronous one: at most ``window`` items are
        taken from it ahead of what was yielded, so that memory stays the same. They run as array jobs, of few
        items at first. Leaving the loop, its cancellation, and an exception of the function stop what is in
        flight; with ``return_exceptions`` exceptions are yielded. Wrap it in ``contextlib.aclosing`` where
        the loop may be left early, so that this is so at once.
        """
        from asyncjman.api.imapping import Imap

        if not callable(function):
            raise UsageError(f"a function is needed, not {function!r}")
        run = Imap(
            self._owner,
            function,
            items if isinstance(items, AsyncIterable) else _iterable(items),
            self._defaults,
            ordered=flag_of(ordered, "ordered"),
            window=number_of(window, "window"),
            chunk=number_of(chunk, "chunk"),
            at_once=None if at_once is None else number_of(at_once, "at_once"),
            return_exceptions=flag_of(return_exceptions, "return_exceptions"),
            at_first=self._owner.parallel,
        )
        return run.run()


class Functions(JobSubmitter, FunctionVerbs):
    """Functions as jobs of a JobManager's."""

    _parallel: int

    @property
    def _owner(self) -> Functions:
        return self

    @property
    def parallel(self) -> int:
        """Return how many local tasks may run at a time."""
        return self._parallel


class JobView(FunctionVerbs):
    """A JobManager whose verbs that submit have other defaults, made by ``jm.options(...)``."""

    def __init__(self, manager: Functions, defaults: CallOptions) -> None:
        self._manager = manager
        self._given = defaults

    @property
    def _owner(self) -> Functions:
        return self._manager

    @property
    def _defaults(self) -> CallOptions:
        return self._given

    async def submit(
        self, command: Sequence[str | os.PathLike[str]], **options: Unpack[Options]
    ) -> JobHandle:
        """Submit a job, as ``JobManager.submit`` does; ``options`` win over those of the view."""
        from asyncjman.api.call_options import of_jobs

        both: Options = {**of_jobs(self._defaults), **options}
        requested(command, both)  # an option that there is not is told
        return await self._manager.submit(command, **both)


def _iterable(items: Iterable[A]) -> Iterable[A]:
    if isinstance(items, Iterable):
        return items
    raise UsageError(f"items are given as a list, or as a generator, not as {items!r}")
