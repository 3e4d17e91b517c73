"""When a task that failed is tried again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from asyncjman.errors import UsageError
from asyncjman.model.duration import Duration, seconds_of
from asyncjman.model.failure import Cause, cause_named, is_among

MOST_RETRIES = 2**31 - 1


@dataclass(frozen=True, slots=True, init=False)
class Retry:
    """How often, after which causes, and how many seconds later.

    >>> Retry(2, ["timeout", "node"], delay="30s").delay
    30.0
    """

    count: int
    causes: frozenset[Cause]
    delay: float

    def __init__(
        self, count: int, causes: Iterable[Cause | str] = frozenset(Cause), delay: Duration = 0.0
    ) -> None:
        """Raise UsageError for what makes no sense."""
        if not isinstance(count, int) or isinstance(count, bool) or not 0 <= count <= MOST_RETRIES:
            raise UsageError(
                f"bad number of retries {count!r}: it is a whole number from 0 to {MOST_RETRIES}"
            )
        # the class is frozen: this is the one place that sets its fields
        object.__setattr__(self, "count", count)
        object.__setattr__(self, "causes", _causes_of(causes))
        object.__setattr__(self, "delay", seconds_of(delay, "delay of a retry"))

    def applies(self, cause: Cause | None, signal: int | None, attempt: int) -> bool:
        """Tell whether attempt number ``attempt`` (from 1), which failed so, is followed by another one.

        A cause that is not known is taken for a bad exit status.
        """
        return attempt <= self.count and is_among(self.causes, cause or Cause.EXIT, signal)

    def dumps(self) -> str:
        """Write it as ASCII JSON."""
        return json.dumps({"count": self.count, "causes": sorted(self.causes), "delay": self.delay})

    @classmethod
    def loads(cls, text: str) -> Retry:
        """Read what ``dumps`` wrote."""
        kept = json.loads(text)
        return cls(kept["count"], kept["causes"], kept["delay"])


def _causes_of(causes: Iterable[Cause | str]) -> frozenset[Cause]:
    if isinstance(causes, str) or not isinstance(causes, Iterable):
        raise UsageError(f"bad causes {causes!r}: give a set of them, as in {{'timeout', 'node'}}")
    try:
        return frozenset(map(cause_named, causes))
    except ValueError as error:
        raise UsageError(f"bad causes: {error}; there are {', '.join(Cause)}") from None


def parse_causes(texts: Iterable[str]) -> frozenset[Cause]:
    """Read causes, with commas between. Raises UsageError for a word that is none."""
    words = [word.strip() for text in texts for word in text.split(",")]
    try:
        return frozenset(map(cause_named, words))
    except ValueError:
        known = ", ".join(Cause)
        raise UsageError(f"bad cause in {','.join(words)!r}: there are {known}") from None
