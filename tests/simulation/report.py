"""What many histories covered."""

from __future__ import annotations

import hashlib
from collections import Counter
from itertools import product

from asyncjman.model.status import Status
from tests.simulation.history import Result
from tests.simulation.transitions import may_follow

LEGAL = frozenset((str(a), str(b)) for a, b in product(Status, Status) if may_follow(a, b))


class Report:
    """Adds up results."""

    def __init__(self) -> None:
        self.count = self.turns = self.starts = self.late = 0
        self.broken: dict[int, str] = {}
        self.transitions: Counter[tuple[str, str]] = Counter()
        self.done: Counter[str] = Counter()
        self.steps: Counter[str] = Counter()
        self._digest = hashlib.sha256()

    def add(self, result: Result) -> None:
        self.count += 1
        self.turns += result.turns
        self.starts += result.starts
        self.late += result.late
        self.transitions += result.transitions
        self.done += result.done
        self.steps += result.steps
        self._digest.update(result.digest.encode())
        if result.violation:
            self.broken[result.seed] = result.violation

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()[:16]

    @property
    def missing(self) -> list[str]:
        """Return the transitions that are legal, and that no history made."""
        return sorted(f"{a} -> {b}" for a, b in LEGAL - self.transitions.keys())

    def text(self, seconds: float) -> str:
        pace = f"{self.count} histories in {seconds:.1f} s, {60 * self.count / seconds:.0f} a minute"
        each = f"{self.turns / self.count:.0f} turns and {self.starts / self.count:.1f} starts each"
        covered = len(LEGAL & self.transitions.keys())
        lines = [
            f"{pace}; {each}; {self.late} late starts; digest {self.digest}",
            f"{covered} of {len(LEGAL)} legal transitions; missing: {', '.join(self.missing) or 'none'}",
            ", ".join(f"{a} -> {b} {n}" for (a, b), n in sorted(self.transitions.items())),
            f"on clusters: {', '.join(f'{step} {n}' for step, n in sorted(self.steps.items())) or 'nothing'}",
            ", ".join(f"{name} {n}" for name, n in sorted(self.done.items())),
            f"{len(self.broken)} broke a promise: {', '.join(map(str, self.broken)) or 'none'}",
        ]
        return "\n".join(lines)
