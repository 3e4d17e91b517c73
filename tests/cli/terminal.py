"""Commands on a terminal, as a user has them."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Mapping
from pathlib import Path

from tests.cli.tools import COMMAND, TIMEOUT, Jman, Limit, Process, text_of


class Terminal:
    """A program on a terminal of its own."""

    def __init__(
        self, words: list[str], folder: Path, env: Mapping[str, str], columns: int = 80, rows: int = 24
    ) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = Process(
            [sys.executable, "-c", _TAKE_TERMINAL, *words],
            cwd=folder,
            env=dict(env),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self._data = b""

    def type(self, data: bytes) -> None:
        os.write(self._master, data)

    def read_until(self, wanted: bytes, timeout: float = 20.0) -> str:
        """Return all the output so far, once ``wanted`` is in it."""
        limit = Limit(timeout)
        while wanted not in self._data:
            assert self._read_within(limit), f"no {wanted!r} on the terminal, but {self._data!r}"
        return text_of(self._data)

    @property
    def data(self) -> bytes:
        """Return all that was written so far."""
        return self._data

    def resize(self, columns: int, rows: int) -> None:
        """Make the terminal of another size, as dragging a window's corner does."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.killpg(self.process.pid, signal.SIGWINCH)

    def read_for(self, seconds: float) -> None:
        """Take in what is written meanwhile."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._read(left)

    def finish(self, timeout: float = TIMEOUT) -> tuple[int, str]:
        """Return exit code and all the output, carriage returns of the terminal's taken away."""
        limit = Limit(timeout)
        try:
            while self._read_within(limit):
                pass
            return self.process.wait(timeout), text_of(self._data.replace(b"\r\n", b"\n"))
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            os.close(self._master)

    def _read_within(self, limit: Limit) -> bool:
        """Take in what is written next; False where that was all."""
        while not select.select([self._master], [], [], left := limit.left)[0]:
            assert left, f"nothing more on the terminal, which is not at its end, than {self._data!r}"
        return self._read(0)

    def _read(self, timeout: float) -> bool:
        if not select.select([self._master], [], [], timeout)[0]:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:  # Linux says EIO when the other side was closed
            return False
        self._data += data
        return bool(data)


_TAKE_TERMINAL = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"  # noqa: E501


def on_terminal(
    jman: Jman, *words: str, columns: int = 80, rows: int = 24, env: Mapping[str, str] | None = None
) -> Terminal:
    """Start ``jman`` on a terminal; where the test fails, it is ended with all else that it started."""
    terminal = Terminal([*COMMAND, *words], jman.folder, jman.environment(env), columns, rows)
    jman.started.append(terminal.process)
    return terminal
