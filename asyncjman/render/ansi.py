"""Lines of rich as they are written: with colours where those are wanted."""

from __future__ import annotations

from typing import TextIO

from rich.console import Console
from rich.text import Text


def console_of(file: TextIO, *, color: bool) -> Console:
    """Return what writes lines; the rule that rich has for colours is not asked."""
    return Console(
        file=file,
        force_terminal=True,
        color_system="standard" if color else None,
        highlight=False,
        soft_wrap=False,
    )


def written(console: Console, line: Text) -> str:
    """Return a line as it is written."""
    with console.capture() as found:
        console.print(line, end="", soft_wrap=True)
    return found.get()
