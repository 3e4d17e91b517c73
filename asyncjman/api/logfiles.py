"""The log files of jobs on the disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from asyncjman.executors.logs import earlier_log, log_paths, refuse_foreign_link, spool_folder
from asyncjman.model.job import PLAIN_TASK, Job
from asyncjman.model.paths import absolute


def remove_logs(job: Job, attempts: Iterable[tuple[int, int]]) -> list[str]:
    """Delete the logs of (task id, number of its latest attempt) and of all attempts before.

    Returns the paths of those that were there. Raises OSError where one can't be deleted.
    """
    removed: list[str] = []
    if logs := log_paths(job.spec, job.id, PLAIN_TASK):
        refuse_foreign_link(job.spec.exec_dir, logs[0])
    for task_id, attempt in attempts:
        for log in log_paths(job.spec, job.id, task_id) or ():
            for path in (log, *(earlier_log(log, number) for number in range(1, attempt))):
                with suppress(FileNotFoundError, NotADirectoryError):
                    os.unlink(path)  # noqa: PTH108 - so often that it counts
                    removed.append(path)
    return removed


def remove_folder_if_empty(job: Job) -> bool:
    """Delete the log folder of a job if nothing is in it; tell whether it was."""
    logs = log_paths(job.spec, job.id, PLAIN_TASK)
    if job.spec.log_dir is None or logs is None:
        return False
    with suppress(OSError):
        refuse_foreign_link(job.spec.exec_dir, logs[0])
        Path(job.spec.exec_dir, job.spec.log_dir).rmdir()
        return True
    return False


def remove_spool(database: Path, job: Job) -> None:
    """Delete the spool folder of a job, and the folder that it is in if that is empty then."""
    folder = Path(spool_folder(database, job.spec.token))
    try:
        refuse_foreign_link(str(absolute(database).parent), str(folder / "any"))
    except OSError:
        return
    if job.spec.token and folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            folder.parent.rmdir()


def tail(path: str, lines: int, max_bytes: int = 65536) -> list[str]:
    """Return the last lines of a log that aren't blank; none where it can't be read."""
    try:
        # not blocking: a pipe that somebody put there would never end
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            file.seek(max(0, file.seek(0, 2) - max_bytes))
            content = file.read().decode("utf-8", "backslashreplace")
    except OSError:
        return []
    return [line for line in content.split("\n") if line.strip()][-lines:]
