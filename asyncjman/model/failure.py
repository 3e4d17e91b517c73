"""Why an attempt failed."""

from __future__ import annotations

import signal
from collections.abc import Set
from enum import StrEnum

KEPT_BYTES = 4096
"""So much of the end of standard error is kept of an attempt that failed."""


class Cause(StrEnum):
    """Why an attempt failed: one for each."""

    EXIT = "exit"
    """It ended with another exit status than 0."""
    SIGNAL = "signal"
    """A signal ended it."""
    TIMEOUT = "timeout"
    """It took longer than it may."""
    MEMORY = "memory"
    """It took more memory than it may."""
    NODE = "node"
    """Its machine failed, or the process that ran it was killed."""
    LAUNCH = "launch"
    """Its machine could not start it."""
    VANISHED = "vanished"
    """The cluster knows nothing of it any more, and nothing tells how it ended."""


_ALIASES = {"failure": Cause.EXIT, "oom": Cause.MEMORY}
_OF_THE_MACHINE = frozenset({Cause.NODE, Cause.LAUNCH, Cause.VANISHED})


def cause_named(word: str) -> Cause:
    """Return the cause that a user means; ``failure`` and ``oom`` are understood too.

    Raises ValueError for a word that is none.
    """
    return _ALIASES.get(word) or Cause(word)


def is_among(wanted: Set[Cause], cause: Cause, signal_number: int | None) -> bool:
    """Tell whether a failure is of one of these causes.

    NODE stands for all that is the machine's fault. MEMORY matches a SIGKILL that was not ours, too: it is
    what the kernel sends to what takes too much memory (signal(7), proc(5) "oom_score").
    """
    if cause in wanted:
        return True
    if Cause.NODE in wanted and cause in _OF_THE_MACHINE:
        return True
    return Cause.MEMORY in wanted and cause is Cause.SIGNAL and signal_number == signal.SIGKILL
