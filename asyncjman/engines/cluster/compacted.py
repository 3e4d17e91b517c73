"""One file in place of many records: the ends of tasks, once they are stored.

It holds a line of task id, exit status (or ``failed``, ``skipped``) and attempt for each; the last line on a
task counts. Scripts of jobs that depend on this one read it, too. Lines are appended, and only ``clear``
writes the file anew, without the tasks that run again: so it has hardly more lines than there are tasks.
Whoever writes holds a lock on it (flock(2)).
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from asyncjman.engines.cluster import records
from asyncjman.engines.cluster.records import Record, RecordKind
from asyncjman.system.durable import make_durable

COMPACTED = "folded"
"""The name of the file: job scripts that are in a queue know it by this one."""
_LINE = re.compile(r"(\d{1,10}) \S+ \d+\n", re.ASCII)


def compact(folder: Path, ended: Iterable[Record]) -> int:
    """Put the ends of tasks into one file and delete their record files; return how many were removed.

    To be called once they are stored. A file that was written anew since it was read stays.

    Raises OSError where the folder can't be written; nothing is lost then.
    """
    ends = sorted((one for one in ended if one.kind is RecordKind.EXIT), key=lambda one: one.task_id)
    if not ends:
        return 0
    _append(folder, (f"{one.task_id} {_code(one)} {one.attempt}\n" for one in ends))
    return sum(_remove(folder, one) for one in ends)


def _remove(folder: Path, end: Record) -> bool:
    """Delete the records of a task whose end was read; False where that was written anew, or can't be."""
    path = f"{folder}/{end.file_name}"
    try:
        state = os.stat(path)  # noqa: PTH116 - there may be very many
        if (state.st_ino, state.st_mtime_ns) != end.stamp:
            return False
        # the start first: an end without a start says all, a start without an end does not
        with suppress(FileNotFoundError):
            os.unlink(f"{folder}/start.{end.task_id}")  # noqa: PTH108
        os.unlink(path)  # noqa: PTH108
    except OSError:
        return False
    return True


def known(folder: Path) -> set[int]:
    """Return the tasks of which the end is written down, in a record or in this file."""
    found = {one.task_id for one in records.scan(folder) if one.kind is RecordKind.EXIT}
    file = folder / COMPACTED
    with suppress(FileNotFoundError), file.open(encoding="ascii", errors="replace") as stream:
        found |= {int(match[1]) for line in stream if (match := _LINE.fullmatch(line))}
    return found


def note(folder: Path, ends: Iterable[tuple[int, bool, int]]) -> None:
    """Write down (task id, success, attempt) of tasks that ended without a record of their own.

    The scripts of jobs that depend on them need not wait for one then. Raises OSError where the
    folder can't be written.
    """
    ends = list(ends)
    if not ends:
        return
    _append(
        folder,
        (f"{task_id} {'0' if success else 'failed'} {attempt}\n" for task_id, success, attempt in ends),
    )


def clear(folder: Path, task_ids: Iterable[int] | None) -> None:
    """Forget tasks that are to run again, compacted ones too, before they are submitted; None: all of them.

    Raises OSError where the folder can't be written.
    """
    wanted = {one.task_id for one in records.scan(folder)} if task_ids is None else set(task_ids)
    for task_id in wanted:
        for kind in RecordKind:
            (folder / f"{kind}.{task_id}").unlink(missing_ok=True)
    make_durable([], [folder])  # a former success that a power loss restores would start what waits
    if not (folder / COMPACTED).exists():
        return
    with _locked(folder) as descriptor:
        with open(descriptor, encoding="ascii", errors="replace", closefd=False) as stream:
            lines = stream.readlines()
        left = {int(match[1]): line for line in lines if (match := _LINE.fullmatch(line))}
        if task_ids is None:
            wanted |= left.keys()
        if not wanted.isdisjoint(left):
            _replace(folder, [line for task_id, line in sorted(left.items()) if task_id not in wanted])


def _code(record: Record) -> str:
    if record.skipped_by is not None:
        return "skipped"
    return "failed" if record.exit_status is None else str(record.exit_status)


@contextmanager
def _locked(folder: Path) -> Iterator[int]:
    """Open the file of compacted ends to append, while no other process writes it; give its descriptor.

    Where files can't be locked, there is no wait.
    """
    path = folder / COMPACTED
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            with suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_at(descriptor, path):  # else another process has put a new file there
                yield descriptor
                return
        finally:
            os.close(descriptor)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _append(folder: Path, lines: Iterable[str]) -> None:
    data = "".join(lines).encode("ascii")
    with _locked(folder) as descriptor:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            data = b"\n" + data  # a write before was cut off
        if os.write(descriptor, data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder / COMPACTED))
        os.fsync(descriptor)
    if not size:
        make_durable([], [folder])  # the entry of a file that is new


def _replace(folder: Path, lines: Iterable[str]) -> None:
    temporary = folder / f".{COMPACTED}.{os.getpid()}"
    with temporary.open("w", encoding="ascii") as stream:
        stream.writelines(lines)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(folder / COMPACTED)
    make_durable([], [folder])
