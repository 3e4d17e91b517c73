"""Writing to standard output and error without waiting for whoever reads them."""

from __future__ import annotations

import asyncio
import io
import os
import stat
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import groupby
from operator import itemgetter
from typing import BinaryIO, TextIO, cast

LIMIT = 1 << 20
"""Bytes that may wait to be written, of what can wait itself."""
_CHUNK = 1 << 16

Room = asyncio.Future[None]
"""Is done once there is room for more."""


class Outlet:
    """Takes what is to be written and returns at once; a thread for each reader writes it.

    What never makes anybody wait, such as a file, is written at once.
    """

    def __init__(self) -> None:
        out = _Pump(sys.stdout)
        self._pumps = {1: out, 2: out if _same(sys.stdout, sys.stderr) else _Pump(sys.stderr)}
        self._kept: list[tuple[int, bytes]] | None = None

    def write(self, stream: int, data: bytes) -> None:
        """Write to standard output (1) or error (2)."""
        if self._kept is None:
            self._pumps[stream].put(data)
        else:
            self._kept.append((stream, data))

    @contextmanager
    def together(self) -> Iterator[None]:
        """Write what comes in the block at its end, with as few calls as may be; nothing is awaited in it."""
        self._kept = []
        try:
            yield
        finally:
            kept, self._kept = self._kept, None
            for stream, pieces in groupby(kept, itemgetter(0)):
                self._pumps[stream].put(b"".join(data for _, data in pieces))

    def text(self, text: str) -> None:
        """Write text to standard output."""
        self.write(1, text.encode(sys.stdout.encoding, sys.stdout.errors or "strict"))

    def room(self, stream: int) -> Room | None:
        """Return what to wait for before more is written; None where there is room."""
        pump = self._pumps[stream]
        return pump.until(LIMIT // 2) if pump.pending > LIMIT else None

    @property
    def is_idle(self) -> bool:
        """Tell whether all is written."""
        return not any(pump.pending for pump in self._pumps.values())

    async def drain(self) -> None:
        """Return when all is written."""
        for pump in self._pumps.values():
            if pump.pending:
                await pump.until(0)


class OutletText(io.TextIOBase):
    """Standard output as a text file that never makes anybody wait."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet

    @property
    def encoding(self) -> str:  # type: ignore[override]  # a plain attribute in there
        return sys.stdout.encoding

    def write(self, text: str, /) -> int:
        self._outlet.text(text)
        return len(text)

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return sys.stdout.isatty()

    def fileno(self) -> int:
        return sys.stdout.fileno()


class _Pump:
    """One stream, and what waits to be written to it."""

    def __init__(self, stream: TextIO) -> None:
        stream.flush()
        buffer = cast(BinaryIO, getattr(stream, "buffer", None))
        # not through the buffer: a thread that waits in there would hold its lock at the end of the program
        self._target = getattr(buffer, "raw", buffer)
        self._waits = _may_wait(stream)
        self._changed = threading.Condition()
        self._queue: deque[bytes] = deque()
        self._levels: list[tuple[int, Room]] = []
        self._thread: threading.Thread | None = None
        self.pending = 0

    def put(self, data: bytes) -> None:
        if not self._waits:
            self._write(data)
            return
        with self._changed:
            self._queue.append(data)
            self.pending += len(data)
            self._changed.notify()
        if self._thread is None:
            self._thread = threading.Thread(target=self._pump, name="jman output", daemon=True)
            self._thread.start()

    def until(self, level: int) -> Room:
        """Return a future that is done once no more than so many bytes wait."""
        future: Room = asyncio.get_running_loop().create_future()
        with self._changed:
            self._levels.append((level, future))
            self._tell()
        return future

    def _pump(self) -> None:
        while True:
            with self._changed:
                while not self._queue:
                    self._changed.wait()
                pieces = [self._queue.popleft()]
                size = len(pieces[0])
                while self._queue and size + len(self._queue[0]) <= _CHUNK:
                    pieces.append(self._queue.popleft())
                    size += len(pieces[-1])
            self._write(b"".join(pieces))
            with self._changed:
                self.pending -= size
                self._tell()

    def _tell(self) -> None:
        ready = [future for level, future in self._levels if self.pending <= level]
        self._levels = [(level, future) for level, future in self._levels if self.pending > level]
        for future in ready:
            with suppress(RuntimeError):  # the loop is closed
                future.get_loop().call_soon_threadsafe(_finish, future)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        with suppress(OSError):
            while view:
                view = view[self._target.write(view) :]


def _finish(future: Room) -> None:
    if not future.done():
        future.set_result(None)


def _may_wait(stream: TextIO) -> bool:
    """Tell whether a write may have to wait for a reader."""
    mode = _stat(stream)
    return mode is not None and not (
        stat.S_ISREG(mode.st_mode) or (stat.S_ISCHR(mode.st_mode) and not stream.isatty())
    )


def _same(one: TextIO, other: TextIO) -> bool:
    first, second = _stat(one), _stat(other)
    return first is not None and second is not None and os.path.samestat(first, second)


def _stat(stream: TextIO) -> os.stat_result | None:
    """Return what a stream leads to; None where that is nothing of the system's."""
    try:
        return os.fstat(stream.fileno())
    except (OSError, ValueError):  # io.UnsupportedOperation is both
        return None
