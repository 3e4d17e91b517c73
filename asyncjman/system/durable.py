"""Files that survive a power loss: what is on the disk before anything is stored that relies on it."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from pathlib import Path

FEW = 8
"""So many files are written out one by one; for more of them their file system is, at once."""

_NO_MATTER = frozenset({errno.ENOENT, errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EROFS})
"""A file that went meanwhile, or a file system that knows no such call."""


def make_durable(files: Sequence[str | Path], folders: Sequence[str | Path]) -> None:
    """Return when these files, and the entries of these folders, are on the disk.

    Raises OSError where the disk reports an error.
    """
    if len(files) > FEW and folders and _sync_file_system(folders[0]):
        files = ()
    for path in (*files, *folders):
        _sync(path)


def _sync(path: str | Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _NO_MATTER:
            raise


def _sync_file_system(folder: str | Path) -> bool:
    """Write out all of a folder's file system (syncfs(2)); tell whether that is possible here."""
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    try:
        syncfs = ctypes.CDLL(None, use_errno=True).syncfs
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except (OSError, AttributeError):
        return False
    try:
        return bool(syncfs(descriptor) == 0)
    finally:
        os.close(descriptor)
