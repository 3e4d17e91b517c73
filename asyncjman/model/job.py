"""A job as it was asked for, and jobs, tasks and attempts as they stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from asyncjman.model.status import FINISHED, Status

TYPE_CHECKING = False  # what is not needed here is not loaded: jman list starts sooner
if TYPE_CHECKING:
    from typing import Any

    from asyncjman.model.array import ArraySpec
    from asyncjman.model.failure import Cause
    from asyncjman.model.graph import Dependency
    from asyncjman.model.retry import Retry
    from asyncjman.model.sweep import Sweep

PLAIN_TASK = 0
"""The task id of the one task of a job with no array."""
LOCAL = "local"
"""The engine whose tasks live and die with the process that runs them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """What a user asks for, as it is kept: every value just as it was given.

    ``command`` and all paths may hold bytes that are not UTF-8, as surrogates (PEP 383).
    """

    command: tuple[str, ...]
    interpreter: tuple[str, ...] = ()
    """What runs ``command`` where its first word can't be executed by itself."""
    name: str = ""
    engine: str = LOCAL
    queue: str = LOCAL
    exec_dir: str
    """The folder that the command runs in, absolute."""
    log_dir: str | None = None
    """The folder of the log files, absolute or relative to ``exec_dir``; None: no log files."""
    environment: Mapping[str, str] = field(default_factory=dict)
    array: ArraySpec | None = None
    sweep: Sweep | None = None
    """The parameters of its tasks; ``{name}`` in ``command`` stands for a value."""
    retry: Retry | None = None
    timeout: float | None = None
    """Seconds that an attempt may take."""
    token: str = ""
    """Tells it from any other job ever; names its spool folder."""
    resources: Mapping[str, Any] = field(default_factory=dict)
    """What a cluster is asked for: the fields of an engine's own Resources."""
    dependencies: tuple[Dependency, ...] = ()
    stop_on_failure: bool = False
    origin: Mapping[str, str] = field(default_factory=dict)
    """The Python environment that it was submitted from, see ``system.origin``; empty: not recorded."""
    git_commit: str | None = None
    git_dirty: bool | None = None

    @property
    def argv_start(self) -> str:
        """Return the first word of what is executed."""
        return (self.interpreter or self.command)[0]

    def argv(self, task_id: int) -> tuple[str, ...]:
        """Return what is executed for a task, interpreter and all."""
        words = self.interpreter + self.command
        if self.sweep is None:
            return words
        from asyncjman.model.sweep import fill

        return fill(words, self.sweep.at(task_id - 1))

    def parameters(self, task_id: int) -> dict[str, str]:
        """Return the parameters of a task."""
        return self.sweep.at(task_id - 1) if self.sweep else {}


def derived_name(command: Sequence[str]) -> str:
    """Return the name of a job that was given none: the file name of its command."""
    return command[0].rstrip("/").rpartition("/")[2] or "job"


@dataclass(frozen=True, slots=True)
class Usage:
    """What a finished attempt used (getrusage(2)): CPU seconds, and peak resident memory in bytes."""

    cpu_seconds: float
    peak_memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One task of a job, as its latest attempt left it; times are in seconds since 1970."""

    job_id: int
    task_id: int
    status: Status
    attempt: int
    exit_status: int | None = None
    signal: int | None = None
    reason: str | None = None
    host: str | None = None
    started_at: float | None = None
    finished_at: float | None = None
    cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None
    cause: Cause | None = None
    """Why it failed; None where it did not."""
    errors: bytes = field(default=b"", compare=False, repr=False)
    """Where it failed just now: the end of what it wrote to standard error."""
    drift: str = field(default="", compare=False, repr=False)
    """Where it failed just now: what was different from the place where it was submitted, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as it stands; times are in seconds since 1970."""

    id: int
    spec: JobSpec
    submitted_at: float
    counts: Mapping[Status, int]
    """How many of its tasks are in each status; a status that none is in may be absent."""
    status: Status
    started_at: float | None = None
    finished_at: float | None = None
    cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None
    host: str | None = None
    exit_status: int | None = None
    """Exit status, signal and reason are those of the task that speaks for the job: its only
    one, or the first one that failed."""
    signal: int | None = None
    reason: str | None = None
    attempt: int = 1
    native_id: str | None = None
    """The cluster's number of its latest submission."""
    native_ids: tuple[str, ...] = ()
    """Its numbers for all of this job that is still there, and the latest one."""
    engine_state: str | None = None
    """What the cluster says beyond our status, as in error, suspended, held."""

    @property
    def is_open_elsewhere(self) -> bool:
        """Tell whether it has not ended, and its tasks survive us."""
        return self.spec.engine != LOCAL and self.status not in FINISHED

    @property
    def task_count(self) -> int:
        """Return how many tasks it has."""
        return len(self.spec.array) if self.spec.array else 1
