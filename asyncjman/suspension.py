"""Ctrl-Z: a process that holds a lock of a database lets go of it before it is suspended.

A suspended process keeps its locks, and everybody else would wait for them. SIGSTOP can't be put off.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_step_aside: Callable[[], None] | None = None
_busy = 0
_wanted = False


@contextmanager
def unsuspended() -> Iterator[None]:
    """Put a suspension off to the end of the block."""
    global _busy
    _busy += 1
    try:
        yield
    finally:
        _busy -= 1
        if _wanted and not _busy:
            _suspend()


def before_suspension(action: Callable[[], None]) -> None:
    """Have this done first, whenever a suspension comes: it may be in the middle of anything."""
    global _step_aside
    _step_aside = action


def suspend_between_blocks() -> None:
    """Have Ctrl-Z (SIGTSTP) wait for the end of such blocks: for programs of our own, in their main thread.

    One that is ignored at the start stays ignored.
    """
    if signal.getsignal(signal.SIGTSTP) is signal.SIG_DFL:
        signal.signal(signal.SIGTSTP, _on_signal)


def _on_signal(number: int, frame: FrameType | None) -> None:
    global _wanted
    if _busy:
        _wanted = True
    else:
        _suspend()


def _suspend() -> None:
    global _wanted
    _wanted = False
    if _step_aside is not None:
        _step_aside()
    before = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
    signal.raise_signal(signal.SIGTSTP)  # returns when the process goes on
    signal.signal(signal.SIGTSTP, before)
