"""Function jobs as an executor of Python's own ``concurrent.futures``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, wait
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from asyncjman.api.portal import Portal
from asyncjman.api.wrapped import Rows

if TYPE_CHECKING:
    from asyncjman.api.functions import FunctionVerbs

P = ParamSpec("P")
T = TypeVar("T")


class JobExecutor(Executor):
    """Runs calls as jobs; made by ``as_executor()`` of a ``sync.JobManager``, which stays open after it.

    ``cancel()`` of a future stops its job, whether it has begun or not.
    """

    def __init__(self, portal: Portal, verbs: FunctionVerbs) -> None:
        self._portal = portal
        self._verbs = verbs
        self._futures: set[Future[Any]] = set()
        self._is_shut = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Run ``fn(*args, **kwargs)`` as a job. Raises RuntimeError after ``shutdown``."""
        if self._is_shut:
            raise RuntimeError("cannot schedule new futures after shutdown")
        future: Future[T] = self._portal.begin(self._verbs.call, fn, *args, **kwargs)
        self._futures.add(future)
        future.add_done_callback(self._futures.discard)
        return future

    def map(
        self,
        fn: Callable[..., T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[T]:
        """Yield ``fn(*row)`` for the rows of the iterables, in order: as array jobs.

        A task takes ``chunksize`` rows. Rows are taken as values are, ``buffersize`` ahead (1000).
        ``timeout``: seconds from now on, after which TimeoutError is raised, and what is in flight is
        stopped.
        """
        if self._is_shut:
            raise RuntimeError("cannot schedule new futures after shutdown")
        rows = zip(*iterables, strict=False)
        stream = self._verbs.imap(Rows(fn), rows, chunk=chunksize, window=buffersize or 1000)
        return self._values(stream, timeout)

    def _values(self, stream: Any, timeout: float | None) -> Iterator[T]:
        end = None if timeout is None else time.monotonic() + timeout
        try:
            while True:
                left = None if end is None else end - time.monotonic()
                try:
                    yield self._portal.call(_next, stream, left)
                except StopAsyncIteration:
                    return
        finally:
            if self._portal.is_running:
                self._portal.call(stream.aclose)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more calls; with ``wait`` return when all have ended, with ``cancel_futures`` stop them."""
        self._is_shut = True
        futures = list(self._futures)
        for future in futures if cancel_futures else ():
            future.cancel()
        if wait:
            _wait(futures)


_wait = wait


async def _next(stream: AsyncGenerator[T, None], seconds: float | None) -> T:
    async with asyncio.timeout(seconds):
        return await anext(stream)
