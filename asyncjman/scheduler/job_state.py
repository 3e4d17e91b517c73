"""An unfinished job in memory: what it waits for, and which of its tasks may be claimed."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from asyncjman.model.array import ArraySpec
from asyncjman.model.graph import Dependency, Kind
from asyncjman.model.job import PLAIN_TASK, JobSpec
from asyncjman.model.status import FINISHED, Status
from asyncjman.store.rows import array_of
from asyncjman.store.schedule import JobSummary


@dataclass(slots=True)
class Pairing:
    """Which tasks of an array may go because their counterparts in other arrays succeeded (CORR)."""

    with_jobs: frozenset[int]
    met: dict[int, set[int]]
    resolved: set[int] = field(default_factory=set)
    """Tasks that were offered, that somebody holds, or that ended."""

    @classmethod
    def of(cls, dependencies: Iterable[Dependency]) -> Pairing | None:
        others = frozenset(one.job_id for one in dependencies if one.kind is Kind.CORR)
        return cls(others, {other: set() for other in others}) if others else None

    def meet(self, other: int, task_id: int) -> bool:
        """Note a success of the other array; tell whether the task may go by it."""
        self.met[other].add(task_id)
        if task_id in self.resolved or not self.allows(task_id):
            return False
        self.resolved.add(task_id)
        return True

    def allows(self, task_id: int) -> bool:
        """Tell whether all counterparts of a task succeeded."""
        return all(task_id in one for one in self.met.values())


class Line(Enum):
    """Where jobs wait for their tasks to be claimed."""

    READY = "ready"
    """They wait for nothing."""
    SOON = "soon"
    """They wait only for jobs whose tasks this engine holds: they may be next in a moment."""


@dataclass(slots=True, eq=False)
class JobState:
    """An unfinished job."""

    id: int
    name: str
    array: ArraySpec | None
    task_count: int
    stop_on_failure: bool
    dependencies: tuple[Dependency, ...]
    pairing: Pairing | None
    finished: Counter[Status]
    """How many of its tasks ended, and how."""
    fresh: bool
    """Whether those tasks may start that have no row in the store yet, from ``next_index`` on."""
    next_index: int
    has_rows: bool
    """Whether tasks that have a row may wait to be claimed: the store knows them."""
    offered: deque[int] | None = None
    """Single tasks that may start; made with the first one: an empty deque takes more than all the rest."""
    last_row: int = -1
    undecided: set[int] = field(default_factory=set)
    """The jobs that it waits for and that haven't ended."""
    taken: int = 0
    """How many of its tasks this engine holds."""
    elsewhere: int = 0
    """How many others held when the store was asked last: these end by themselves, and are not skipped."""
    gate: asyncio.Future[None] | None = None
    """For tasks claimed ahead of time: done when their dependencies are to be looked at once more."""
    spec: JobSpec | None = None
    line: Line | None = None
    """The line it stands in; it may stand in the other one too, and is passed over there."""
    skipped: bool = False
    skip_reason: str = ""
    early: list[tuple[int, Status, bool]] | None = None
    """Ends of jobs that a pairing is still to be told of: those before ``decide`` said which tasks it met."""

    @classmethod
    def of(cls, summary: JobSummary, dependencies: tuple[Dependency, ...]) -> JobState:
        state = cls(
            id=summary.id,
            name=summary.name,
            array=None,
            task_count=summary.task_count,
            stop_on_failure=summary.stop_on_failure,
            dependencies=dependencies,
            pairing=Pairing.of(dependencies),
            finished=Counter(),
            fresh=False,
            next_index=summary.next_index,
            has_rows=False,
        )
        state.follow(summary)
        return state

    def follow(self, summary: JobSummary) -> None:
        """Take over what the store says of it now, and forget what its dependencies said."""
        # what was given of the array and not claimed is given again
        self.next_index = summary.next_index
        self.array = array_of(summary.array, summary.id)
        self.task_count = summary.task_count
        self.finished = Counter({one: n for one, n in summary.counts.items() if one in FINISHED})
        held = summary.counts.get(Status.QUEUED, 0) + summary.counts.get(Status.EXECUTING, 0)
        self.elsewhere = max(0, held - self.taken)
        untouched = summary.task_count - sum(summary.rows.values())
        self.fresh = untouched > 0 and summary.default_status in (Status.SUBMITTED, Status.WAITING)
        self.has_rows = any(summary.rows.get(one) for one in (Status.SUBMITTED, Status.WAITING))
        self.last_row = -1
        self.offered = None
        self.undecided = {one.job_id for one in self.dependencies}
        self.pairing = Pairing.of(self.dependencies)
        self.early = None if self.pairing is None else []
        self.skipped = False
        self.line = None

    @property
    def throttle(self) -> int | None:
        return self.array.throttle if self.array else None

    @property
    def left(self) -> int:
        """Return how many tasks haven't ended."""
        return self.task_count - sum(self.finished.values())

    @property
    def may_give(self) -> bool:
        """Tell whether there are tasks to be claimed now."""
        return not self.skipped and bool(
            self.offered or (not self.pairing and (self.has_rows or (self.fresh and not self._used_up)))
        )

    @property
    def blocked_by(self) -> set[int]:
        """Return the jobs that must end before any task of this one may start."""
        if self.pairing is None:
            return self.undecided
        return {one.job_id for one in self.dependencies if one.kind is not Kind.CORR} & self.undecided

    @property
    def all_taken(self) -> bool:
        """Tell whether this engine holds all that is left."""
        return self.taken == self.left

    @property
    def _used_up(self) -> bool:
        return self.next_index >= self.task_count

    def look_again(self) -> None:
        """Have tasks that were claimed ahead of time look at their dependencies once more."""
        if self.gate is not None and not self.gate.done():
            self.gate.set_result(None)
        self.gate = None

    def offer(self, task_id: int) -> None:
        """Take note that a task may start."""
        if self.offered is None:
            self.offered = deque()
        self.offered.append(task_id)

    def give(self, count: int) -> list[int]:
        """Return at most ``count`` tasks to be claimed, of those that the store needn't be asked for."""
        given: list[int] = []
        if self.offered:
            given += [self.offered.popleft() for _ in range(min(count, len(self.offered)))]
        room = count - len(given)
        if self.fresh and not self.pairing and room > 0 and not self._used_up:
            more = self.array.slice(self.next_index, room) if self.array else [PLAIN_TASK]
            self.next_index += len(more)
            given += more
        return given
