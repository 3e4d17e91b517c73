"""What a batch system adds: command lines, parsers of what they print, rules. All of it is pure."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Flag, auto
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from asyncjman.engines.base import Evidence, Finding, LaunchRequest, Observation, Saw, Watched
from asyncjman.errors import EnvironmentProblem
from asyncjman.model.job import JobSpec, Usage
from asyncjman.system.tool import Completed

T = TypeVar("T")

BEING_DELETED = "being deleted"
"""The state of a row that the cluster was told to delete, and that may last."""
ENDING = "ending"
"""The state of a row whose processes end, or have ended: the cluster tidies up after them."""


class ParseError(EnvironmentProblem):
    """The output of a cluster command can't be read, and tells nothing: not even that no job is left."""


class Fault(Flag):
    """What is known of a command that failed."""

    LASTING = 0
    PASSING = auto()
    """It may work later: the cluster is away, or did not answer."""
    AMBIGUOUS = auto()
    """It may have been carried out all the same."""
    LIMIT = auto()
    """A limit of the site is reached: it works when other jobs have ended."""


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A command line with the parser of its output; only ``process`` runs it.

    Its first word is the name of the program: ``programs`` finds it.
    """

    argv: tuple[str, ...]
    parse: Callable[[Completed], T]
    """Raises ParseError for output that can't be read: nothing is concluded from that."""
    timeout: float | None = None
    """Seconds; None: as many as any command has, TIMEOUT_SECONDS of ``process``."""
    checked: bool = True
    """Whether any other exit status than 0 is a failure."""
    repeatable: bool = True
    """Whether it may be made again where its result is not known."""
    patient: bool = False
    """Whether a fault that passes is waited for, where it is not carried out later by another poll."""
    whole: bool = False
    """Whether it has all of ``timeout``, however little time its caller has: broken off, it may be carried
    out all the same."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that this call sets. What submits must not set any: a job may inherit them."""


Plan = Generator[Call[Any], Any, T]
"""Several calls, each made with what the ones before gave; what fails is raised at its ``yield``."""


class Wrapper(NamedTuple):
    """A script that stands on PATH in place of a command, to set its variables first."""

    name: str
    folder: Path
    """Where the commands themselves are."""
    settings: Path
    defaults: Mapping[str, str]
    parse: Callable[[str], Mapping[str, str]]
    """Reads the variables from the text of ``settings``."""


class Programs(NamedTuple):
    """The commands of a batch system."""

    names: tuple[str, ...]
    """The first one has to be there."""
    missing: str
    """What is to be said where it isn't."""
    dropped: tuple[str, ...] = ()
    """Variables that would have them answer differently; ``X_*`` stands for all that begin with ``X_``."""
    kept: tuple[str, ...] = ()
    """Variables that are not dropped all the same."""
    wrapper: Wrapper | None = None


@dataclass(frozen=True, slots=True)
class ScriptRules:
    """What a job script has to know of the batch system that runs it."""

    task: str = "SGE_TASK_ID"
    """The variable with the number of the task, as each task sees it on every engine."""
    native_id: str = "JOB_ID"
    array_id: str | None = None
    """The variable with the native id in a task of an array, where that is another one."""
    restart: str | None = None
    """The variable that tells how often the cluster has started this task anew."""
    keeps_time: bool = False
    """Whether it has to end what takes too long, as the batch system is not exact: there it leads a process
    group of its own."""
    exit_statuses: Mapping[int, int] = field(default_factory=dict)
    """Those that mean something else there, and what the script ends with instead."""


class Row(NamedTuple):
    """What the queue says of some tasks of a launch."""

    native_id: str
    token: str | None
    """What the job was submitted with, as in its name; None where it is no job of ours."""
    numbers: tuple[range, ...]
    """The cluster's numbers of the tasks; () for a job without an array."""
    saw: Saw | None
    """None: it is there, in a state that says nothing."""
    engine_state: str | None = None
    at: float | None = None
    """When it came into this state, in seconds since 1970."""
    host: str | None = None
    restart: int = 0
    """How often the cluster has started it anew."""
    end: Observation | None = None
    """How it ended, where the queue lists that too."""
    reason: str | None = None


Accounting = Mapping[tuple[str, int], Observation]
"""Ends, with what they used, by native id and the number of the task (0: no array)."""


class Site(NamedTuple):
    """What is known of a cluster."""

    max_array: int
    """How many tasks an array may have."""
    forget_after: float | None
    """Seconds after which the queue forgets a job that has ended; None: at once."""
    accounting: bool
    max_number: int | None = None
    """The highest number that a task may have; None: any."""


class Dialect(Protocol):
    """One batch system."""

    name: str
    programs: Programs
    script: ScriptRules
    queue_decides: bool
    """Whether an end that the queue lists outranks a record's exit status."""
    appears_within: float
    """Seconds until a submission whose process was killed is in the queue; 0: at once."""

    def fault(self, done: Completed) -> Fault:
        """Tell what kind of failure it is that a command ended with."""

    def site(self) -> Call[Site] | Site:
        """Return the facts of the site, or what asks for them."""

    def refuse(self, spec: JobSpec) -> str | None:
        """Return why a job can never run there, None where it can."""

    def submission(self, request: LaunchRequest, script: str) -> Plan[Call[str]]:
        """Find out how a script, which is there, is submitted; the answer of that call is the native id."""

    def refusal(self, request: LaunchRequest, words: str) -> Plan[str | None]:
        """Say better why it was not taken, by what the command said; None where that says it all."""

    def query(self, user: str) -> Call[Sequence[Row]]:
        """Return the one query for all jobs of a user."""

    def cancel(self, targets: Sequence[tuple[str, Sequence[range]]]) -> Sequence[Call[str]]:
        """Return what deletes (native id, the cluster's numbers of tasks; () for all of it).

        The answers are its words. What isn't there any more is no failure.
        """

    def account(self, watched: Sequence[Watched], user: str) -> Call[Accounting] | None:
        """Return what asks accounting for ends and usage of launches; None where there is none."""

    def explain(self, watched: Sequence[Watched], user: str, now: float) -> Plan[Sequence[Evidence]]:
        """Find out why jobs wait."""

    def judge(self, spec: JobSpec, seconds: float | None, usage: Usage | None) -> Sequence[str]:
        """Say which limits an attempt that failed came up against, by what it took."""

    def check(self, user: str) -> Plan[Sequence[Finding]]:
        """Find out whether all is well; commands that fail are findings, too."""
