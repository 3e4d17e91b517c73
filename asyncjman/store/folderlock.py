"""Keeps the opening and the deleting of a database file apart, among all processes.

A connection that turns on the write-ahead log makes files beside the database by its name. Were the
database deleted in that moment, and made anew by another process, two databases would share them.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

_PAUSE_SECONDS = 0.01


@asynccontextmanager
async def opening(folder: Path) -> AsyncIterator[None]:
    """Hold off the deleting of databases in a folder."""
    descriptor = _descriptor(folder)
    try:
        while descriptor is not None and not _lock(descriptor, fcntl.LOCK_SH):  # noqa: ASYNC110
            await asyncio.sleep(_PAUSE_SECONDS)  # no event tells of another process
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


@asynccontextmanager
async def deleting(folder: Path) -> AsyncIterator[bool]:
    """Hold off the opening of databases in a folder; give False where one is being opened now."""
    descriptor = _descriptor(folder)
    try:
        yield descriptor is not None and _lock(descriptor, fcntl.LOCK_EX)
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _descriptor(folder: Path) -> int | None:
    try:
        return os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


def _lock(descriptor: int, kind: int) -> bool:
    """Lock a folder (flock(2)); tell whether nobody is in the way.

    Where folders can't be locked, nobody is.
    """
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
