"""The file of a database, as the file system knows it: whether it is there, making it, which one it is.

It is never opened here: closing a descriptor of it would drop all locks that this process holds on it
(fcntl(2), "Record locks"; https://www.sqlite.org/howtocorrupt.html).
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from asyncjman.errors import DatabaseProblem
from asyncjman.store.connecting import Identity

_MODE = 0o644
"""Of a new file, as far as the umask lets: only its owner may write a database."""
_LEAST_BYTES = 512  # the smallest page there is


def is_missing(path: Path) -> bool:
    """Tell whether there is nothing there yet; raise DatabaseProblem where nothing can be."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        if path.is_symlink():
            raise DatabaseProblem(
                f"the database {path} is a symbolic link to nothing: remove it, "
                "or name another file with --database"
            ) from None
        if not path.parent.is_dir():
            raise DatabaseProblem(f"the folder of the database {path} does not exist") from None
        return True
    except OSError as error:
        raise DatabaseProblem(f"can't read the database {path}: {error.strerror}") from error
    if stat.S_ISDIR(found.st_mode):
        raise DatabaseProblem(f"the database {path} is a folder: name a file with --database")
    if not stat.S_ISREG(found.st_mode):
        raise DatabaseProblem(f"the database {path} is not a file: name one with --database")
    if 0 < found.st_size < _LEAST_BYTES:
        # SQLite would take it for an empty one, and write it over
        raise DatabaseProblem(f"{path} is not a database: name another file with --database")
    if not os.access(path, os.R_OK):
        raise DatabaseProblem(f"can't read the database {path}: Permission denied")
    return False


def make(path: Path) -> bool:
    """Make an empty file; tell whether it is new."""
    try:
        try:
            # makes it without opening it: another thread's connection may have locks on it by the time
            # that a descriptor would be closed
            os.mknod(path, stat.S_IFREG | _MODE)
        except (AttributeError, PermissionError):  # not everywhere, or for root only
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE))
    except FileExistsError:
        return False
    except OSError as error:
        raise DatabaseProblem(f"can't make the database {path}: {error.strerror}") from error
    return True


def identity(path: Path) -> Identity | None:
    """Return which file a path leads to, None where there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - on the hot path, half the time of Path.stat
    except OSError:
        return None
    return found.st_dev, found.st_ino
