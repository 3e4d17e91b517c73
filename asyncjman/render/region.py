"""The lower lines of a terminal, redrawn where they changed, with everything else scrolling above them.

The cursor waits at the beginning of the first of these lines. A terminal that is made narrower wraps them
anew, or cuts them, but the cursor stays where they begin: what is below it is cleared and drawn once more.
"""

from __future__ import annotations

from collections.abc import Sequence

_CLEAR = "\r\x1b7\x1b[K\x1b[B\x1b[J\x1b8"
"""Clears from here on, the first row by itself: tmux keeps what of a whole screen is cleared at once."""


class Region:
    """What is drawn now; each verb returns what is to be written."""

    def __init__(self) -> None:
        self._drawn: list[str] = []
        self._size: tuple[int, int] | None = None

    def frame(self, lines: Sequence[str], size: tuple[int, int], above: Sequence[str] = ()) -> str:
        """Draw these lines, none wider than the terminal; ``above`` is printed once, and scrolls.

        ``size``: columns and rows of the terminal, which is to have one row more than there are lines.
        """
        before, self._drawn = self._drawn, list(lines)
        resized, self._size = self._size not in (None, size), size
        if above or resized or len(before) != len(lines):
            start = _CLEAR if before or resized else "\r"
            text = "".join(f"{line}\n" for line in above)
            return start + text + "\n".join(lines) + _up(len(lines) - 1)
        # the first one always: what is typed (^C) stands there
        changed = [at for at, line in enumerate(lines) if at == 0 or line != before[at]]
        found, row = "", 0
        for at in changed:
            found += "\r" + _down(at - row) + lines[at] + "\x1b[K"
            row = at
        return found + _up(row) if found else ""

    def clear(self) -> str:
        """Remove the lines; what is written next stands in their place."""
        drawn, self._drawn = self._drawn, []
        return _CLEAR if drawn else ""

    def forget(self) -> None:
        """Draw all of it anew next time, from where the cursor is then: others have written meanwhile."""
        self._drawn, self._size = [], (0, 0)


def _up(rows: int) -> str:
    return (f"\x1b[{rows}A" if rows > 0 else "") + "\r"


def _down(rows: int) -> str:
    return f"\x1b[{rows}B" if rows > 0 else ""
