"""What the scheduler knows of a launch, and what an engine saw of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from asyncjman.engines.launch import Ref
from asyncjman.model.array import ArraySpec
from asyncjman.model.failure import Cause
from asyncjman.model.job import JobSpec, Usage
from asyncjman.model.status import Status

IN_ERROR = "error"
"""The ``engine_state`` of what only a person can help."""


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


class Watched(NamedTuple):
    """What the store knows of a launch: conclusions need it, and engines can't read it."""

    token: str
    native_id: str | None
    """None for an intent: whether the engine has it is to be found out."""
    job_id: int
    created_at: float
    maker_is_dead: bool
    """Whether it is proven that no process carries out the intent any more."""
    array: ArraySpec | None
    tasks: tuple[int, ...]
    """Our task ids by the engine's numbers 1, 2, 3…; empty where these are the task ids."""
    default: Status
    """The status of tasks that have no row."""
    rows: Mapping[int, TaskRow]
    """Of unfinished tasks that have one; where it is LATE, of those whose end is not proven."""
    ended: frozenset[int]
    """Tasks whose end is known."""
    folder: str
    spec: JobSpec | None = None
    """What its job asks for, where a launch is explained."""
    elsewhere: frozenset[int] = frozenset()
    """Tasks that a later launch is about."""
    stop: frozenset[int] = frozenset()
    """Tasks that a user asked to stop."""
    engine_state: str | None = None
    purpose: Purpose = Purpose.STATE
    ran: tuple[tuple[Ref, float], ...] = ()
    """Attempts, each with its start, of which USAGE is asked for."""


class Saw(Enum):
    """What an engine may see of a task."""

    SENT = "sent"
    """The engine has the launch: ``native_id`` tells as what."""
    NOT_SENT = "not sent"
    """The engine does not have it, and no process is still sending it."""
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
    """It ended, or will never start, because a user asked for it."""
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
    errors: bytes = b""
    """Where it failed, the end of what it wrote to standard error, as far as that is known."""
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
