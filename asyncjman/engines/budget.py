"""How long one command of ours may ask a cluster in all, however many of its commands that takes.

A qmaster that hangs makes each call run into its own limit of time: the calls of one ``jman list`` would
add up to minutes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable


class Budget:
    """Seconds for all calls together, from the first one on.

    With ``once``, nothing more is asked after a call that got no answer: a command that needs a slow
    cluster to carry something out has all the time for it, but doesn't wait for a dead one twice.
    """

    def __init__(
        self,
        seconds: float = math.inf,
        *,
        once: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = seconds
        self._once = once
        self._clock = clock
        self._end: float | None = None
        self._silent_for: float | None = None

    def left(self) -> float:
        """Return the seconds that a call may take now; 0 where nothing is to be asked any more."""
        if self._once and self._silent_for is not None:
            return 0.0
        if self._end is None:
            self._end = self._clock() + self._seconds
        return max(0.0, self._end - self._clock())

    def got_no_answer(self, seconds: float) -> None:
        """Take note that a call ran into its limit."""
        self._silent_for = seconds

    def has_time_for(self, seconds: float) -> bool:
        """Tell whether so much is left, or most of it all: what must not be broken off may begin."""
        return self.left() >= min(seconds, 0.7 * self._seconds)

    @property
    def words(self) -> str:
        """Say why nothing more is asked."""
        if self._silent_for is None:
            return f"not asked: the cluster took {self._seconds:g} s for other answers"
        return f"not asked: the cluster gave no answer within {self._silent_for:g} s"
