"""How far jobs are: counts, pace, time left. Whoever reads the same counts gets the same words of them."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from asyncjman.model.status import FINISHED, Status, roll_up

if TYPE_CHECKING:
    from asyncjman.model.job import JobSpec

MOST_SECONDS = 600.0
"""How long the past counts for the pace."""
_LEAST_SECONDS = 2.0
_LEAST_ENDS = 10
"""The pace is taken over the last moments in which so many tasks ended, and over so many seconds."""
_SLOT_SECONDS = 10.0
_SHORT_SECONDS = 1.0
"""Of tasks that take no longer, what starting them takes counts, too."""
_WIDE = 0.35
"""A time left that is less sure than this (as a fraction) is said as a range."""


@dataclass(frozen=True, slots=True)
class Spent:
    """How long tasks of a job took that ended not long ago, in seconds."""

    count: int
    mean: float
    deviation: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Spent | None:
        """Return what is known by some tasks; None where there are none."""
        if not seconds:
            return None
        mean = sum(seconds) / len(seconds)
        return cls(len(seconds), mean, math.sqrt(sum((one - mean) ** 2 for one in seconds) / len(seconds)))


class Counted:
    """Something with tasks of which so many are in each status."""

    __slots__ = ()
    counts: Mapping[Status, int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def done(self) -> int:
        return done_of(self.counts)


@dataclass(frozen=True, slots=True)
class JobProgress(Counted):
    """How far a job is."""

    id: int
    name: str
    engine: str
    counts: Mapping[Status, int]
    """How many of its tasks are in each status."""
    spec: JobSpec | None = None
    """What was asked for; None where that can't be read."""
    spent: Spent | None = None
    """How long its tasks took; None as long as that is not known."""
    waits_for: tuple[int, ...] = ()

    @property
    def status(self) -> Status:
        return roll_up(self.counts)


@dataclass(frozen=True, slots=True)
class RunningTask:
    """A task that runs; ``started_at`` in seconds since 1970."""

    job_id: int
    task_id: int
    attempt: int
    started_at: float
    host: str
    is_local: bool = True
    """Whether this machine runs it, as far as that is known."""
    pid: int | None = None
    memory: int | None = None
    """Bytes that it uses now; None where that is not known."""
    gpus: str | None = None
    """The GPUs that it was given, as CUDA_VISIBLE_DEVICES has them; None where that is not known."""


