"""What runs of one attempt, and what its end means."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from asyncjman.engines.base import Ref
from asyncjman.engines.local.console import LinePipe
from asyncjman.engines.local.reap import Ended
from asyncjman.model.failure import KEPT_BYTES, Cause
from asyncjman.model.signals import signal_name
from asyncjman.system.logs import read_end


@dataclass(slots=True, eq=False)
class Process:
    """What runs of one attempt."""

    token: str
    ref: Ref
    mark: str
    time_limit: float | None
    pipes: tuple[LinePipe, ...] = ()
    error_log: str | None = None
    limit: asyncio.TimerHandle | None = None
    timed_out: bool = False
    result: str | None = None
    """Where it was forked: the file with what it gave back. It tells how it ended if who could is gone."""
    is_left: bool = False
    """Whether the start was cancelled before it was known to be made."""
    is_announced: bool = False
    """Whether the scheduler knows of its start."""
    ended: Ended | None = None
    """Its end, where that came before."""

    def abandon(self) -> None:
        """Let go of what was made ready for it: it does not run."""
        for pipe in self.pipes:
            pipe.abandon()

    def errors(self) -> bytes:
        """Return the end of what it wrote to standard error."""
        if self.error_log is None:
            return self.pipes[1].end[-KEPT_BYTES:]
        return read_end(self.error_log, KEPT_BYTES)

    def why(self, ended: Ended) -> tuple[Cause | None, str | None]:
        """Return why the attempt failed, in a word and in words; None where it did not."""
        if self.timed_out:
            return Cause.TIMEOUT, f"timed out after {self.time_limit:g} s"
        if ended.signal is not None:
            return Cause.SIGNAL, f"killed by {signal_name(ended.signal)}"
        if ended.exit_status is None and self.result:
            return Cause.EXIT, "its exit status is not known: the process that it was forked from was ended"
        if ended.exit_status is None:
            return Cause.EXIT, "its exit status was taken by another part of this program"
        if ended.exit_status:
            return Cause.EXIT, f"exit status {ended.exit_status}"
        return None, None
