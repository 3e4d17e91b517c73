"""Screens of a terminal as a user sees them: what was written to it, played back by pyte."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pyte

GOLDEN = Path(__file__).parent / "golden"
_CHANGES = (
    (r"(?<![\w.])\d+m\d\ds|(?<![\w.])\d+s(?!\w)", "#s"),
    (r" +\d+(\.\d)? [KM]iB$", ""),
    (r"(, |  )\d+(\.\d)?/[smh](?!\w)", ""),
    (r"(, |  )(~\d+ [smh]|\d+ [smh] to \d+ [smh]) left", ""),
    # how much is claimed ahead of time is a matter of moments
    (r"(, |  |^)\d+ (queued|submitted|waiting)(?! for)", ""),
    (r", \d+ [a-z]*…$", ""),
    (r"  (queued|submitted|waiting)( for \d+)?$", "  not started"),
    (r"(^|  )#s$", ""),
)
"""What differs from run to run: times, rates, memory (measured every 2 seconds), and what is next."""


class _Kept(pyte.HistoryScreen):
    """Like tmux: what is cleared of the whole screen at once scrolls off it."""

    def erase_in_display(self, how: int = 0, *args: object, **more: object) -> None:
        if how == 0 and (self.cursor.x, self.cursor.y) == (0, 0):
            used = max((at for at, line in enumerate(self.display, 1) if line.strip()), default=0)
            self.history.top.extend(self.buffer[at] for at in range(used))
            self.buffer.clear()
        super().erase_in_display(how, *args, **more)


class Screen:
    """A terminal of so many columns and rows, and what scrolled off it."""

    def __init__(self, columns: int, rows: int) -> None:
        self._screen = _Kept(columns, rows, history=1000)
        self._stream = pyte.ByteStream(self._screen)
        self._screen.set_mode(pyte.modes.LNM)

    def feed(self, data: bytes) -> None:
        self._stream.feed(data)

    def resize(self, columns: int, rows: int) -> None:
        self._screen.resize(rows, columns)

    @property
    def lines(self) -> list[str]:
        """Return the rows that are seen, without those at the end that are empty."""
        found = [line.rstrip() for line in self._screen.display]
        while found and not found[-1]:
            found.pop()
        return found

    @property
    def scrolled(self) -> list[str]:
        """Return the rows that were pushed off the top."""
        columns = self._screen.columns
        return ["".join(row[at].data for at in range(columns)).rstrip() for row in self._screen.history.top]


def steady(lines: list[str]) -> str:
    """Return a screen without what differs from run to run."""
    found = []
    for line in lines:
        for pattern, change in _CHANGES:
            line = re.sub(pattern, change, line)
        found.append(line.rstrip())
    return "".join(f"{line}\n" for line in found if line)


def assert_golden(name: str, lines: list[str]) -> None:
    """Compare a screen with the one that was looked at, and kept; JMAN_RENEW_GOLDEN keeps this one."""
    found, path = steady(lines), GOLDEN / f"{name}.txt"
    if "JMAN_RENEW_GOLDEN" in os.environ:
        path.parent.mkdir(exist_ok=True)
        path.write_text(found)
    assert found == path.read_text(), found
