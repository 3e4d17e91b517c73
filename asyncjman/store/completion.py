"""Awaiting something to its end although the waiting task is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def to_completion(
    work: Coroutine[Any, Any, T], undo: Callable[[T], Awaitable[None]] | None = None
) -> T:
    """Run ``work`` to its end; a cancellation that comes meanwhile is raised afterwards.

    A BEGIN or COMMIT that nobody waits for would leave the connection in a state that nobody knows.
    ``undo`` is given what nobody takes any more.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if task.exception() is None and undo is not None:
            await undo(task.result())
        raise cancelled
    return task.result()
