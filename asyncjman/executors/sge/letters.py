"""Grid Engine's state letters (qstat(1)) in our words.

Measured on Son of Grid Engine 8.1.9; letters of Univa Grid Engine from its manual.
"""

from __future__ import annotations

from asyncjman.model.status import Status

_KNOWN = frozenset("dEsSTNPrRthqwzfac")
_ENDED = frozenset("zf")


def status_of(letters: str) -> Status | None:
    """Return our status of a job or task in the state ``letters``; None: keep what was known.

    ``t`` (on its way to the host) is executing, never ended. ``Eqw`` is queued: it has not run,
    and only a person can end it; ``note_of`` says so. A held job waits.
    """
    state = set(letters)
    if not state or state - _KNOWN or state & _ENDED:
        return None
    if state & set("rt"):
        return Status.EXECUTING
    if "E" in state:
        return Status.QUEUED
    if "h" in state:
        return Status.WAITING
    if state & set("qw"):
        return Status.QUEUED
    # a suspended task shows as a lone s, S or T; a deleted one that ran as ds
    return Status.EXECUTING if state & set("sSTNP") else None


def is_error(letters: str) -> bool:
    """Tell whether the state is one that only a person can end (``Eqw``)."""
    return "E" in letters and "d" not in letters


def note_of(letters: str) -> str | None:
    """Return what a state says beyond our status, None for nothing."""
    state = set(letters)
    if "d" in state:
        return "being deleted"
    if "E" in state:
        return "error"
    if "s" in state:
        return "suspended"
    if "S" in state:
        return "suspended with its queue"
    if "T" in state:
        return "suspended by a load threshold"
    if state & set("NP"):
        return "suspended"
    if "h" in state and not state & set("rt"):
        return "held"
    if "R" in state:
        return "restarted"
    return None
