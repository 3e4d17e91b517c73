"""The slots of a runner: first come, first served, and as many as are wanted at the moment."""

from __future__ import annotations

import asyncio
from collections import deque


class Slots:
    """A semaphore whose limit can be changed; who has a slot keeps it."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def has_room(self) -> bool:
        """Tell whether there is one that nobody waits for."""
        return self._taken < self.limit and not self._waiting

    async def acquire(self) -> None:
        """Take a slot, once there is one."""
        if self.has_room:
            self._taken += 1
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self.release()  # it was given one in this moment
            raise

    def release(self) -> None:
        """Give a slot back."""
        self._taken -= 1
        self._hand_out()

    def resize(self, limit: int) -> None:
        """Have so many slots from now on; where more are taken, those that come back are not given again."""
        self.limit = limit
        self._hand_out()

    def _hand_out(self) -> None:
        while self._waiting and self._taken < self.limit:
            future = self._waiting.popleft()
            if not future.done():
                self._taken += 1
                future.set_result(None)
