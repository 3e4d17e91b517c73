"""When a task that failed is tried again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from asyncjman.errors import UsageError

_DURATION = r"(\d+(?:\.\d+)?)\s*(s|m|h|d|)"
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


class Cause(StrEnum):
    """Why a task failed."""

    FAILURE = "failure"
    """It ended with another exit status than 0."""
    TIMEOUT = "timeout"
    """It took longer than it may."""
    SIGNAL = "signal"
    """A signal ended it."""
    OOM = "oom"
    """It was killed as the system, or the cluster, kills what takes too much memory."""
    NODE = "node"
    """Its machine failed, or the process that ran it was killed."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How often, after which causes, and how many seconds later."""

    count: int
    causes: frozenset[Cause] = frozenset(Cause)
    delay: float = 0.0

    def applies(self, causes: Iterable[Cause], attempt: int) -> bool:
        """Tell whether attempt number ``attempt`` (from 1) is to be followed by another one."""
        return attempt <= self.count and not self.causes.isdisjoint(causes)

    def dumps(self) -> str:
        """Write it as ASCII JSON."""
        return json.dumps({"count": self.count, "causes": sorted(self.causes), "delay": self.delay})

    @classmethod
    def loads(cls, text: str) -> Retry:
        """Read what ``dumps`` wrote."""
        kept = json.loads(text)
        return cls(kept["count"], frozenset(map(Cause, kept["causes"])), kept["delay"])


def causes_of(*, signal: int | None, timed_out: bool = False) -> frozenset[Cause]:
    """Return what may have caused a failure that was seen here.

    A SIGKILL that nobody of ours sent is what the kernel's OOM killer sends (signal(7)): it counts as
    both.
    """
    if timed_out:
        return frozenset({Cause.TIMEOUT})
    if signal is None:
        return frozenset({Cause.FAILURE})
    return frozenset({Cause.SIGNAL, Cause.OOM} if signal == 9 else {Cause.SIGNAL})


def parse_causes(texts: Iterable[str]) -> frozenset[Cause]:
    """Read causes, with commas between. Raises UsageError for a word that is none."""
    words = [word.strip() for text in texts for word in text.split(",")]
    try:
        return frozenset(map(Cause, words))
    except ValueError:
        known = ", ".join(Cause)
        raise UsageError(f"bad cause in {','.join(words)!r}: there are {known}") from None


def parse_duration(text: str) -> float:
    """Read ``90``, ``10s``, ``5m``, ``2h``, ``1d``; return seconds. Raises UsageError for anything else.

    >>> parse_duration("2h"), parse_duration("1.5m")
    (7200.0, 90.0)
    """
    match = re.fullmatch(_DURATION, text.strip(), re.ASCII)
    if not match:
        raise UsageError(f"bad time {text!r}: write seconds, or 10s, 5m, 2h, 1d")
    return float(match[1]) * _SECONDS[match[2]]
