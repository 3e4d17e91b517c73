"""Grid Engine's state codes (qstat(1)) in our words.

Measured on Son of Grid Engine 8.1.9; codes of Univa Grid Engine from its manual.
"""

from __future__ import annotations

from functools import lru_cache

from asyncjman.engines.base import IN_ERROR, Saw
from asyncjman.engines.cluster.dialect import BEING_DELETED

_KNOWN = frozenset("dEsSTNPrRthqwzfac")
_ENDED = frozenset("zf")


@lru_cache(maxsize=256)
def saw_of(state_codes: str) -> Saw | None:
    """Return what the state ``state_codes`` of a job or task says; None: keep what was known.

    ``t`` (on its way to the host) is running, never ended. ``Eqw`` is pending: it has not run, and only a
    person can end it; ``note_of`` says so.
    """
    state = set(state_codes)
    if not state or state - _KNOWN or state & _ENDED:
        return None
    if state & set("rt"):
        return Saw.RUNNING
    if "E" in state:
        return Saw.PENDING
    if "h" in state:
        return Saw.HELD
    if state & set("qw"):
        return Saw.PENDING
    # a suspended task shows as a lone s, S or T; a deleted one that ran as ds
    return Saw.RUNNING if state & set("sSTNP") else None


def is_error(state_codes: str) -> bool:
    """Tell whether the state is one that only a person can end (``Eqw``)."""
    return "E" in state_codes and "d" not in state_codes


@lru_cache(maxsize=256)
def note_of(state_codes: str) -> str | None:
    """Return what a state says beyond our status, None for nothing."""
    state = set(state_codes)
    if "d" in state:
        return BEING_DELETED
    if "E" in state:
        return IN_ERROR
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
