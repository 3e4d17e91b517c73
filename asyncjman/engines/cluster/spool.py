"""The files of launches: their scripts, and the records that these write."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from asyncjman.engines.base import LaunchRequest, Observation, Purpose, Saw, Watched
from asyncjman.engines.cluster import compacted, records
from asyncjman.engines.cluster.records import Record, RecordKind
from asyncjman.model.array import ArraySpec
from asyncjman.system.logs import refuse_foreign_link


class Spool:
    """The records of the launches that are polled for, as they were read last."""

    def __init__(self) -> None:
        self._read: dict[str, list[Record]] = {}
        self._folders: dict[str, str] = {}
        """Of launches, by their tokens."""
        self._late: dict[str, str] = {}
        """The same, with those whose ends were never proven."""

    def read(self, watched: Iterable[Watched]) -> None:
        """Read the records of all of them."""
        watched = list(watched)
        self._folders = {one.token: one.folder for one in watched if one.purpose is Purpose.STATE}
        self._read = {folder: list(records.scan(folder)) for folder in {one.folder for one in watched}}
        self._late = {one.token: one.folder for one in watched}

    def records_of(self, watched: Watched) -> Sequence[Record]:
        """Return what was read of the tasks of a launch."""
        read = self._read.get(watched.folder, [])
        if not watched.tasks:
            return read
        own = set(watched.tasks)
        return [record for record in read if record.task_id in own]

    def secure(self, ends: Iterable[Observation]) -> None:
        """Have the records on the disk from which ends were concluded. Raises OSError."""
        for folder, folder_ends in _by_folder(ends, self._late).items():
            keys = {(one.ref.task_id, one.ref.attempt) for one in folder_ends if one.ref is not None}
            ended = [one for one in self._read.get(folder, ()) if (one.task_id, one.attempt) in keys]
            records.secure(Path(folder), ended)

    def tidy(self, ends: Iterable[Observation]) -> None:
        """Compact the records whose ends are stored, and write down the ends that left none. Raises OSError.

        A record that comes late for a task that was given up is still to be read.
        """
        for folder, folder_ends in _by_folder(ends, self._folders).items():
            left = {one.ref.task_id: one for one in folder_ends if one.ref is not None}
            ended = []
            for record in self._read.get(folder, ()):
                end = left.get(record.task_id)
                if end is None or end.ref is None or record.kind is not RecordKind.EXIT:
                    continue
                if record.attempt == end.ref.attempt:
                    ended.append(record)
                    del left[record.task_id]
            compacted.compact(Path(folder), ended)
            silent = [
                (one.ref.task_id, one.saw is Saw.ENDED and one.cause is None, one.ref.attempt)
                for one in left.values()
                if one.ref is not None
            ]
            if silent:
                compacted.note(Path(folder), silent)


def _by_folder(ends: Iterable[Observation], folders: dict[str, str]) -> dict[str, list[Observation]]:
    found: dict[str, list[Observation]] = defaultdict(list)
    for one in ends:
        if one.token in folders:
            found[folders[one.token]].append(one)
    return found


def prepare_records(request: LaunchRequest) -> None:
    """Forget what earlier attempts of these tasks wrote, and write down how the others ended. Raises OSError.

    Scripts of jobs that wait for this one look for the ends of all its tasks, also of those that ran on
    another engine, which leaves no records.
    """
    folder = Path(request.folder)
    if folder.is_dir():
        _clear(request, folder)
    if request.ended:
        _make_folder(folder)
        known = compacted.known(folder)
        compacted.note(folder, [one for one in request.ended if one[0] not in known])


def _clear(request: LaunchRequest, folder: Path) -> None:
    if isinstance(request.tasks, ArraySpec):
        # a task that ran while it was stopped may have left something, and so may one that never ran
        compacted.clear(folder, None)
    else:
        compacted.clear(folder, [one.task_id for one in request.tasks])


def write_script(path: Path, text: bytes) -> None:
    """Write a script, which nothing must be in the place of."""
    refuse_foreign_link(str(path.parents[2]), str(path))
    _make_folder(path.parent)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
        file.write(text)


def _make_folder(folder: Path) -> None:
    # whatever the umask: others must not write there
    folder.parent.mkdir(mode=0o755, exist_ok=True)
    folder.mkdir(mode=0o755, exist_ok=True)


def forget_script(path: Path) -> None:
    """Delete the script of a launch that was not taken, and its folder if nothing else is there."""
    with suppress(OSError):
        path.unlink(missing_ok=True)
        path.parent.rmdir()
        path.parent.parent.rmdir()
