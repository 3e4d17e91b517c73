"""The items of ``imap``, from an iterable or from an asynchronous one: taken as its window has room."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, Callable, Iterable
from itertools import islice
from typing import Any

_TAKE_SECONDS = 0.02
"""How long items are taken from an iterable at a stretch: the loop stands meanwhile."""


class Iterated:
    """Items of an iterable."""

    work: tuple[asyncio.Task[None], ...] = ()

    def __init__(self, items: Iterable[Any], chunk: int, clock: Callable[[], float]) -> None:
        self._items = iter(items)
        self._chunk = chunk
        self._clock = clock
        self.is_exhausted = False

    def take(self, most: int) -> list[Any]:
        """Return the next items, whole chunks but for the last; of a slow generator one chunk."""
        until, found = self._clock() + _TAKE_SECONDS, list[Any]()
        while len(found) < most:
            some = list(islice(self._items, self._chunk))
            found += some
            if len(some) < self._chunk:
                self.is_exhausted = True
                break
            if self._clock() >= until:
                break
        return found

    def look(self) -> None:
        """Nothing is asked for ahead of time."""


class Awaited:
    """Items of an asynchronous iterable: a task asks for them, so that values are yielded meanwhile.

    ``room`` gives how many may be there and not taken; ``wake`` is called with each.
    """

    def __init__(
        self, items: AsyncIterable[Any], chunk: int, room: Callable[[], int], wake: Callable[[], None]
    ) -> None:
        self._items = items
        self._chunk = chunk
        self._room = room
        self._wake = wake
        self._there: deque[Any] = deque()
        self._has_ended = False
        self._has_room = asyncio.Event()
        self.work = (asyncio.create_task(self._ask()),)
        """To be cancelled at the end."""

    async def _ask(self) -> None:
        try:
            iterator = aiter(self._items)
            while True:
                while len(self._there) >= self._room():
                    self._has_room.clear()
                    await self._has_room.wait()
                try:
                    item = await anext(iterator)
                except StopAsyncIteration:
                    return
                self._there.append(item)
                self._wake()
        finally:
            self._has_ended = True
            self._wake()

    @property
    def is_exhausted(self) -> bool:
        return self._has_ended and not self._there

    def take(self, most: int) -> list[Any]:
        """Return items that are there, whole chunks but for the last; perhaps none for now."""
        count = min(most, len(self._there))
        if not self._has_ended:
            count -= count % self._chunk
        return [self._there.popleft() for _ in range(count)]

    def look(self) -> None:
        """Have more asked for, where there is room again. Raises what the iterable raised."""
        if self._has_ended:
            self.work[0].result()
        self._has_room.set()
