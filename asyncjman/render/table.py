"""A plain table that fits the terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence

_GAP = "  "
_MIN_WIDTH = 3


class Column:
    """A column's title and side, and the least width that it should be cut to.

    A spare one appears only where some row has something in it, and there is room.
    """

    def __init__(
        self, title: str, *, right: bool = False, least: int = _MIN_WIDTH, spare: bool = False
    ) -> None:
        self.title = title
        self.right = right
        self.least = least
        self.spare = spare


def terminal_width() -> int | None:
    """Return the columns of the terminal, None where the output is none: nothing is cut there."""
    if not sys.stdout.isatty():
        return None
    from shutil import get_terminal_size

    return get_terminal_size().columns


def cell_width(text: str) -> int:
    """Return how many terminal columns a text takes: wide characters two, combining ones none."""
    if text.isascii():
        return len(text)
    import unicodedata

    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def cut(text: str, width: int) -> str:
    """Return ``text`` cut to a width, with an ellipsis where something is missing."""
    if cell_width(text) <= width:
        return text
    kept, used = [], 0
    for char in text:
        used += cell_width(char)
        if used > width - 1:
            break
        kept.append(char)
    return "".join(kept) + "…"


class Table:
    """Lays rows out; widths are those of the rows given first, others are cut to them.

    A long table comes in pages: a page shows at least the columns of the one ``before``, as wide as there.
    """

    _shown: list[int]
    _widths: list[int]

    def __init__(
        self,
        columns: Sequence[Column],
        rows: Sequence[Sequence[str]],
        width: int | None = None,
        before: Table | None = None,
    ) -> None:
        known = {} if before is None else dict(zip(before._shown, before._widths, strict=True))
        self._shown = [
            at
            for at, column in enumerate(columns)
            if at in known or not column.spare or any(row[at] for row in rows)
        ]
        if width is not None:
            self._leave_out(columns, width)
        self._columns = [columns[at] for at in self._shown]
        self._widths = [
            max(
                [
                    known.get(at, 0),
                    cell_width(columns[at].title),
                    *(cell_width(row[at]) for row in rows),
                ]
            )
            for at in self._shown
        ]
        self._fits = width is not None
        if width is not None:
            self._shrink(width)
        self.has_new_columns = self._shown != list(known)
        """Whether its head says more than that of the page before."""

    def head(self) -> Iterator[str]:
        yield self._join([column.title for column in self._columns]).rstrip()
        yield _GAP.join("=" * width for width in self._widths)

    def line(self, row: Sequence[str], paint: Callable[[int, str], str] = lambda _, text: text) -> str:
        """Return one line; ``paint`` gets the number of the column and the padded cell."""
        return self._join([row[index] for index in self._shown], paint).rstrip()

    def _join(self, cells: Sequence[str], paint: Callable[[int, str], str] = lambda _, text: text) -> str:
        parts = []
        last = len(cells) - 1
        for at, (column, cell, width) in enumerate(zip(self._columns, cells, self._widths, strict=True)):
            text = cut(cell, width) if self._fits else cell
            padding = " " * (width - cell_width(text))
            if column.right:
                text = padding + text
            elif at != last:
                text += padding
            parts.append(paint(self._shown[at], text))
        return _GAP.join(parts)

    def _leave_out(self, columns: Sequence[Column], width: int) -> None:
        """Drop spare columns, the last ones first, until the others have room when they are cut."""
        spare = [at for at in self._shown if columns[at].spare]
        while spare and sum(columns[at].least + len(_GAP) for at in self._shown) > width:
            self._shown.remove(spare.pop())

    def _shrink(self, width: int) -> None:
        gaps = len(_GAP) * (len(self._widths) - 1)
        while sum(self._widths) + gaps > width and max(self._widths) > _MIN_WIDTH:
            able = [at for at, wide in enumerate(self._widths) if wide > _MIN_WIDTH]
            widest = max(able, key=lambda at: self._widths[at] - self._columns[at].least)
            self._widths[widest] -= 1
