"""Standard output and error that may fail: nobody reads them any more, or they can't be written."""

from __future__ import annotations

import errno
import io
import os
import sys

from asyncjman.errors import EnvironmentProblem

TYPE_CHECKING = False  # the typing module is not loaded for it
if TYPE_CHECKING:
    from typing import TextIO

    from _typeshed import ReadableBuffer

_NOBODY = {errno.EPIPE, errno.EIO}
"""What a write gets where nobody reads: the pipe has no reader, or the terminal was closed."""


class NobodyReads(OSError):
    """Ends a command that only writes: its reader left."""


class Written(io.FileIO):
    """The writing end of a stream: once a write failed, the rest is dropped, and the work goes on.

    A command that does nothing but to write (``only_output``) ends then.
    """

    def __init__(self, descriptor: int, *, only_output: bool) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        self._only_output = only_output
        self._dropped = False
        self.problem: EnvironmentProblem | None = None
        """Why output was lost that somebody may miss."""

    def write(self, data: ReadableBuffer, /) -> int:
        if not self._dropped:
            try:
                while (count := super().write(data)) is None:  # somebody made it non-blocking, and it is full
                    _until_writable(self)
                return count
            except OSError as error:
                self._dropped = True
                if error.errno not in _NOBODY:
                    self.problem = EnvironmentProblem(f"can't write standard output: {error.strerror}")
                if self._only_output:
                    raise (self.problem or NobodyReads()) from error
        return memoryview(data).nbytes


def _until_writable(stream: Written) -> None:
    from select import select

    select([], [stream], [])


def mind_streams(*, only_output: bool) -> Written | None:
    """Put writing ends that may fail under ``sys.stdout`` and ``sys.stderr``; return the one of output.

    Where something else stands in their place, it is left there.
    """
    _fill_standard_numbers()
    if sys.stdout is None:
        sys.stdout = _devnull()
    if sys.stderr is None:
        sys.stderr = _devnull()
    sys.stderr, _ = _minded(sys.stderr, sys.__stderr__, only_output=False)
    sys.stdout, out = _minded(sys.stdout, sys.__stdout__, only_output=only_output)
    return out


def _minded(stream: TextIO, original: TextIO | None, *, only_output: bool) -> tuple[TextIO, Written | None]:
    if stream is not original or not isinstance(stream, io.TextIOWrapper):
        return stream, None
    raw = Written(stream.fileno(), only_output=only_output)
    fresh = io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors=stream.errors,
        # PYTHONUNBUFFERED has the writing go through at once instead, but not through what is below it here
        line_buffering=stream.line_buffering or stream is sys.__stderr__,
        write_through=stream.write_through,
    )
    return fresh, raw


def _fill_standard_numbers() -> None:
    """Occupy the descriptors 0 to 2 where who started us closed them: no other file must get these."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)


def _devnull() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8", errors="surrogateescape")  # noqa: PTH123 - kept open
