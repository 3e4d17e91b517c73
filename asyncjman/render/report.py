"""Logs, for people and for programs."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import BinaryIO

from asyncjman.model.job import Job, Task
from asyncjman.render.objects import dumps, task_object
from asyncjman.render.text import ago, arguments, as_shown, colored, printable, task_arguments, use_color

_CHUNK = 1 << 16
_MAX_LINE = 1 << 20
"""Bytes of a line without an end that are held back at most."""


def task_label(task: Task) -> str:
    """Write which task is meant: ``3``, or ``3.7`` in an array."""
    return f"{task.job_id}.{task.task_id}" if task.task_id else str(task.job_id)


def seek_last_lines(file: BinaryIO, count: int) -> None:
    """Go to the beginning of the last ``count`` lines of a file."""
    at = file.seek(0, 2)
    found = 0
    first = True
    while at > 0:
        size = min(_CHUNK, at)
        at -= size
        file.seek(at)
        chunk = file.read(size)
        end = len(chunk) - 1 if first and chunk.endswith(b"\n") else len(chunk)  # the last line's own end
        first = False
        while (end := chunk.rfind(b"\n", 0, end)) >= 0:
            found += 1
            if found == count:
                file.seek(at + end + 1)
                return
    file.seek(0)


class TextReport:
    """Prints logs below a head for each job, of each the last ``tail`` lines.

    Control characters are printed raw only where ``raw`` says so.
    """

    def __init__(self, *, raw: bool, tail: int | None = None) -> None:
        self._raw = raw
        self._tail = tail
        self._color = use_color()
        self._job_id = 0

    def task(self, job: Job, task: Task, output: str | None, errors: str | None, kept: bytes = b"") -> None:
        """Print how a task is, and its logs; ``kept`` of its errors where it has no log file."""
        number = task_label(task)
        if job.id != self._job_id:
            self._job_id = job.id
            grid = f" (grid {job.native_id})" if job.native_id else ""
            print(f"Job {job.id}{grid} @{printable(job.spec.queue)} ({ago(time.time() - job.submitted_at)})")
            print(f"Command line: {arguments(job)}")
            if job.spec.log_dir is None:
                print("No log files: it writes to the terminal (submit with --log-dir to have some)")
        status = colored(task.status, task.status) if self._color else task.status
        reason = f" ({printable(task.reason)})" if task.reason and task.reason != task.status else ""
        given = f": {task_arguments(job, task.task_id)}" if job.spec.parameters(task.task_id) else ""
        print(f"{number} {status}{reason}{given}")
        if task.started_at is None:
            return
        for title, path in (("stdout", output), ("stderr", errors)):
            if path is not None:
                self._log(f"{number} {title}", path)
        if kept:
            print(f"{number} stderr (the last {len(kept)} bytes)")
            if self._tail is not None:
                kept = b"\n".join(kept.removesuffix(b"\n").split(b"\n")[-self._tail :])
            write_log(kept + (b"" if kept.endswith(b"\n") else b"\n"), raw=self._raw)

    def close(self) -> None:
        """Nothing is held back."""

    def _log(self, title: str, path: str) -> None:
        try:
            with open(path, "rb") as file:  # noqa: PTH123 - so often that a Path of each counts
                if self._tail is not None:
                    seek_last_lines(file, self._tail)
                first = file.read(_CHUNK)
                print(f"{title} ({printable(path)}){'' if first else ' is empty'}")
                sys.stdout.flush()
                chunk, pending, last = first, b"", b"\n"
                while chunk:
                    last = chunk[-1:]
                    lines, newline, pending = (pending + chunk).rpartition(b"\n")
                    lines += newline
                    if self._raw or len(pending) > _MAX_LINE:
                        lines, pending = lines + pending, b""
                    write_log(lines, raw=self._raw)
                    chunk = file.read(_CHUNK)
                write_log(pending, raw=self._raw)
                if last != b"\n":
                    print()
        except FileNotFoundError:
            print(f"{title} ({printable(path)}) is not there")
        except OSError as error:
            print(f"{title} ({printable(path)}) can't be read: {error.strerror}")


class JsonReport:
    """Prints one array of objects, with the logs as texts."""

    def __init__(self) -> None:
        self._separator = "[\n"

    def task(self, job: Job, task: Task, output: str | None, errors: str | None, kept: bytes = b"") -> None:
        logs = (output, errors) if output and errors else None
        shown = task_object(task, logs)
        shown |= {"id": job.id, "task": task.task_id or None, "name": job.spec.name or None}
        shown |= {"stdout": output, "stderr": errors, "output": _text(output), "errors": _text(errors)}
        if kept:
            shown["errors"] = kept.decode("utf-8", "backslashreplace")
        sys.stdout.write(self._separator + dumps(shown))
        self._separator = ",\n"

    def close(self) -> None:
        sys.stdout.write("[]\n" if self._separator == "[\n" else "\n]\n")


def write_log(data: bytes, *, raw: bool) -> None:
    """Write a piece of a log to standard output: whole lines, where it is not ``raw``."""
    if raw:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    lines = as_shown(data).decode("utf-8", "backslashreplace").split("\n")
    sys.stdout.write("\n".join(printable(line.expandtabs()) for line in lines))


async def follow_logs(
    pieces: AsyncIterator[tuple[Task, int, bytes]], *, raw: bool, streams: Mapping[int, bool]
) -> None:
    """Print what is written to logs as it comes, each line with the task that wrote it.

    ``streams``: whether output (1) and errors (2) are asked for.
    """
    async for task, stream, lines in pieces:
        if not streams[stream]:
            continue
        for line in lines.splitlines() if raw else lines.removesuffix(b"\n").split(b"\n"):
            sys.stdout.write(f"{task_label(task)}| ")
            write_log(line + b"\n", raw=raw)
        sys.stdout.flush()


def _text(path: str | None) -> str | None:
    if path is None:
        return None
    try:
        return Path(path).read_bytes().decode("utf-8", "backslashreplace")
    except OSError:
        return None
