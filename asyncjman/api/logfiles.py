"""The log files of jobs on the disk."""

from __future__ import annotations

from asyncjman.model.job import Job
from asyncjman.system.logs import earlier_log, log_paths, read_end


def logs(job: Job, task_id: int, *, earlier: int | None = None) -> tuple[str, str] | None:
    """Return the paths of a task's output and error log, None where it writes to the terminal.

    ``earlier``: those of an attempt before the latest one.
    """
    paths = log_paths(job.spec, job.id, task_id)
    if paths is None or earlier is None:
        return paths
    return earlier_log(paths[0], earlier), earlier_log(paths[1], earlier)


def tail(path: str, lines: int, max_bytes: int = 65536) -> list[str]:
    """Return the last lines of a log that aren't blank; none where it can't be read.

    Of a line with carriage returns, such as a progress bar, it is what that ends as on a terminal.
    """
    content = read_end(path, max_bytes).decode("utf-8", "backslashreplace")
    shown = (line.rstrip("\r").rpartition("\r")[2] for line in content.split("\n"))
    return [line for line in shown if line.strip()][-lines:]
