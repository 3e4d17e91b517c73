"""What a batch system adds: command lines, parsers of what they print, rules. All of it is pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from asyncjman.engines.base import Evidence, LaunchFailed, LaunchRequest, Observation, Saw
from asyncjman.model.job import JobSpec

T = TypeVar("T")


class Completed(NamedTuple):
    """What a command of the cluster printed, and its exit status."""

    exit_status: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A command line with the parser of its output; only ``process`` runs it."""

    argv: tuple[str, ...]
    parse: Callable[[Completed], T]
    """Raises ParseError for output that can't be read: nothing is concluded from that."""
    timeout: float = 30.0
    """Seconds."""
    environment: Mapping[str, str | None] | None = None
    """What is added to ours; None takes a name out."""
    repeatable: bool = True
    """Whether it may be made again where nobody knows what came of it."""


class Row(NamedTuple):
    """What the queue says of some tasks of a launch."""

    native_id: str
    token: str | None
    """From the job's name; None where it is no job of ours."""
    numbers: tuple[range, ...]
    """The cluster's numbers of the tasks; () for a job without an array."""
    saw: Saw
    engine_state: str | None = None
    at: float | None = None
    """When it came into this state, in seconds since 1970."""
    host: str | None = None
    restart: int = 0
    end: Observation | None = None
    """How it ended, where the queue lists that too."""
    reason: str | None = None


class Site(NamedTuple):
    """What is known of a cluster."""

    max_array: int
    forget_after: float | None
    """Seconds after which the queue forgets a job that has ended; None: at once."""
    accounting: bool


class Dialect(Protocol):
    """One batch system."""

    name: str
    words: Mapping[str, str]
    """For the job script: the names of its variables (task number, native id, restarts), the exit statuses
    that mean something else there."""
    queue_decides: bool
    """Whether an end that the queue lists outranks a record's exit status."""

    def site(self) -> Call[Site] | None:
        """Return what asks for the facts of the site; None where nothing is to be asked."""

    def submit(
        self, request: LaunchRequest, script: str, rules: Mapping[str, Any]
    ) -> Call[str | LaunchFailed]:
        """Return what submits a script, which is there; its answer is the native id."""

    def query(self, user: str) -> Call[Sequence[Row]]:
        """Return the one query for all jobs of a user."""

    def cancel(self, targets: Sequence[tuple[str, Sequence[range]]]) -> Sequence[Call[None]]:
        """Return what deletes (native id, the cluster's numbers of tasks; () for all of it)."""

    def account(self, name_pattern: str, user: str) -> Call[Mapping[tuple[str, int], Observation]] | None:
        """Return what asks accounting for ends and usage.

        They come by native id and the number of the task (0: no array).
        """

    def describe(self, native_ids: Sequence[str]) -> Call[Sequence[Evidence]]:
        """Return what tells why jobs wait."""

    def refuse(self, spec: JobSpec, site: Site) -> str | None:
        """Return why a job can never run there, None where it can."""
