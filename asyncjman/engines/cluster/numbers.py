"""The cluster's numbers of tasks, and ours; what is watched, told from each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set

from asyncjman.engines.base import Watched
from asyncjman.model.job import PLAIN_TASK
from asyncjman.model.status import FINISHED, Status


def task_id_of(tasks: Sequence[int], number: int) -> int:
    """Return our task id for the cluster's number; ``tasks`` as in ``Watched``."""
    return tasks[number - 1] if tasks and 0 < number <= len(tasks) else number


def number_of(tasks: Sequence[int], task_id: int) -> int:
    """Return the cluster's number of a task, 0 for the one task of a job with no array."""
    if task_id == PLAIN_TASK or not tasks:
        return task_id
    return tasks.index(task_id) + 1


def members(one: Watched) -> Iterable[int]:
    """Return the task ids of a launch, but for those that were deleted from the job."""
    if one.tasks:
        return [task_id for task_id in one.tasks if one.array is None or task_id in one.array]
    return one.array if one.array is not None else (PLAIN_TASK,)


def statuses_of(one: Watched) -> Set[Status]:
    """Return the statuses that unfinished tasks of a launch have."""
    found = {
        row.status
        for task_id, row in one.rows.items()
        if (not one.tasks or task_id in one.tasks) and task_id not in one.elsewhere
    }
    if one.default not in FINISHED and _has_untouched(one):
        found.add(one.default)
    return found - FINISHED


def _has_untouched(one: Watched) -> bool:
    if one.tasks:
        return any(task_id not in one.rows and task_id not in one.ended for task_id in one.tasks)
    count = len(one.array) if one.array is not None else 1
    return count > len(one.rows) + len(one.ended)


def ranges_of(numbers: Iterable[int]) -> list[range]:
    """Return numbers as few ranges."""
    found: list[range] = []
    for number in sorted(numbers):
        if found and found[-1].stop == number:
            found[-1] = range(found[-1].start, number + 1)
        else:
            found.append(range(number, number + 1))
    return found
