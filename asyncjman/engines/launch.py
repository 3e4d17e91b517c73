"""What an engine is asked to start, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from asyncjman.model.array import ArraySpec
from asyncjman.model.graph import Kind
from asyncjman.model.job import JobSpec


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


@dataclass(slots=True, kw_only=True)
class LaunchRequest:
    """What is to be started, or queued, in one call: it gets one native id. Paths are absolute.

    Not frozen: one is made for each task.
    """

    token: str
    """Tells it from any other launch; its processes, or its name on the cluster, carry it."""
    job_id: int
    spec: JobSpec
    tasks: ArraySpec | tuple[Ref, ...]
    """A whole array that nothing of has run, or chosen attempts: the engine's number n means tasks[n - 1]."""
    ended: tuple[tuple[int, bool, int], ...] = ()
    """Its other tasks that have ended, on whichever engine: task id, whether it is a success, attempt."""
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
    ready: object = None
    """What the engine made ready for it."""


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
    """The engine doesn't have it, or that is not known."""

    why: Why
    words: str
    exit_status: int | None = None
    """What a shell says of a command that it can't start: 126 or 127."""
    of_request: bool = False
    """Whether what was asked for makes no sense, as it stands: a usage error."""
    again: bool = False
    """Whether it may be taken in a moment: who waits for it asks again, as things stand then."""
