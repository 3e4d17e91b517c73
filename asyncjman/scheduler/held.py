"""The tasks that a runner has claimed and that have not ended, and those of them that others took from it."""

from __future__ import annotations

from collections.abc import Collection

from asyncjman.scheduler.attempts import Attempt, Key
from asyncjman.scheduler.job_state import JobState
from asyncjman.store.claims import Claim


class Held:
    """By job and task id."""

    def __init__(self) -> None:
        self.attempts: dict[Key, Attempt] = {}
        self.lost: set[Key] = set()
        """Of these: what others took."""
        self.dependent = 0
        """How many depend on other jobs."""

    def add(self, job: JobState, claim: Claim) -> Attempt:
        """Note a claim. An earlier one of the same task, which was lost and runs still, is over first."""
        attempt = Attempt(job, claim)
        attempt.earlier = self.attempts.get(attempt.key)
        self.attempts[attempt.key] = attempt
        self.dependent += bool(job.dependencies)
        attempt.dependent = bool(job.dependencies)
        return attempt

    def remove(self, attempt: Attempt) -> None:
        """Note that a claimed task has ended, or was released."""
        self.lost.discard(attempt.key)
        self.dependent -= attempt.dependent
        if self.attempts.get(attempt.key) is attempt:
            del self.attempts[attempt.key]
        attempt.set_over()

    def take_lost(self, lost: Collection[Key]) -> list[Key]:
        """Note what others took; return what of that is news."""
        new = sorted(set(lost) - self.lost)
        self.lost.update(self.attempts.keys() & lost)
        return new
