"""Awaiting something to its end although the waiting task is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def to_completion(work: Coroutine[Any, Any, T]) -> T:
    """Run ``work`` to its end; a cancellation that comes meanwhile is raised afterwards.

    A BEGIN or COMMIT that nobody waits for would leave the connection in a state that nobody knows.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        task.exception()  # looked at, so that asyncio doesn't report it as lost
        raise cancelled
    return task.result()