@dataclass(frozen=True, slots=True)
class FailedTask:
    """A task that failed; ``finished_at`` in seconds since 1970."""

    job_id: int
    task_id: int
    attempt: int
    finished_at: float
    reason: str
    signature: str | None = None
    """What it has in common with others; None where that is not known."""

    @property
    def what(self) -> str:
        """Return why it failed, in a line: its reason, and what its standard error said of it."""
        return with_signature(self.reason, self.signature)


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU, and what is used of it now; None: not known."""

    index: int
    percent: int | None
    memory_used: int | None
    """Bytes."""
    memory: int | None


@dataclass(frozen=True, slots=True)
class Machine:
    """What a machine has, and uses now; memory in bytes."""

    cpus: int
    cpu_percent: float
    memory_used: int
    memory: int
    gpus: tuple[Gpu, ...] = ()


@dataclass(frozen=True, slots=True)
class RunnerSeen:
    """A process that runs local tasks."""

    pid: int
    host: str
    parallel: int | None
    """How many tasks it runs at once; None: it is a program of its own."""
    output: str | None
    """The file that it writes to, where it has no terminal."""
    started_at: float


@dataclass(frozen=True, slots=True)
class TimeLeft:
    """Seconds until all has ended: most likely so many, or a range where that is not sure at all."""

    seconds: float
    low: float
    high: float

    @property
    def is_wide(self) -> bool:
        return self.high - self.low > 2 * _WIDE * self.seconds


@dataclass(frozen=True, slots=True)
class Overview(Counted):
    """How far jobs are at one moment (``time``, in seconds since 1970), and what is shown of them."""

    time: float
    counts: Mapping[Status, int]
    """Of all tasks."""
    jobs: Sequence[JobProgress] = ()
    """In order of id; of very many only those that matter now."""
    job_count: int = 0
    running: Sequence[RunningTask] = ()
    """The longest first; of very many only some."""
    failures: Sequence[FailedTask] = ()
    """The newest first; of very many only some."""
    rate: float | None = None
    """Tasks that end in a second; None as long as that is not known."""
    left: TimeLeft | None = None
    runners: Sequence[RunnerSeen] = ()

    @property
    def executing(self) -> int:
        return self.counts.get(Status.EXECUTING, 0)


def done_of(counts: Mapping[Status, int]) -> int:
    """Return how many tasks have ended, however they did."""
    return sum(count for status, count in counts.items() if status in FINISHED)


@dataclass(slots=True)
class Pace:
    """How fast tasks end, from counts of several moments."""

    _seen: deque[tuple[float, int, int]] = field(default_factory=deque)
    """(when, how many had ended, how many ran), the oldest first."""

    def add(self, now: float, counts: Mapping[Status, int]) -> None:
        """Take in what is known at a moment, in seconds since any moment."""
        done = done_of(counts)
        if self._seen and done < self._seen[-1][1]:
            self._seen.clear()  # tasks were resubmitted, or jobs deleted
        self._seen.append((now, done, counts.get(Status.EXECUTING, 0)))
        while len(self._seen) > 2 and now - self._seen[1][0] > MOST_SECONDS:
            self._seen.popleft()

    @property
    def rate(self) -> float | None:
        """Return how many tasks end in a second, by the latest moments that say enough, or by all."""
        if not self._seen:
            return None
        now, done, _ = self._seen[-1]
        seconds, ends = 0.0, 0
        for then, done_then, _ in reversed(self._seen):
            seconds, ends = now - then, done - done_then
            if seconds >= _LEAST_SECONDS and ends >= _LEAST_ENDS:
                break
        return ends / seconds if seconds >= _LEAST_SECONDS and ends else None

    @property
    def at_once(self) -> int:
        """Return how many tasks run at once: one that ended a moment ago has a slot that is used again."""
        now = self._seen[-1][0] if self._seen else 0.0
        return max((runs for when, _, runs in self._seen if now - when < _SLOT_SECONDS), default=0)


def time_left(
    counts: Mapping[Status, int],
    jobs: Sequence[JobProgress],
    running: Sequence[RunningTask],
    now: float,
    pace: Pace,
) -> TimeLeft | None:
    """Return how long the rest takes; None where nothing runs, or nothing tells.

    By how long tasks of the same job took, and how many run at once; of short ones by how many end in a
    second. One task of a job that none is known of is taken for one of another job; not so a whole array.
    """
    unfinished = sum(counts.values()) - done_of(counts)
    known = [job for job in jobs if job.spent]
    unknown = sum(job.total - job.done for job in jobs if not job.spent and job.total > 1)
    if not counts.get(Status.EXECUTING) or not known or unknown > unfinished / 2:
        return None
    usual = Spent.of([job.spent.mean for job in known if job.spent])
    assert usual is not None
    left, variance, longest = 0.0, 0.0, 0.0
    elapsed = _elapsed_by_job(running, now)
    hidden = unfinished
    for job in jobs:
        if open_tasks := job.total - job.done:
            spent, at_work = job.spent or usual, elapsed.get(job.id, [])
            hidden -= open_tasks
            rest = [max(0.0, spent.mean - one) for one in at_work]
            left += sum(rest) + spent.mean * max(0, open_tasks - len(rest))
            longest = max([longest, *rest])
            variance += _variance(spent, open_tasks)
    left += usual.mean * max(0, hidden)
    if pace.rate and left / unfinished < _SHORT_SECONDS:
        seconds = unfinished / pace.rate
    else:
        seconds = max(left / max(1, pace.at_once), longest)
    if seconds <= 0:
        return None
    unsure = min(0.9, math.sqrt(variance) / left) if left else 0.0
    return TimeLeft(seconds, seconds * (1 - unsure), seconds * (1 + unsure))


def _variance(spent: Spent, count: int) -> float:
    """Return how far the sum over so many tasks may be off, squared: by chance, and by how few are known."""
    return spent.deviation**2 * (count + count**2 / spent.count)


def _elapsed_by_job(running: Sequence[RunningTask], now: float) -> dict[int, list[float]]:
    found: dict[int, list[float]] = {}
    for task in running:
        found.setdefault(task.job_id, []).append(max(0.0, now - task.started_at))
    return found


def with_signature(reason: str, signature: str | None) -> str:
    """Return why a task failed, and its signature where that says more.

    >>> with_signature("exit status 1", "ValueError: N"), with_signature("exit status 1", "exit status 1")
    ('exit status 1: ValueError: N', 'exit status 1')
    """
    return f"{reason}: {signature}" if signature and signature not in reason else reason
