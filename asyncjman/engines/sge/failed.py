"""What accounting's ``failed`` code says of a job (sge_status(5)): whose fault it was, what is known then.

Of Son of Grid Engine 8.1.9. A code says more than the exit status beside it, which is 0 where there was
none: a job whose shepherd was killed has failed 19, exit status 0, and neither start nor end.
"""

from __future__ import annotations

from enum import Enum, auto


class Failed(Enum):
    """Kinds of codes."""

    NO = auto()
    """The job ran, and nothing went wrong around it."""
    REFUSED = auto()
    """It never ran, for something that it asked for: a log, a shell, a folder that is not there."""
    LOST = auto()
    """The node could not run it, or lost it: neither exit status nor times mean anything."""
    LIMIT = auto()
    """It ran into a limit of the queue, or its own."""
    SIGNAL = auto()
    """It ran, and a signal ended it; or it died with its node."""
    AFTERWARDS = auto()
    """It ran, and what comes after it (an epilog) failed: its exit status holds."""
    OTHER = auto()
    """A code that is not known here."""


_KINDS = {
    0: Failed.NO,
    26: Failed.REFUSED,
    27: Failed.REFUSED,
    28: Failed.REFUSED,
    # what fails before the job, a shepherd or a daemon that died, groups that can't be had, and a job
    # that was taken away to be run again, and wasn't
    **dict.fromkeys([*range(1, 12), *range(18, 26), 29, *range(31, 37), 38], Failed.LOST),
    **dict.fromkeys([*range(12, 17), 30], Failed.AFTERWARDS),
    17: Failed.SIGNAL,
    37: Failed.LIMIT,
    100: Failed.SIGNAL,
}


def kind_of(code: int) -> Failed:
    """Return the kind of a code.

    >>> kind_of(19), kind_of(37)
    (<Failed.LOST: 3>, <Failed.LIMIT: 4>)
    """
    return _KINDS.get(code, Failed.OTHER)
