"""Files that survive a power loss: what is on the disk before anything is stored that relies on it."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from pathlib import Path

FEW = 8
"""So many files are written out one by one; for more of them their file system is, at once."""

_PIECE = 1 << 20

_NO_MATTER = frozenset({errno.ENOENT, errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EROFS})
"""A file that went meanwhile, or a file system that knows no such call."""


def make_durable(files: Sequence[str | Path], folders: Sequence[str | Path]) -> None:
    """Return when these files, and the entries of these folders, are on the disk.

    Raises OSError, with the name of the file, where the disk reports an error.
    """
    if len(files) > FEW and folders and _sync_file_system(folders[0]):
        files = ()
    for path in (*files, *folders):
        _sync(path)


def write_anew(files: Sequence[str | Path]) -> None:
    """Return when these files are on the disk, though it reported an error of them before.

    It does so once: after that their pages count as written, and a second fsync alone would say nothing. So
    what they have is written into them once more. Raises OSError.
    """
    for path in files:
        _sync(path, anew=True)


def _sync(path: str | Path, *, anew: bool = False) -> None:
    flags = os.O_RDWR | os.O_NOFOLLOW if anew else os.O_RDONLY
    try:
        descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            if anew:
                _rewrite(descriptor)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _NO_MATTER:
            error.filename = error.filename or str(path)
            raise


def _rewrite(descriptor: int) -> None:
    """Write each byte of a file in its place: who reads it, or has put another one there, notices nothing."""
    at = 0
    while data := os.pread(descriptor, _PIECE, at):
        at += os.pwrite(descriptor, data, at)


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
