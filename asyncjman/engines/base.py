"""The protocol that every engine speaks: what it is asked for, and what it reports.

The scheduler decides what may start, and hands an engine a ``LaunchRequest``. The engine reports neutral
``Observation``s. It never reads the database: ``Watched`` carries what its conclusions need.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol

from asyncjman.model.array import ArraySpec
from asyncjman.model.failure import Cause
from asyncjman.model.graph import Kind
from asyncjman.model.job import JobSpec, Usage
from asyncjman.model.status import Status

Output = Callable[[int, bytes], object]
"""Takes what tasks without log files write: 1 (standard output) or 2 (standard error), and whole lines.

Where it returns a future, there is no room for more until that is done: tasks that write wait.
"""

IN_ERROR = "error"
"""The ``engine_state`` of what only a person can help."""


class Ref(NamedTuple):
    """One attempt at a task."""

    job_id: int
    task_id: int
    attempt: int


class Lease(NamedTuple):
    """What an engine has set aside for one attempt."""

    cpus: int = 1
    devices: tuple[str, ...] = ()
    locks: tuple[int, ...] = ()
    """File descriptors that the task inherits: what they lock is free when its last process has ended."""


class After(NamedTuple):
    """A dependency that the engine holds a launch for: the scheduler could not wait for it."""

    native_ids: tuple[str, ...]
    kind: Kind
    per_task: bool
    """Whether task i waits for task i."""
    folder: str
    """Where the records of the job that is waited for are, absolute."""
    tasks: ArraySpec | None
    """The array of the job that is waited for; None where it has one task."""
    job_id: int = 0
    stop_on_failure: bool = False
    """Whether a failure of it counts, whatever the kind."""
    whole: bool = False
    """Whether the one native id stands for all of the job: how that ends, the job ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What an engine can do."""

    survives_us: bool
    """Whether tasks go on when this process ends. Where they do, a launch is stored as an intent, with its
    token, before it is made, and polled for. Where they don't, the claim on the task row stands for it."""
    max_array: int = 1
    """How many tasks one launch may have."""
    holds: frozenset[Kind] = frozenset()
    """The kinds of dependencies for which it can hold a launch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchRequest:
    """What is to be started, or queued, in one call: it gets one native id. Paths are absolute."""

    token: str
    """Tells it from any other launch; its processes, or its name on the cluster, carry it."""
    job_id: int
    spec: JobSpec
    tasks: ArraySpec | tuple[Ref, ...]
    """A whole array that nothing of has run, or chosen attempts: the engine's number n means tasks[n - 1]."""
    at_once: int | None = None
    """How many of its tasks may run at a time."""
    after: tuple[After, ...] = ()
    not_before: float | None = None
    """When it may start, in seconds since 1970; None: at once."""
    time_limit: float | None = None
    """Seconds that each attempt may take."""
    lease: Lease | None = None
    folder: str
    """The job's spool folder, for scripts and records."""
    logs: str | None
    """What the paths of its log files begin with; None: output goes to the console."""


class Launched(NamedTuple):
    """The engine has it."""

    native_id: str
    at: float
    """Seconds since 1970."""


class Why(Enum):
    """Why a launch failed."""

    REFUSED = "refused"
    """It can never run as it is."""
    LATER = "later"
    """The engine can't take it at this moment: there is no process left, or no answer."""
    LIMIT = "limit"
    """A limit of the site is reached: it can be taken when others have ended."""
    AMBIGUOUS = "ambiguous"
    """It may have been taken: a later poll finds it by its token."""


class LaunchFailed(NamedTuple):
    """The engine doesn't have it, or nobody knows."""

    why: Why
    words: str
    exit_status: int | None = None
    """What a shell says of a command that it can't start: 126 or 127."""
    of_request: bool = False
    """Whether what was asked for makes no sense, as it stands: a usage error."""
    again: bool = False
    """Whether it may be taken in a moment: who waits for it asks again, as things stand then."""


class TaskRow(NamedTuple):
    """What the store knows of a task."""

    attempt: int
    status: Status
    started_at: float | None
    missing_since: float | None


