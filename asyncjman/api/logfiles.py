"""The log files of jobs on the disk."""

from __future__ import annotations

import os

from asyncjman.model.job import Job
from asyncjman.system.logs import earlier_log, log_paths


def logs(job: Job, task_id: int, *, earlier: int | None = None) -> tuple[str, str] | None:
    """Return the paths of a task's output and error log, None where it writes to the terminal.

    ``earlier``: those of an attempt before the latest one.
    """
    paths = log_paths(job.spec, job.id, task_id)
    if paths is None or earlier is None:
        return paths
    return earlier_log(paths[0], earlier), earlier_log(paths[1], earlier)


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
