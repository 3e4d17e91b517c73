"""Which jobs a command means: by what was named, and by names and states that narrow it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from asyncjman.model.status import Status

TYPE_CHECKING = False  # what is not needed here is not loaded: jman list starts sooner
if TYPE_CHECKING:
    from asyncjman.model.failure import Cause
    from asyncjman.model.ids import Word
    from asyncjman.model.job import Task


@dataclass(frozen=True, slots=True)
class Selection:
    """The jobs that a command means; what is None or empty doesn't narrow it."""

    ids: tuple[range, ...] = ()
    """Job ids."""
    words: tuple[Word, ...] = ()
    """Jobs and tasks as a user named them, besides ``ids``."""
    derived_names: bool = False
    """Whether a name in ``words`` is also that of jobs that were given none: the file name of the command."""
    tasks: Mapping[int, Sequence[int]] = field(default_factory=dict)
    """Of these jobs only these tasks."""
    names: tuple[str, ...] = ()
    statuses: frozenset[Status] = frozenset()
    """Jobs in one of these."""
    having: frozenset[Status] = frozenset()
    """Jobs with a task in one of these."""
    engine: str | None = None

    def parts(self) -> list[tuple[Selection, Sequence[int]]]:
        """Return it as what means whole jobs, and for each job of ``tasks`` one job and these tasks."""
        whole = tuple(one for one in self.ids if not (len(one) == 1 and one[0] in self.tasks))
        parts: list[tuple[Selection, Sequence[int]]] = []
        if whole or not self.tasks:
            parts.append((replace(self, ids=whole, tasks={}), ()))
        for job_id, task_ids in self.tasks.items():
            parts.append((replace(self, ids=(range(job_id, job_id + 1),), tasks={}), task_ids))
        return parts

    @property
    def is_resolved(self) -> bool:
        """Tell whether nothing in it is to be looked up: no ids that may not be there, no names, no words."""
        return not (self.ids or self.words or self.tasks or self.names)

    @property
    def is_all(self) -> bool:
        return not (self.ids or self.words or self.names or self.statuses or self.having)


class TaskFilter:
    """Which tasks of jobs are meant; what is empty doesn't narrow it.

    ``causes``: those that failed because of one of these.
    """

    # no dataclass: to make one takes a command half a millisecond at its start
    __slots__ = ("causes", "statuses")

    def __init__(
        self, statuses: frozenset[Status] = frozenset(), causes: frozenset[Cause] = frozenset()
    ) -> None:
        self.statuses = statuses
        self.causes = causes

    def __bool__(self) -> bool:
        return bool(self.statuses or self.causes)

    @property
    def having(self) -> frozenset[Status]:
        """Return the statuses of which a job must have a task."""
        return frozenset({Status.FAILURE}) if self.causes else self.statuses

    def matches(self, task: Task) -> bool:
        """Tell whether a task is meant."""
        if self.statuses and task.status not in self.statuses:
            return False
        if not self.causes:
            return True
        if task.status is not Status.FAILURE or task.cause is None:
            return False
        from asyncjman.model.failure import is_among

        return is_among(self.causes, task.cause, task.signal)


def ranges_of(ids: Iterable[int]) -> tuple[range, ...]:
    """Return ids as ranges, as few as there can be.

    >>> ranges_of([7, 1, 2, 3])
    (range(1, 4), range(7, 8))
    """
    runs: list[range] = []
    for one in sorted(ids):
        if runs and one == runs[-1].stop:
            runs[-1] = range(runs[-1].start, one + 1)
        else:
            runs.append(range(one, one + 1))
    return tuple(runs)


def merged(ranges: Iterable[range]) -> list[range]:
    """Return ranges of ids (each with step 1) in order, each id once.

    >>> merged([range(5, 9), range(1, 3), range(3, 6)])
    [range(1, 9)]
    """
    found: list[range] = []
    for one in sorted(ranges, key=lambda some: some.start):
        if found and one.start <= found[-1].stop:
            found[-1] = range(found[-1].start, max(found[-1].stop, one.stop))
        else:
            found.append(one)
    return found


def format_ids(ids: Iterable[int]) -> str:
    """Write ids as a user would type them.

    >>> format_ids([7, 1, 2, 3, 9, 10])
    '1-3,7,9,10'
    """
    parts: list[str] = []
    for run in ranges_of(ids):
        parts.extend([f"{run[0]}-{run[-1]}"] if len(run) > 2 else map(str, run))
    return ",".join(parts)
