"""What functions gave back: written out in groups, before the ends of their tasks are stored.

A process that was forked for a function leaves its result to the kernel: were it to wait for the disk, each
call would, one after the other.
"""

from __future__ import annotations

import asyncio

from asyncjman.errors import EnvironmentProblem
from asyncjman.system.durable import make_durable

_PART = 4
"""So many files are worth a thread."""
_MOST_THREADS = 8


class Results:
    """Result files of attempts that have ended, and are not known to be on the disk."""

    def __init__(self) -> None:
        self._paths: list[str] = []

    def add(self, path: str) -> None:
        self._paths.append(path)

    async def write_out(self) -> None:
        """Return when all of them, and their entries in their folders, are on the disk.

        Raises EnvironmentProblem where the disk reports an error: it would not report it once more.
        """
        paths, self._paths = self._paths, []
        if not paths:
            return
        count = min(_MOST_THREADS, 1 + len(paths) // _PART)
        try:
            # several at a time share a commit of the file system's journal
            parts = [paths[first::count] for first in range(count)]
            await asyncio.gather(*[asyncio.to_thread(make_durable, part, ()) for part in parts])
            folders = sorted({path.rpartition("/")[0] for path in paths})
            await asyncio.to_thread(make_durable, (), folders)
        except OSError as error:
            raise EnvironmentProblem(f"what functions returned can't be written: {error}") from error
