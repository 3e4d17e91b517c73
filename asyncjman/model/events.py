"""Facts about jobs, in the past tense. That something ended is said once that is stored."""

from __future__ import annotations

from dataclasses import dataclass

from asyncjman.model.job import Task
from asyncjman.model.status import Status


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a job; ``time`` in seconds since 1970."""

    job_id: int
    time: float


@dataclass(frozen=True, slots=True)
class JobSubmitted(Event):
    """A job was stored."""


@dataclass(frozen=True, slots=True)
class TaskStarted(Event):
    """A task's process runs."""

    task_id: int
    attempt: int
    name: str


@dataclass(frozen=True, slots=True)
class TaskFinished(Event):
    """A task ended, and that is stored."""

    task: Task
    name: str


@dataclass(frozen=True, slots=True)
class TaskRetried(Event):
    """An attempt failed, and another one follows; ``task`` is as the attempt left it."""

    task: Task
    name: str


@dataclass(frozen=True, slots=True)
class JobFinished(Event):
    """The last task of a job ended, or the job was stopped or skipped."""

    status: Status
    name: str
