"""The protocol that every engine speaks.

The scheduler decides what may start, and hands an engine a ``LaunchRequest`` (``engines.launch``). The engine
reports neutral ``Observation``s (``engines.observation``). It never reads the database: ``Watched`` carries
what its conclusions need. Layers above import all of this from here, and nothing else of an engine.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, Protocol

from asyncjman.engines.launch import After, Launched, LaunchFailed, LaunchRequest, Lease, Ref, Why
from asyncjman.engines.observation import IN_ERROR, Observation, Poll, Purpose, Saw, TaskRow, Watched
from asyncjman.model.graph import Kind
from asyncjman.model.job import JobSpec, Usage

__all__ = [
    "IN_ERROR",
    "Abandoned",
    "After",
    "Capabilities",
    "Engine",
    "Evidence",
    "Finding",
    "LaunchFailed",
    "LaunchRequest",
    "Launched",
    "Lease",
    "Observation",
    "Output",
    "Poll",
    "Preview",
    "Purpose",
    "Ref",
    "Saw",
    "Target",
    "TaskOutput",
    "TaskRow",
    "Watched",
    "Why",
]

Output = Callable[[int, bytes], object]
"""Takes what tasks without log files write: 1 (standard output) or 2 (standard error), and whole lines.

Where it returns a future, there is no room for more until that is done: tasks that write wait.
"""
TaskOutput = Callable[["Ref", int, bytes], object]
"""The same, with the attempt that wrote it."""


class Capabilities(NamedTuple):
    """What an engine can do."""

    survives_us: bool
    """Whether tasks go on when this process ends. Where they do, a launch is stored as an intent, with its
    token, before it is made, and polled for. Where they don't, the claim on the task row stands for it."""
    max_array: int = 1
    """How many tasks one launch may have."""
    max_number: int | None = None
    """The highest number that a task may have there; None: any. Others are launched as chosen tasks."""
    holds: frozenset[Kind] = frozenset()
    """The kinds of dependencies for which it can hold a launch."""


class Target(NamedTuple):
    """What is to end."""

    token: str
    native_id: str
    refs: tuple[Ref, ...] = ()
    """(): all of the launch."""
    tasks: tuple[int, ...] = ()
    """Our task ids by the engine's numbers, as in ``Watched``."""


class Abandoned(NamedTuple):
    """A runner whose tasks may run without it: it is proven dead, or they are taken from it."""

    token: str
    """Each of its processes carries it."""
    since: float | None
    """When it started, in seconds since the start of this machine; None where that start is over."""
    inherited: str | None
    """The file that its tasks inherited and no other process writes: DEVICE:INODE, or None where that is
    not sure. The caller sees to it that no other file gets this number meanwhile."""


class Finding(NamedTuple):
    """What ``doctor`` found."""

    name: str
    words: str
    advice: str = ""
    """What to do about it; empty where all is well."""


class Evidence(NamedTuple):
    """What an engine can tell of why a job does not run, or did not succeed."""

    job_id: int
    words: str


class Preview(NamedTuple):
    """How a launch would be made."""

    argv: tuple[str, ...]
    script: bytes


class Engine(Protocol):
    """Runs tasks. Only the registry makes one, for the owner of a database.

    The scheduler owns order, claims and throttles; the engine owns capacity (``reserve``, ``release``).
    """

    name: str

    @property
    def capabilities(self) -> Capabilities:
        """What it can do, as far as it is known before ``open``."""

    async def open(self, wake: Callable[[], None] = lambda: None) -> None:
        """Make ready. ``wake`` is called in the loop when ``poll`` has something.

        Called before each use: what is known by then is not asked again. Raises EnvironmentProblem where the
        engine does not answer.
        """

    async def close(self) -> None:
        """Let go of what is ours, after the last use; ends no task that goes on without us."""

    def refuse(self, spec: JobSpec) -> str | None:
        """Return why a job can never run here, None where it can."""

    def reserve(self, spec: JobSpec) -> Lease | None:
        """Set aside what one attempt needs, just before ``launch``; None where there is no room now."""

    def release(self, lease: Lease) -> None:
        """Give back what was set aside."""

    async def prepare(self, request: LaunchRequest) -> None:
        """Clear what earlier attempts of these tasks left: before the intent of the launch is stored."""

    def make_ready(self, request: LaunchRequest) -> None:
        """Do ahead what a launch takes and nobody sees; that launch may follow at any time, or never."""

    def launch_at_once(self, request: LaunchRequest) -> Launched | LaunchFailed | None:
        """Start, in this moment; None where that takes longer: ``launch`` is to be asked."""

    async def launch(self, requests: Sequence[LaunchRequest]) -> Sequence[Launched | LaunchFailed]:
        """Start, or queue; one answer for each request. Raises nothing.

        An engine whose tasks survive us is given one request a call, shielded from cancellation.
        """

    async def poll(self, watched: Sequence[Watched], budget: float) -> Poll:
        """Return what is seen of all launches, within ``budget`` seconds; raises nothing.

        On this machine it drains what has ended, and does not await. On a cluster it is one query for all.
        """

    async def settle(self) -> None:
        """Have what the attempts that were seen to end gave back on the disk, before these ends are stored.

        Raises EnvironmentProblem where that can't be.
        """

    async def stored(self, ends: Sequence[Observation]) -> None:
        """Take note that these ends are stored: what was kept to tell of them may go. Raises nothing."""

    async def cancel(self, targets: Sequence[Target], *, force: bool, budget: float) -> Sequence[Target]:
        """Ask tasks to end, ``force``: at once; return those of which that is not confirmed.

        Their ends come by ``poll`` alone. Raises EnvironmentProblem, in the engine's own words, where it
        does not answer, or does not do it.
        """

    async def recover(
        self, runner: Abandoned, refs: Collection[Ref] | None = None, *, end: bool = True
    ) -> int:
        """End what runs of another runner's tasks (all, or these), without ``end`` only count it.

        Returns how many processes that were. Nothing else is ever signalled: what is not
        certain to be of these tasks is left alone. Raises EnvironmentProblem where they don't end.
        """

    async def end_remains(self) -> None:
        """Have what tasks that have ended left running end, too: ``close`` waits for that."""

    async def explain(self, watched: Sequence[Watched]) -> Sequence[Evidence]:
        """Return what ``why`` shows of jobs that wait or run, a line each.

        Raises EnvironmentProblem where the engine does not answer.
        """

    def judge(self, spec: JobSpec, seconds: float | None, usage: Usage | None) -> Sequence[str]:
        """Say which limits an attempt that failed came up against, by what it took."""

    async def preview(self, request: LaunchRequest) -> Preview:
        """Return how a launch would be made; launches nothing. Raises JmanError where it can't be."""

    async def check(self) -> Sequence[Finding]:
        """Return what ``doctor`` shows."""
