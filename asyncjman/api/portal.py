"""An event loop in a thread of its own, called from other threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from anyio.from_thread import BlockingPortal

from asyncjman.errors import NotOpen

T = TypeVar("T")

_CANCEL_SECONDS = 60.0
"""How long somebody who interrupts waits for the end of what he interrupted: tasks are stopped meanwhile."""


class Portal:
    """A thread with an event loop, between ``start`` and ``stop``.

    The thread is a daemon: a program that does not stop it ends all the same.
    """

    def __init__(self) -> None:
        self._portal: BlockingPortal | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin; return when calls are taken. Raises NotOpen where it has begun already."""
        if self._portal is not None:
            raise NotOpen("the JobManager is open already")
        ready: Future[BlockingPortal] = Future()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="asyncjman", daemon=True)
        self._thread.start()
        self._portal = ready.result()

    def _run(self, ready: Future[BlockingPortal]) -> None:
        async def serve() -> None:
            async with BlockingPortal() as portal:
                ready.set_result(portal)
                await portal.sleep_until_stopped()

        try:
            asyncio.run(serve())
        except BaseException as error:
            if not ready.done():
                ready.set_exception(error)

    @property
    def is_running(self) -> bool:
        return self._portal is not None

    def stop(self) -> None:
        """End the loop, and what runs in it."""
        if self._portal is None or self._thread is None:
            return
        portal, self._portal = self._portal, None
        portal.start_task_soon(portal.stop, True)
        self._thread.join()

    def begin(self, function: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any) -> Future[T]:
        """Call a coroutine function in the loop; return what waits for it, and cancels it."""
        return self._begin(threading.Event(), function, *args, **kwargs)

    def call(self, function: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any) -> T:
        """Call a coroutine function in the loop, and wait for it; Ctrl-C cancels it, and waits for that."""
        ended = threading.Event()
        future = self._begin(ended, function, *args, **kwargs)
        try:
            return future.result()
        except BaseException:
            if future.cancel():
                ended.wait(_CANCEL_SECONDS)
            raise

    def _begin(
        self, ended: threading.Event, function: Callable[..., Awaitable[T]], *args: Any, **kwargs: Any
    ) -> Future[T]:
        if self._portal is None:
            raise NotOpen("the JobManager is not open: use it in its with")

        async def work() -> T:
            try:
                return await function(*args, **kwargs)
            finally:
                ended.set()

        return self._portal.start_task_soon(work)
