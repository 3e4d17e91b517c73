"""The record files that job scripts write: one when a task starts, one when it ends.

``start.TASK`` and ``exit.TASK`` in the job's record folder, put there by rename, hold lines of a
word and its value and close with ``end``.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from asyncjman.model.failure import Cause
from asyncjman.model.status import Status
from asyncjman.system.durable import make_durable

_NAME = re.compile(r"(start|exit)\.(\d{1,10})", re.ASCII)
_INTEGER = re.compile(r"-?\d{1,12}", re.ASCII)
_TIME = re.compile(r"\d{1,11}(\.\d{1,9})?", re.ASCII)
_USUAL_END = re.compile(
    r"jman 1\njob (\d{1,12})\ntask (\d{1,12})\nattempt (\d{1,12})\ngrid (.+)\nhost (.+)\n"
    r"restart (?:unknown|(\d{1,12}))\ntime (\d{1,11}(?:\.\d{1,9})?)\nstarted (\d{1,11}(?:\.\d{1,9})?)\n"
    r"signal .*\nexit_status (\d{1,12})\n"
    r"times\n.*\n(\d{1,6})m(\d{1,6}\.\d{1,9})s (\d{1,6})m(\d{1,6}\.\d{1,9})s\nend\n",
    re.ASCII,
)
"""The record of a command that was run to its end: by far the most are such."""
_CAUSES = {str(one): one for one in Cause}
_MAX_BYTES = 65536
_MOST_SECONDS = 1e11
_SIGNAL_BASES = (128, 256)
"""What shells add to a signal's number: 128, and ksh93 256."""


class RecordKind(StrEnum):
    """What a record tells."""

    START = "start"
    EXIT = "exit"


@dataclass(slots=True, kw_only=True)
class Record:
    """What one record file says; times in seconds since 1970 by the node's clock.

    Not frozen: that takes thrice as long to make, and there is one for each task.
    """

    kind: RecordKind
    job_id: int
    task_id: int
    attempt: int
    native_id: str | None
    host: str | None
    time: float
    """When it started, or ended."""
    started_at: float | None = None
    exit_status: int | None = None
    """As the shell saw it, None where the command was never run: 128 + n may mean signal n."""
    reason: str | None = None
    skipped_by: int | None = None
    cause: Cause | None = None
    """Why it failed, where the script knows better than by the exit status."""
    cpu_seconds: float | None = None
    """What the script and all that it waited for used by then."""
    restart: int = 0
    """How often the cluster had started it anew by then."""
    stamp: tuple[int, int] = field(default=(0, 0), compare=False, repr=False)
    """Inode and time of change of the file, to tell it from a later one of the same name."""

    @property
    def file_name(self) -> str:
        return f"{self.kind}.{self.task_id}"

    @property
    def signal(self) -> int | None:
        """Return the signal that ended the command, as far as a shell can tell: from 128 + n."""
        for base in _SIGNAL_BASES:
            number = (self.exit_status or 0) - base
            if number > 0:
                with suppress(ValueError):
                    return int(signal.Signals(number))
        return None

    @property
    def status(self) -> Status:
        if self.kind is RecordKind.START:
            return Status.EXECUTING
        if self.skipped_by is not None:
            return Status.SKIPPED
        return Status.SUCCESS if self.exit_status == 0 else Status.FAILURE


def parse_record(
    kind: RecordKind, text: str, *, changed_at: float = 0.0, stamp: tuple[int, int] = (0, 0)
) -> Record | None:
    """Read one record; None for one that is cut off or is no record.

    ``changed_at`` stands in for the time where the node's ``date`` gave none; ``stamp``: see ``Record``.
    """
    usual = _USUAL_END.fullmatch(text) if kind is RecordKind.EXIT else None
    if usual is None:
        return _parse_any(kind, text, changed_at, stamp)
    return _of_usual(usual, changed_at, stamp)


def _of_usual(match: re.Match[str], changed_at: float, stamp: tuple[int, int]) -> Record:
    """Return what ``_parse_any`` does, in a third of the time."""
    job, task, attempt, native_id, host, restart, time, started, status, *used = match.groups()
    return Record(
        kind=RecordKind.EXIT,
        job_id=int(job),
        task_id=int(task),
        attempt=int(attempt),
        native_id=None if native_id == "0" else native_id,
        host=host,
        time=float(time) or changed_at,
        started_at=float(started),
        exit_status=int(status),
        cpu_seconds=60 * int(used[0]) + float(used[1]) + (60 * int(used[2]) + float(used[3])),
        restart=int(restart or 0),
        stamp=stamp,
    )


