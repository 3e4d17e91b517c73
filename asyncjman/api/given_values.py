"""Values of other function jobs as arguments: put in place by the worker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from asyncjman.api.calls import Results
from asyncjman.api.result import JobResult
from asyncjman.api.values import outcomes, value_of
from asyncjman.api.wrapped import ValueOf, awaited, replaced
from asyncjman.model.job import PLAIN_TASK, Task
from asyncjman.model.status import Status


class WithValues:
    """Calls a function with the values of other jobs in the place of what stands for them."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return awaited(self._function(*replaced(args, _load), **replaced(kwargs, _load)))


def load(reference: ValueOf) -> Any:
    """Return the value that stands for, in the process of a worker; its job was a success."""
    count = reference.count or 1
    tasks = [
        Task(job_id=0, task_id=index if reference.count else PLAIN_TASK, status=Status.SUCCESS, attempt=1)
        for index in range(count)
    ]
    result = JobResult(job_id=0, status=Status.SUCCESS, tasks=tasks)
    results = Results(Path(reference.folder), reference.label)
    return value_of(outcomes(results, result, range(count)), many=reference.count is not None)


def _load(value: Any) -> Any:
    return load(value) if isinstance(value, ValueOf) else value
