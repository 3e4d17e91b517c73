"""SIGTERM to a program whose JobManager runs tasks: they are stopped, then the program ends by the signal."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any


class Termination:
    """Has SIGTERM cancel the task that opened a JobManager, as Ctrl-C does in ``asyncio.run``.

    Only in the main thread, and only where the program has no handler of its own for it.
    """

    def __init__(self, close: Callable[[], Awaitable[None]]) -> None:
        self._close = close
        self._loop = asyncio.get_running_loop()
        self._opener = asyncio.current_task()
        self._arrived = False
        self._closing: asyncio.Future[None] | None = None
        self._before: Any = None
        self._installed = False

    def install(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return
        before = signal.getsignal(signal.SIGTERM)
        if before is signal.SIG_DFL or isinstance(getattr(before, "__self__", None), Termination):
            self._before = before
            signal.signal(signal.SIGTERM, self._handle)
            self._installed = True

    def remove(self) -> None:
        """Have the signal do what it did before; it comes once more where it came meanwhile."""
        if self._installed and signal.getsignal(signal.SIGTERM) == self._handle:
            signal.signal(signal.SIGTERM, self._before)
        self._installed = False
        if self._arrived:
            self._arrived = False
            os.kill(os.getpid(), signal.SIGTERM)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if not self._installed or self._loop.is_closed():  # left behind
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
            return
        self._arrived = True
        self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        if self._opener is not None and not self._opener.done():
            self._opener.cancel("SIGTERM")
        elif self._closing is None:
            self._closing = asyncio.ensure_future(self._close())
