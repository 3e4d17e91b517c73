"""What functions gave back: written out in groups, before the ends of their tasks are stored.

A process that was forked for a function leaves its result to the kernel: were it to wait for the disk, each
call would, one after the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from asyncjman.errors import EnvironmentProblem
from asyncjman.system.durable import make_durable, write_anew

_PART = 4
"""So many files are worth a thread."""
_MOST_THREADS = 8


class Results:
    """Result files of attempts that have ended, and are not known to be on the disk."""

    def __init__(self) -> None:
        self._paths: list[str] = []
        self._is_doubtful = False
        """Whether the disk reported an error of some of them."""

    def add(self, path: str) -> None:
        self._paths.append(path)

    async def write_out(self) -> None:
        """Return when all of them, and their entries in their folders, are on the disk.

        Raises EnvironmentProblem where the disk reports an error; they stay to be written out, then anew.
        """
        paths = list(self._paths)  # more come meanwhile
        if not paths:
            return
        count = min(_MOST_THREADS, 1 + len(paths) // _PART)
        # several at a time share a commit of the file system's journal
        parts = [paths[first::count] for first in range(count)]
        write = write_anew if self._is_doubtful else partial(make_durable, folders=())
        try:
            await _all([partial(write, part) for part in parts])
            folders = sorted({path.rpartition("/")[0] for path in paths})
            await _all([partial(make_durable, (), folders)])
        except OSError as error:
            self._is_doubtful = True
            raise EnvironmentProblem(
                f"what functions returned can't be written to {error.filename}: {error.strerror}"
            ) from error
        del self._paths[: len(paths)]
        self._is_doubtful = False


async def _all(calls: Sequence[Callable[[], None]]) -> None:
    """Make each call in a thread; raise the first error once all have returned."""
    for error in await asyncio.gather(*map(asyncio.to_thread, calls), return_exceptions=True):
        if error is not None:
            raise error
