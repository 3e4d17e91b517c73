"""Names of signals."""

from __future__ import annotations

import signal


def signal_name(number: int) -> str:
    """Return a signal's name.

    >>> signal_name(9)
    'SIGKILL'
    """
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