def _parse_any(kind: RecordKind, text: str, changed_at: float, stamp: tuple[int, int]) -> Record | None:
    lines = text.split("\n")
    if lines[0] != "jman 1" or lines[-2:] != ["end", ""]:
        return None
    values = {word: value for word, _, value in [line.partition(" ") for line in lines[1:-2]]}
    job_id, task_id = _integer(values.get("job")), _integer(values.get("task"))
    attempt = _integer(values.get("attempt"))
    if job_id is None or task_id is None or attempt is None:
        return None
    skipped_by = _integer(values.get("skipped"))
    exit_status = _integer(values.get("exit_status"))
    reason = values.get("reason") or None
    if kind is RecordKind.EXIT and exit_status is None and skipped_by is None and reason is None:
        return None
    return Record(
        kind=kind,
        job_id=job_id,
        task_id=task_id,
        attempt=attempt,
        native_id=None if values.get("grid") in (None, "", "0") else values["grid"],
        host=values.get("host") or None,
        time=_time(values.get("time")) or changed_at,
        started_at=_time(values.get("started")),
        exit_status=exit_status,
        reason=reason,
        skipped_by=skipped_by,
        cause=_CAUSES.get(values.get("cause", "")),
        cpu_seconds=_cpu_seconds(lines) if exit_status is not None else None,
        restart=_integer(values.get("restart")) or 0,
        stamp=stamp,
    )


def _cpu_seconds(lines: Sequence[str]) -> float | None:
    """Read what ``times`` of the shell printed, before the end: a line for itself, one for its children.

    Such a line is ``1m0.25s 0m0.5s``, user and system; some locales have a comma.
    """
    if len(lines) < 5 or lines[-5] != "times":
        return None
    try:
        parts = [one.rstrip("s").replace(",", ".").split("m") for one in lines[-3].split()]
        user, system = (60 * int(minutes) + float(seconds) for minutes, seconds in parts)
    except ValueError:
        return None
    return user + system if 0 <= user + system < _MOST_SECONDS else None


def read(path: Path, kind: RecordKind) -> Record | None:
    """Read one record file; None where it is missing, cut off, or no record."""
    return _load(os.fspath(path.parent), path.name, kind)


def scan(folder: str | os.PathLike[str]) -> Iterator[Record]:
    """Yield one record of each task that has some in a folder, in no order: of its end if there is one.

    Files that can't be read, or are no records, are left out; a missing folder is an empty one.
    """
    try:
        names = set(os.listdir(folder))  # noqa: PTH208 - half the cost
    except OSError:
        return
    place = os.fspath(folder)
    for name in names:
        if name.startswith("start.") and f"exit.{name[6:]}" in names:
            continue  # it is read with that, if at all
        match = _NAME.fullmatch(name)
        if match is None:
            continue
        start, end = f"start.{match[2]}", f"exit.{match[2]}"
        record = None
        if name == end:
            record = _load(place, end, RecordKind.EXIT)
        if record is None:
            record = _load(place, start, RecordKind.START)
        if record is not None:
            yield record


def secure(folder: Path, records: Iterable[Record]) -> None:
    """Have the records of ends on the disk: before it is stored what they say.

    Raises OSError where the disk reports an error.
    """
    files = [f"{folder}/{one.file_name}" for one in records if one.kind is RecordKind.EXIT]
    if files:
        make_durable(files, [folder])


def _load(folder: str, name: str, kind: RecordKind) -> Record | None:
    try:
        # not blocking: something else may have put a pipe there
        descriptor = os.open(f"{folder}/{name}", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        state = os.fstat(descriptor)
        data = os.read(descriptor, _MAX_BYTES)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    record = parse_record(
        kind,
        data.decode("utf-8", "surrogateescape"),
        changed_at=state.st_mtime,
        stamp=(state.st_ino, state.st_mtime_ns),
    )
    return record if record is not None and record.file_name == name else None


def _integer(text: str | None) -> int | None:
    return int(text) if text and _INTEGER.fullmatch(text) else None


def _time(text: str | None) -> float | None:
    return float(text) if text and _TIME.fullmatch(text) else None
