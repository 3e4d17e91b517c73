"""A function for items that come one after the other: a window of them is in flight, as array jobs."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from asyncjman.api import values
from asyncjman.api.call_handle import CallHandle
from asyncjman.api.call_options import CallOptions
from asyncjman.api.calling import Work, begin, completed, release, stopped_if_cancelled
from asyncjman.api.items import Awaited, Iterated
from asyncjman.api.result import JobResult
from asyncjman.api.together import cancelled
from asyncjman.api.values import Outcome
from asyncjman.api.wrapped import Input
from asyncjman.model.events import TaskFinished
from asyncjman.model.job import Task
from asyncjman.model.status import FINISHED

if TYPE_CHECKING:
    from asyncjman.api.submitting import JobSubmitter


@dataclass(slots=True)
class _Flight:
    """Inputs that run as one array job."""

    first: int
    """Which input of all is its first."""
    size: int
    ended: int = 0
    """Of how many of them the outcome is known."""
    reading: asyncio.Task[None] | None = None


@dataclass(slots=True)
class _Ready:
    """Outcomes that wait to be taken, by the number of their input."""

    outcomes: dict[int, Outcome] = field(default_factory=dict)
    wake: asyncio.Event = field(default_factory=asyncio.Event)


class Imap:
    """One run of ``imap``: what is in flight, and what has come back."""

    def __init__(
        self,
        manager: JobSubmitter,
        function: Callable[..., Any],
        items: Iterable[Any] | AsyncIterable[Any],
        options: CallOptions,
        *,
        ordered: bool,
        window: int,
        chunk: int,
        at_once: int | None,
        return_exceptions: bool,
        at_first: int,
    ) -> None:
        self._manager = manager
        self._function = function
        self._given = items
        self._options = options
        self._ordered = ordered
        self._window = max(window, chunk)
        self._chunk = chunk
        self._at_once = at_once
        self._return_exceptions = return_exceptions
        self._size = min(at_first * chunk, self._window)
        """How many inputs the next job has: few at first, so that values come soon, then more."""
        self._pulled = self._taken = 0
        self._flights: deque[_Flight] = deque()
        self._ready = _Ready()
        self._work = Work()

    async def run(self) -> AsyncGenerator[Any, None]:
        """Yield values as they come. Raises the exception of an input, and stops the rest then."""
        async with stopped_if_cancelled(self._manager, self._options) as self._work:
            self._items = self._opened()
            try:
                while True:
                    await self._fill()
                    while (outcome := self._next()) is not None:
                        if outcome.error is None:
                            yield outcome.value
                        elif self._return_exceptions:
                            yield outcome.error
                        else:
                            raise outcome.error
                        await self._fill()
                    if self._items.is_exhausted and self._taken == self._pulled:
                        await asyncio.gather(*[one.reading for one in self._flights if one.reading])
                        return
                    await self._some()
            finally:
                readings = [one.reading for one in self._flights if one.reading is not None]
                await cancelled([*self._items.work, *readings])

    def _opened(self) -> Iterated | Awaited:
        if isinstance(self._given, AsyncIterable):
            return Awaited(self._given, self._chunk, self._room, self._ready.wake.set)
        return Iterated(self._given, self._chunk, self._manager.session.database.runtime.monotonic)

    def _room(self) -> int:
        """Return how many items more the window takes."""
        return self._window - (self._pulled - self._taken)

    def _next(self) -> Outcome | None:
        """Take an outcome: of the next input in order, or of any."""
        outcomes = self._ready.outcomes
        number = self._taken if self._ordered else next(iter(outcomes), -1)
        outcome = outcomes.pop(number, None)
        if outcome is not None:
            self._taken += 1
        return outcome

    async def _some(self) -> None:
        """Wait until there is something new."""
        await self._ready.wake.wait()
        self._ready.wake.clear()
        while self._flights and (reading := self._flights[0].reading) is not None and reading.done():
            reading.result()
            self._flights.popleft()
        for one in self._flights:
            if one.reading is not None and one.reading.done():
                one.reading.result()  # what went wrong in it is raised here

    async def _fill(self) -> None:
        """Have as many inputs in flight as the window takes, in parts that are worth a job."""
        part = max(self._chunk, min(self._size, self._window // 2))
        self._items.look()
        while not self._items.is_exhausted and self._room() >= part:
            inputs: list[Input] = [((item,), {}) for item in self._items.take(part)]
            if not inputs:
                return
            flight = _Flight(self._pulled, len(inputs))
            self._pulled += len(inputs)
            self._size *= 2
            handle = await begin(
                self._manager,
                self._function,
                inputs,
                self._options,
                array=True,
                at_once=self._at_once,
                chunk=self._chunk,
                go_on=self._return_exceptions,
            )
            self._work.handles.append(handle)
            flight.reading = asyncio.create_task(self._read(flight, handle))
            self._flights.append(flight)
            part = max(self._chunk, min(self._size, self._window // 2))

    async def _read(self, flight: _Flight, handle: CallHandle[Any]) -> None:
        """Hand out what comes of a job's inputs as they end, and remove its values then."""
        try:
            async with aclosing(self._manager.feed([handle.id]).batches()) as batches:
                ends: dict[int, Task] = {}
                async for batch in batches:
                    new = [one.task for one in batch if isinstance(one, TaskFinished)]
                    await self._take(flight, handle, [one for one in new if one.task_id not in ends])
                    ends |= {one.task_id: one for one in new}
            left = [one for one in await handle.tasks() if one.task_id not in ends]  # never started
            await self._take(flight, handle, [one for one in left if one.status in FINISHED])
            self._work.handles.remove(handle)
            if len(ends) and all(one.status == "success" for one in ends.values()):
                await release(handle)
        finally:
            self._ready.wake.set()

    async def _take(self, flight: _Flight, handle: CallHandle[Any], ended: list[Task]) -> None:
        if not ended:
            return
        results = values.results_of(self._manager.path, handle.job)
        tasks: dict[int, Task] = {one.task_id - 1: one for one in ended}
        # a value is read by the index of its task alone
        result = JobResult(job_id=handle.id, status=handle.status, tasks=tasks)  # type: ignore[arg-type]  # a dict
        in_thread = self._manager.session.database.runtime.in_thread
        for index, part in zip(tasks, await in_thread(values.outcomes, results, result, tasks), strict=True):
            start = index * self._chunk
            part = completed(part, min(self._chunk, flight.size - start), result)
            for number, outcome in enumerate(part, flight.first + start):
                self._ready.outcomes[number] = outcome
        self._ready.wake.set()
