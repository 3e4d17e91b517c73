"""Starting processes: in threads where it takes long, as others have the processors, or the disk is slow.

A thread costs more than a start that is quick. So it is tried without, now and then.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from queue import SimpleQueue

MOST_THREADS = 4
SLOW_SECONDS = 0.002
"""Starts that take longer, on average, are to be made in threads; with nothing else to do it is 0.0002."""
_WEIGHT = 0.1
"""Of the newest in this average: a single one is slow now and then."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds until a start is made without a thread again; twice as many each time that it is slow still."""
MOST_SECONDS = 1.0
"""How long a start may wait for those before it, on a slow disk or while all is suspended."""


class TooLate(Exception):
    """What spoke for a start may be different by now: nothing was started."""


@dataclass(slots=True, eq=False)
class _Start:
    """A start that was asked for."""

    call: Callable[[], int]
    on_start: Callable[[int], None]
    on_left: Callable[[int | None], None]
    future: asyncio.Future[int]
    asked: float = field(default_factory=time.monotonic)
    pid: int | None = None
    error: BaseException | None = None

    def carry_out(self, patience: float) -> None:
        try:
            if time.monotonic() - self.asked > patience:
                raise TooLate
            self.pid = self.call()
        except BaseException as error:
            self.error = error


class Spawner:
    """Starts processes. Those that threads start are taken up in order, and may come about in another one."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[_Start | None] = SimpleQueue()
        self._threads = 0
        self._under_way = 0
        self._patience = MOST_SECONDS
        self._late_at = -math.inf
        self._is_idle = asyncio.Event()
        self._slow_until = 0.0
        self._pause = FIRST_PAUSE
        self._average = 0.0

    @property
    def is_quick(self) -> bool:
        """Tell whether ``at_once`` is to be asked."""
        # behind others that are stuck it would be, too, and before them it would not be its turn
        return not self._under_way and time.monotonic() >= self._slow_until

    def at_once(self, call: Callable[[], int]) -> int:
        """Start a process here, without a thread, and return its pid; raise what ``call`` raises."""
        begun = time.monotonic()
        try:
            return call()
        finally:
            self._note(begun, time.monotonic())

    def _note(self, begun: float, now: float) -> None:
        self._average += _WEIGHT * (now - begun - self._average)
        if self._average > SLOW_SECONDS:
            self._slow_until = now + self._pause
            self._pause = min(2 * self._pause, LONGEST_PAUSE)
            self._average = SLOW_SECONDS  # the next one decides
        elif now - begun < SLOW_SECONDS:
            self._pause = FIRST_PAUSE

    def start(
        self,
        call: Callable[[], int],
        *,
        on_start: Callable[[int], None],
        on_left: Callable[[int | None], None],
    ) -> asyncio.Future[int]:
        """Have ``call`` called in a thread; return what waits for its result, a pid, or its error.

        The error is TooLate where those before it took too long. ``on_start`` is given the pid before that.
        Where the future is cancelled, it is called all the same; ``on_left`` is then given the pid, or None
        where it failed.
        """
        loop = asyncio.get_running_loop()
        start = _Start(call, on_start, on_left, loop.create_future())
        self._under_way += 1
        self._is_idle.clear()
        if self._threads < min(self._under_way, MOST_THREADS):
            with suppress(RuntimeError):  # as many threads as there may be
                threading.Thread(target=self._work, args=(loop,), daemon=True).start()
                self._threads += 1
        if self._threads:
            self._queue.put(start)
        else:
            start.carry_out(self._patience)
            self._take_in(start)
        return start.future

    async def close(self) -> None:
        """Wait until all that was asked for has started, or has failed to."""
        if self._under_way:
            await self._is_idle.wait()
        for _ in range(self._threads):
            self._queue.put(None)
        self._threads = 0

    def _work(self, loop: asyncio.AbstractEventLoop) -> None:
        while (start := self._queue.get()) is not None:
            start.carry_out(self._patience)
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(self._take_in, start)
            del start  # nothing of it stays until the next one comes

    def _take_in(self, start: _Start) -> None:
        self._under_way -= 1
        self._set_patience(start)
        try:
            if start.pid is not None:
                start.on_start(start.pid)
        except BaseException as error:  # nobody may wait for ever
            start.error = error
        if start.future.cancelled():
            start.on_left(start.pid)
        elif start.error is not None:
            start.future.set_exception(start.error)
        elif start.pid is not None:
            start.future.set_result(start.pid)
        if not self._under_way:
            self._is_idle.set()

    def _set_patience(self, start: _Start) -> None:
        """Wait longer where even what was asked for since was late: nothing is to be late for ever."""
        if not isinstance(start.error, TooLate):
            self._patience = MOST_SECONDS
        elif start.asked >= self._late_at:
            self._patience *= 2
            self._late_at = time.monotonic()
