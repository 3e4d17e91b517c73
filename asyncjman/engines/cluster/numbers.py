"""The cluster's numbers of tasks, and ours; which tasks belong to which launch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace

from asyncjman.engines.base import LaunchRequest, Purpose, Watched
from asyncjman.engines.cluster.dialect import Row
from asyncjman.errors import UsageError
from asyncjman.model.array import ArraySpec
from asyncjman.model.job import PLAIN_TASK
from asyncjman.model.status import FINISHED, Status

_FEW = 16
"""Of more tasks in one row than this what they have in common is looked at first."""


def task_id_of(tasks: Sequence[int], number: int) -> int:
    """Return our task id for the cluster's number; ``tasks`` as in ``Watched``."""
    return tasks[number - 1] if tasks and 0 < number <= len(tasks) else number


def number_of(tasks: Sequence[int], task_id: int) -> int:
    """Return the cluster's number of a task, 0 for the one task of a job with no array."""
    if task_id == PLAIN_TASK or not tasks:
        return task_id
    return _positions(tasks)[task_id] + 1


class _Positions:
    """Where tasks stand in the launch that was asked for last: of one launch all are asked for in turn."""

    def __init__(self) -> None:
        self._known: tuple[Sequence[int], dict[int, int]] = ((), {})

    def __call__(self, tasks: Sequence[int]) -> Mapping[int, int]:
        known, positions = self._known
        if known is not tasks:
            positions = {task_id: at for at, task_id in enumerate(tasks)}
            self._known = (tasks, positions)
        return positions


_positions = _Positions()


def members(watched: Watched) -> Iterable[int]:
    """Return the task ids of a launch, but for those that were deleted from the job."""
    if watched.tasks:
        return [task_id for task_id in watched.tasks if watched.array is None or task_id in watched.array]
    return watched.array if watched.array is not None else (PLAIN_TASK,)


def task_ids_of(watched: Watched, row: Row) -> Set[int]:
    """Return the tasks that a row is about, but for those that were deleted from the job."""
    numbers: Sequence[range] = row.numbers or (range(1, 2) if watched.tasks else range(PLAIN_TASK, 1),)
    if sum(len(one) for one in numbers) <= _FEW:
        return {task_id for task_id in _task_ids(watched, numbers) if is_member(watched, task_id)}
    # what all of them have in common is looked at once
    found = {*_task_ids(watched, numbers)} if watched.tasks else set().union(*numbers)
    if watched.array is not None and (watched.tasks or not all(map(watched.array.covers, numbers))):
        found.intersection_update(watched.array)
    found.difference_update(watched.elsewhere)
    found.difference_update([one for one in watched.rows if not is_member(watched, one)])
    return found


def _task_ids(watched: Watched, numbers: Iterable[range]) -> Iterable[int]:
    for one in numbers:
        if watched.tasks:
            yield from (watched.tasks[number - 1] for number in one if 0 < number <= len(watched.tasks))
        else:
            yield from one


def one_range(request: LaunchRequest) -> range | None:
    """Return the cluster's numbers of a launch's tasks; None for a job with no array.

    Raises UsageError for an array of several ranges, which goes as chosen tasks.
    """
    if isinstance(request.tasks, ArraySpec):
        if len(request.tasks.ranges) != 1:
            raise UsageError(f"one range of tasks is launched at a time, not {request.tasks}")
        return request.tasks.ranges[0]
    return range(1, len(request.tasks) + 1) if request.spec.array is not None else None


def is_member(watched: Watched, task_id: int) -> bool:
    """Tell whether a task is this launch's: neither deleted, nor a later launch's, nor to be sent again."""
    row = watched.rows.get(task_id)
    if task_id in watched.elsewhere or (row is not None and row.status is Status.SUBMITTED):
        return False
    if watched.tasks and task_id not in _positions(watched.tasks):
        return False
    if watched.array is None:
        return task_id == PLAIN_TASK
    if row is not None and row.attempt > 1 and not watched.tasks and watched.purpose is Purpose.STATE:
        return False
    return task_id in watched.array


def statuses_of(watched: Watched) -> Set[Status]:
    """Return the statuses that unfinished tasks of a launch have."""
    statuses = {
        row.status
        for task_id, row in watched.rows.items()
        if (not watched.tasks or task_id in _positions(watched.tasks)) and task_id not in watched.elsewhere
    }
    if watched.default not in FINISHED and _has_untouched(watched):
        statuses.add(watched.default)
    return statuses - FINISHED


def _has_untouched(watched: Watched) -> bool:
    if watched.tasks:
        return any(task_id not in watched.rows and task_id not in watched.ended for task_id in watched.tasks)
    count = len(watched.array) if watched.array is not None else 1
    return count > len(watched.rows) + len(watched.ended)


def ranges_of(numbers: Iterable[int]) -> list[range]:
    """Return numbers as few ranges."""
    ranges: list[range] = []
    for number in sorted(numbers):
        if ranges and ranges[-1].stop == number:
            ranges[-1] = range(ranges[-1].start, number + 1)
        else:
            ranges.append(range(number, number + 1))
    return ranges


@dataclass(frozen=True, slots=True)
class Run:
    """Numbers in a row whose tasks follow each other: number n means task ``task_id + n * step``, which
    stands in its array (from 0) at ``index + n``.
    """

    first: int
    count: int
    task_id: int
    step: int
    index: int
    attempt: int


def runs_of(task_map: Sequence[tuple[int, int]], array: ArraySpec) -> list[Run]:
    """Return (task id, attempt) by the cluster's numbers 1, 2, 3… as few runs."""
    runs: list[Run] = []
    for number, (task_id, attempt) in enumerate(task_map, 1):
        at = array.index(task_id)
        if runs and (longer := _longer(runs[-1], number, task_id, at, attempt)):
            runs[-1] = longer
        else:
            runs.append(Run(number, 1, task_id, 0, at - number, attempt))
    return runs


def _longer(run: Run, number: int, task_id: int, at: int, attempt: int) -> Run | None:
    """Return a run with one more task; None where that does not follow the others."""
    if (run.index, run.attempt) != (at - number, attempt):
        return None
    if run.count == 1:
        step = task_id - run.task_id
        return replace(run, count=2, step=step, task_id=task_id - number * step)
    if task_id != run.task_id + number * run.step:
        return None
    return replace(run, count=run.count + 1)
