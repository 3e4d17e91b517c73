"""Output of tasks that have no log file: read from pipes, passed on in whole lines."""

from __future__ import annotations

import array
import asyncio
import errno
import fcntl
import os
import termios

from asyncjman.engines.base import Output
from asyncjman.engines.local.reap import most_descriptors
from asyncjman.model.failure import KEPT_BYTES

_CHUNK = 65536
_MAX_LINE = 1 << 20


class LinePipe:
    """The reading end of one task's stdout or stderr."""

    def __init__(self, loop: asyncio.AbstractEventLoop, stream: int, output: Output) -> None:
        self._loop = loop
        self._stream = stream
        self._output = output
        self._pending = b""
        self.end = b""
        """The last ``KEPT_BYTES`` of it, or some more."""
        self._read_end, self.write_end = os.pipe()
        self._open = True
        if self.write_end >= most_descriptors():
            self.abandon()
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        os.set_blocking(self._read_end, False)

    def start(self) -> None:
        """Begin to read; the process has its own copy of the writing end by now."""
        self._loop.add_reader(self._read_end, self._read)
        self._close_write_end()

    def finish(self) -> None:
        """Pass on what is in the pipe now, and close it: a process that lives on may write for ever."""
        left = self._available() if self._open else 0
        while left > 0 and (count := self._read()):
            left -= count
        self._close()
        if self._pending:
            self._output(self._stream, self._pending + b"\n")
            self._pending = b""

    def abandon(self) -> None:
        """Close both ends of a pipe that no process ever got."""
        self._close_write_end()
        os.close(self._read_end)
        self._open = False

    def _read(self) -> int:
        """Read a piece; return how many bytes that were."""
        try:
            data = os.read(self._read_end, _CHUNK)
        except BlockingIOError:
            return 0
        if not data:
            self._close()
            return 0
        self.end = self.end[-KEPT_BYTES:] + data if len(data) < KEPT_BYTES else data
        lines, newline, rest = (self._pending + data).rpartition(b"\n")
        self._pending = rest
        if newline:
            self._pass_on(lines + b"\n")
        elif len(rest) > _MAX_LINE:
            self._pending = b""
            self._pass_on(rest)
        return len(data)

    def _pass_on(self, lines: bytes) -> None:
        room = self._output(self._stream, lines)
        if isinstance(room, asyncio.Future):
            self._loop.remove_reader(self._read_end)
            room.add_done_callback(self._resume)

    def _resume(self, room: asyncio.Future[None]) -> None:
        if self._open:
            self._loop.add_reader(self._read_end, self._read)

    def _available(self) -> int:
        """Return how many bytes are in the pipe."""
        count = array.array("i", [0])
        fcntl.ioctl(self._read_end, termios.FIONREAD, count)
        return count[0]

    def _close(self) -> None:
        if self._open:
            self._open = False
            self._loop.remove_reader(self._read_end)
            os.close(self._read_end)
            self._close_write_end()

    def _close_write_end(self) -> None:
        if self.write_end >= 0:
            os.close(self.write_end)
            self.write_end = -1
