"""Making room for the log files of an attempt."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from asyncjman.system.logs import keep_earlier_log, refuse_foreign_link


def make_room(exec_dir: str, logs: tuple[str, str], attempt: int, made: set[str]) -> None:
    """Make the log folder, unless it is among those ``made``; move the logs of earlier attempts away.

    Raises OSError whose ``strerror`` says what is in the way: just before a start, as all may change.
    """
    stdout, stderr = logs
    refuse_foreign_link(exec_dir, stdout)
    folder = stdout.rpartition("/")[0]
    if folder not in made:
        try:
            Path(folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OSError(error.errno, f"can't make the log folder {folder}: {error.strerror}") from error
        made.add(folder)
    if attempt > 1:
        keep_earlier_log(stdout, attempt)
        keep_earlier_log(stderr, attempt)
    refuse_odd(stdout)
    refuse_odd(stderr)


def refuse_odd(log: str) -> None:
    """Raise OSError for a log that is there and no regular file: to open a pipe waits for its reader."""
    try:
        mode = os.lstat(log).st_mode
    except OSError:
        return  # not there: made by the start, which also finds what else is in the way
    if not stat.S_ISREG(mode):
        what = (
            "a symbolic link"
            if stat.S_ISLNK(mode)
            else "a folder"
            if stat.S_ISDIR(mode)
            else "not a regular file"
        )
        raise OSError(errno.ELOOP, f"can't write the log {log}: it is {what}")
