"""Output of tasks that have no log file: read from pipes, passed on in whole lines."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable

from asyncjman.executors.local.reap import most_descriptors

Output = Callable[[int, bytes], None]
"""Takes 1 (standard output) or 2 (standard error), and whole lines."""

_CHUNK = 65536
_MAX_LINE = 1 << 20


class LinePipe:
    """The reading end of one task's stdout or stderr."""

    def __init__(self, loop: asyncio.AbstractEventLoop, stream: int, output: Output) -> None:
        self._loop = loop
        self._stream = stream
        self._output = output
        self._pending = b""
        self._read_end, self.write_end = os.pipe()
        self._open = True
        if self.write_end >= most_descriptors():
            self.abandon()
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        os.set_blocking(self._read_end, False)

    def start(self) -> None:
        """Begin to read; the process has its own copy of the writing end by now."""
        os.close(self.write_end)
        self._loop.add_reader(self._read_end, self._read)

    def finish(self) -> None:
        """Pass on what is still there, and close: a process that lives on can't hold this open."""
        while self._open and self._read():
            pass
        self._close()
        if self._pending:
            self._output(self._stream, self._pending + b"\n")
            self._pending = b""

    def abandon(self) -> None:
        """Close both ends of a pipe that no process ever got."""
        os.close(self.write_end)
        os.close(self._read_end)
        self._open = False

    def _read(self) -> bool:
        try:
            data = os.read(self._read_end, _CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self._close()
            return False
        lines, newline, rest = (self._pending + data).rpartition(b"\n")
        if newline:
            self._output(self._stream, lines + b"\n")
        elif len(rest) > _MAX_LINE:
            self._output(self._stream, rest)
            rest = b""
        self._pending = rest
        return True

    def _close(self) -> None:
        if self._open:
            self._open = False
            self._loop.remove_reader(self._read_end)
            os.close(self._read_end)
