"""Where the log files of a task are."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path, PurePath

from asyncjman.model.job import PLAIN_TASK, JobSpec, derived_name
from asyncjman.model.paths import absolute, detached_output

_UNSAFE = r"[\x00-\x1f\x7f/\\\x80-\x9f]"
_MAX_NAME_BYTES = 150


def display_name(spec: JobSpec) -> str:
    """Return the job's name; where it has none, the file name of its command."""
    return spec.name or derived_name(spec.command)


def file_stem(name: str) -> str:
    """Return ``name`` as a file name can hold it: no slash, no control character, not too long.

    >>> file_stem("../a/b"), file_stem(".."), file_stem("my job")
    ('.._a_b', '__', 'my job')
    """
    stem = re.sub(_UNSAFE, "_", name)
    if stem in (".", "..", ""):
        stem = "_" * max(len(stem), 1)
    while len(stem.encode("utf-8", "surrogateescape")) > _MAX_NAME_BYTES:
        stem = stem[:-1]
    return stem


def log_paths(spec: JobSpec, job_id: int, task_id: int) -> tuple[str, str] | None:
    """Return the paths of the output and the error log of a task, None where it has none.

    ``DIR/NAME.oID[.TASK]`` and ``.eID[.TASK]`` always hold the latest attempt.
    """
    start = log_start(spec)
    return None if start is None else logs_from(start, job_id, task_id)


def log_start(spec: JobSpec) -> str | None:
    """Return the beginning of the paths of all logs of a job, None where it has none."""
    return None if spec.log_dir is None else _log_start(spec.exec_dir, spec.log_dir, display_name(spec))


def logs_from(start: str, job_id: int, task_id: int) -> tuple[str, str]:
    """Return the paths of the output and the error log of a task by their beginning."""
    tail = f"{job_id}.{task_id}" if task_id != PLAIN_TASK else str(job_id)
    return f"{start}.o{tail}", f"{start}.e{tail}"


@lru_cache(maxsize=1024)
def _log_start(exec_dir: str, log_dir: str, name: str) -> str:
    return str(PurePath(exec_dir, log_dir, file_stem(name)))


def refuse_foreign_link(exec_dir: str, log: str) -> None:
    """Raise OSError where another user's symbolic link leads to a file's folder: it may lead anywhere.

    Links of this user and of root are followed, and so are those on the way to ``exec_dir``. Of a folder
    elsewhere only the last name is checked: the user wrote its whole path.
    """
    folder = log.rpartition("/")[0]
    start, parts = folder.rpartition("/")[0], [folder.rpartition("/")[2]]
    if folder.startswith(exec_dir.rstrip("/") + "/"):
        start = exec_dir.rstrip("/")
        parts = folder[len(start) + 1 :].split("/")
    for part in parts:
        start += f"/{part}"
        try:
            found = os.lstat(start)
        except OSError:
            return  # not there yet: made by us
        if stat.S_ISLNK(found.st_mode) and found.st_uid not in (os.geteuid(), 0):
            what = f"{start} is a symbolic link of another user (uid {found.st_uid})"
            raise OSError(errno.ELOOP, f"not followed: {what}", start)


def earlier_log(path: str, attempt: int) -> str:
    """Return where a log is kept once a later attempt has begun."""
    return f"{path}.attempt{attempt}"


def keep_earlier_log(path: str, attempt: int) -> None:
    """Move the log of the attempt before ``attempt`` out of its way, where there is one."""
    kept = Path(earlier_log(path, attempt - 1))
    if not kept.exists():
        with suppress(FileNotFoundError):
            Path(path).rename(kept)


def read_end(path: str, size: int) -> bytes:
    """Return the last bytes of a log; nothing where it can't be read."""
    try:
        # not blocking: a pipe that somebody put there would never end
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - size))
            return file.read(size) or b""
    except OSError:
        return b""


def spool_folder(database: Path, token: str) -> str:
    """Return the folder, beside the database, for the files of the job with this token."""
    return f"{absolute(database)}.spool/{token}"


def remove_logs(start: str, job_id: int, task_ids: Iterable[int], attempt: int) -> Iterator[str]:
    """Delete the logs of tasks, of this attempt and of all before; yield the paths of those that were there.

    Raises OSError where one can't be deleted.
    """
    for task_id in task_ids:
        for log in logs_from(start, job_id, task_id):
            for path in (log, *(earlier_log(log, number) for number in range(1, attempt))):
                with suppress(FileNotFoundError, NotADirectoryError):
                    os.unlink(path)  # noqa: PTH108 - so often that it counts
                    yield path


def detached_outputs(database: Path) -> list[Path]:
    """Return the files with the output of detached executes of a database: this user's, and no links."""
    path = database.resolve()
    before, _, after = detached_output(path.name, "\0").partition("\0")
    found = []
    with suppress(OSError):
        for file in path.parent.iterdir():
            if not (file.name.startswith(before) and file.name.endswith(after)):
                continue
            status = file.lstat()
            is_pid = file.name.removeprefix(before).removesuffix(after).isdecimal()
            if is_pid and stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid():
                found.append(file)
    return sorted(found)


def remove_spool(database: Path, token: str) -> None:
    """Delete the spool folder of a job, and the folder that it is in if that is empty then."""
    folder = Path(spool_folder(database, token))
    try:
        refuse_foreign_link(str(absolute(database).parent), str(folder / "any"))
    except OSError:
        return
    if token and not folder.is_symlink():
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # not empty; or removed before, by a command that was killed then
            folder.parent.rmdir()
