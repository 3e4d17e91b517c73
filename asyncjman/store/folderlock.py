"""Keeps the opening and the deleting of a database file apart, among all processes.

A connection that turns on the write-ahead log makes files beside the database by its name. Were the
database deleted in that moment, and made anew by another process, two databases would share them.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from asyncjman.errors import DatabaseProblem

_PAUSE_SECONDS = 0.01


@contextmanager
def opening(folder: Path, retry_for: float) -> Iterator[None]:
    """Hold off the deleting of databases in a folder.

    Raises DatabaseProblem where another process holds the lock for ``retry_for`` seconds, which needs no
    more than permission to read the folder.
    """
    descriptor = _descriptor(folder)
    try:
        if descriptor is not None and not _lock(descriptor, fcntl.LOCK_SH):
            _wait(descriptor, folder, retry_for)
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _wait(descriptor: int, folder: Path, retry_for: float) -> None:
    from asyncjman.runtime import SYSTEM

    deadline = SYSTEM.monotonic() + retry_for
    while not _lock(descriptor, fcntl.LOCK_SH):
        if SYSTEM.monotonic() > deadline:
            raise DatabaseProblem(
                f"another process has locked the folder {folder} for {retry_for:.0f} seconds; try again"
            )
        time.sleep(_PAUSE_SECONDS)  # no event tells of another process


@contextmanager
def deleting(folder: Path) -> Iterator[bool]:
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
    """Lock a folder (flock(2)); tell whether no other process holds it.

    Where folders can't be locked, none does.
    """
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
