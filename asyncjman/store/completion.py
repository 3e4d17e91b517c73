"""Awaiting something to its end although the waiting task is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")


async def to_completion(
    work: Coroutine[Any, Any, T], undo: Callable[[T], Awaitable[None]] | None = None
) -> T:
    """Run ``work`` to its end; a cancellation that comes meanwhile is raised afterwards.

    A BEGIN or COMMIT that is not waited for would leave the connection in an unknown state.
    ``undo`` is given a result that has no taker any more.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError as cancelled:
        await _out_of_reach(task)
        if task.exception() is None and undo is not None:
            await undo(task.result())
        raise cancelled
    return task.result()


async def _out_of_reach(task: asyncio.Task[Any]) -> None:
    """Wait for a task's end, whoever cancels this.

    A cancelled scope of anyio's cancels again in each turn of the loop what does not end: without a shield
    a processor would be busy with that as long as another process holds the lock of the database.
    """
    import anyio  # most commands are never cancelled

    with anyio.CancelScope(shield=True):
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task])
