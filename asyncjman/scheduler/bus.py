"""Events within this process. Each subscriber has its own stream, in the order of the commits."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress

from asyncjman.model.events import Event


class Subscription:
    """A stream of events, from the moment of subscribing on."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._events: deque[Event] = deque()
        self._wake = asyncio.Event()
        self._closed = False
        self._error: BaseException | None = None

    def put(self, event: Event) -> None:
        self._events.append(event)
        self._wake.set()

    def fail(self, error: BaseException) -> None:
        """Raise an error to the reader, once what is in the stream was taken."""
        self._error = error
        self._wake.set()

    def detach(self) -> None:
        """Take in nothing more."""
        self._bus.unsubscribe(self)

    def close(self) -> None:
        """End the stream, once what is in it was taken."""
        self.detach()
        self._closed = True
        self._wake.set()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        while not self._events:
            if self._error is not None:
                raise self._error
            if self._closed:
                raise StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()
        return self._events.popleft()

    async def some(self, seconds: float | None = None) -> list[Event] | None:
        """Return what is there, once something is, or after so many seconds (None: only once something is).

        Returns None at the stream's end.

        Raises what ``fail`` was given, once what is in the stream was taken.
        """
        if not self._events and not self._closed and self._error is None:
            self._wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._wake.wait()
        if self._events:
            given = list(self._events)
            self._events.clear()
            return given
        if self._error is not None:
            raise self._error
        return None if self._closed else []


class Bus:
    """Hands each event to all who subscribed."""

    def __init__(self) -> None:
        self._subscriptions: list[Subscription] = []

    @property
    def is_heard(self) -> bool:
        return bool(self._subscriptions)

    def subscribe(self) -> Subscription:
        subscription = Subscription(self)
        self.attach(subscription)
        return subscription

    def attach(self, subscription: Subscription) -> None:
        """Hand events to a subscription from now on."""
        self._subscriptions.append(subscription)

    def unsubscribe(self, subscription: Subscription) -> None:
        with suppress(ValueError):
            self._subscriptions.remove(subscription)

    def publish(self, event: Event) -> None:
        for subscription in self._subscriptions:
            subscription.put(event)

    def close(self) -> None:
        """End all streams."""
        for subscription in list(self._subscriptions):
            subscription.close()
