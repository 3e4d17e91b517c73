"""Cancelling a coroutine at each of its awaits, one after the other."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Coroutine, Generator
from enum import Enum
from typing import Any, TypeVar

T = TypeVar("T")


class Moment(Enum):
    """When the cancellation comes."""

    WAITING = "waiting"
    """While the coroutine waits: what it waits for is cancelled."""
    WOKEN = "woken"
    """When what it waits for has come, before the coroutine goes on: the result is lost on the way."""


class Stepped:
    """A coroutine that is cancelled when it waits for the ``at``-th time (from 0).

    ``reached`` tells afterwards whether it came to that.
    """

    def __init__(self, work: Coroutine[Any, Any, T], at: int, moment: Moment = Moment.WAITING) -> None:
        self._work = work
        self._at = at
        self._moment = moment
        self.reached = False
        self._task: asyncio.Task[Any] | None = None

    def start(self) -> asyncio.Task[Any]:
        """Return the task that runs it."""
        self._task = asyncio.ensure_future(self._run())
        return self._task

    @property
    def cancelled(self) -> bool:
        """Tell whether it ended as cancelled: it may have come to its end all the same."""
        return self._task is not None and self._task.cancelled()

    async def _run(self) -> Any:
        return await self._steps()

    @types.coroutine
    def _steps(self) -> Generator[Any, Any, Any]:
        task = asyncio.current_task()
        assert task is not None
        count = 0
        error: BaseException | None = None
        while True:
            try:
                waited_for = self._work.throw(error) if error else self._work.send(None)
            except StopIteration as stop:
                return stop.value
            error = None
            if count == self._at:
                self.reached = True
                if self._moment is Moment.WAITING or not isinstance(waited_for, asyncio.Future):
                    task.cancel()
                else:
                    _first_when_done(waited_for, task)
            count += 1
            try:
                yield waited_for
            except BaseException as raised:
                error = raised


def _first_when_done(future: asyncio.Future[Any], task: asyncio.Task[Any]) -> None:
    """Cancel ``task`` when ``future`` is done: before the task itself hears of it."""
    future.add_done_callback(lambda _: task.cancel())
