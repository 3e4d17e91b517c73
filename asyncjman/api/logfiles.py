"""The log files of jobs on the disk."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from asyncjman.executors.logs import earlier_log, log_paths
from asyncjman.model.job import Job


def remove_logs(job: Job, task_ids: Iterable[int]) -> list[str]:
    """Delete the log files of these tasks, all attempts; return the paths of those that were there.

    Raises OSError where a file can't be deleted.
    """
    removed = []
    for task_id in task_ids:
        for path in _files(job, task_id):
            with suppress(FileNotFoundError):
                path.unlink()
                removed.append(str(path))
    return removed


def remove_folder_if_empty(job: Job) -> bool:
    """Delete the log folder of a job if nothing is in it; tell whether it was."""
    if job.spec.log_dir is None:
        return False
    with suppress(OSError):
        Path(job.spec.exec_dir, job.spec.log_dir).rmdir()
        return True
    return False


def tail(path: str, lines: int, max_bytes: int = 65536) -> list[str]:
    """Return the last lines of a log that aren't blank; none where it can't be read."""
    try:
        with Path(path).open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - max_bytes))
            content = file.read().decode("utf-8", "backslashreplace")
    except OSError:
        return []
    return [line for line in content.split("\n") if line.strip()][-lines:]


def _files(job: Job, task_id: int) -> Iterator[Path]:
    for log in log_paths(job.spec, job.id, task_id) or ():
        yield Path(log)
        earlier = earlier_log(glob.escape(Path(log).name), 0)[:-1] + "*"
        yield from sorted(Path(log).parent.glob(earlier))