class Purpose(Enum):
    """What a launch is watched for."""

    STATE = "state"
    LATE = "late"
    """Its ends were never proven: only a record that comes late tells more."""
    USAGE = "usage"
    """All of it ended; only what it used is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What the store knows of a launch: conclusions need it, and engines can't read it."""

    token: str
    native_id: str | None
    """None for an intent: whether the engine has it is to be found out."""
    job_id: int
    created_at: float
    maker_is_dead: bool
    """Whether it is proven that nobody is at work on the intent any more."""
    array: ArraySpec | None
    tasks: tuple[int, ...]
    """Our task ids by the engine's numbers 1, 2, 3…; empty where these are the task ids."""
    default: Status
    """The status of tasks that have no row."""
    rows: Mapping[int, TaskRow]
    """Of unfinished tasks that have one; where it is LATE, of those whose end is not proven."""
    ended: frozenset[int]
    """Tasks whose end is known."""
    elsewhere: frozenset[int] = frozenset()
    """Tasks that a later launch is about."""
    stop: frozenset[int] = frozenset()
    """Tasks that somebody asked to stop."""
    folder: str
    engine_state: str | None = None
    purpose: Purpose = Purpose.STATE
    ran: tuple[tuple[Ref, float], ...] = ()
    """Attempts, each with its start, of which USAGE is asked for."""


class Saw(Enum):
    """What an engine may see of a task."""

    SENT = "sent"
    """The engine has the launch: ``native_id`` tells as what."""
    NOT_SENT = "not sent"
    """The engine does not have it, and nobody is still sending it."""
    PENDING = "pending"
    HELD = "held"
    """It waits there for other jobs."""
    RUNNING = "running"
    MISSING = "missing"
    """The engine doesn't know it, and nothing tells how it ended: one absence proves nothing."""
    ENDED = "ended"
    SKIPPED = "skipped"
    """It ended without a start: what it waited for forbade it."""
    STOPPED = "stopped"
    """It ended, or will never start, because somebody asked for it."""
    USAGE = "usage"
    """It ended before; this adds what it used."""


@dataclass(slots=True)
class Observation:
    """What an engine saw; times in seconds since 1970. Not frozen: it is made for each task."""

    token: str
    ref: Ref | None
    """None: of the launch, or of all its tasks that have no row."""
    saw: Saw
    at: float
    started_at: float | None = None
    exit_status: int | None = None
    signal: int | None = None
    cause: Cause | None = None
    """Why it failed; None where it did not, or did not end."""
    reason: str | None = None
    host: str | None = None
    native_id: str | None = None
    usage: Usage | None = None
    engine_state: str | None = None
    """What the engine says beyond our status, as in error, suspended."""
    missing_since: float | None = None
    """Set where the end is not proven: a record that comes late corrects it."""
    is_unrecorded: bool = False
    """Whether it runs by the word of the queue alone: its command may not have begun."""


class Poll(NamedTuple):
    """What a poll gave."""

    seen: Sequence[Observation]
    answered: bool = True
    """Whether the engine said how its tasks are; if not, nothing was concluded from its silence."""
    words: str = ""
    """Why it did not answer."""


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
    """When it started, in seconds since the start of this machine; None where that counts no more."""
    inherited: str | None
    """The file that its tasks inherited, and that nobody else ever writes, as DEVICE:INODE; None where that
    is not sure. The caller sees to it that no other file gets this number meanwhile."""


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

    async def launch(self, requests: Sequence[LaunchRequest]) -> Sequence[Launched | LaunchFailed]:
        """Start, or queue; one answer for each request. Raises nothing.

        An engine whose tasks survive us is given one request a call, shielded from cancellation.
        """

    async def poll(self, watched: Sequence[Watched], budget: float) -> Poll:
        """Return what is seen of all launches, within ``budget`` seconds; raises nothing.

        On this machine it drains what has ended, and does not await. On a cluster it is one query for all.
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

        Returns how many processes that were. Nothing else is ever signalled: what can't be told for sure
        to be of these tasks is left alone. Raises EnvironmentProblem where they don't end.
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
