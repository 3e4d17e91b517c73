"""Values of function jobs, read by what the database knows of a job: in any process, on any day."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asyncjman.api.calls import RemoteTraceback, Results
from asyncjman.api.result import JobResult
from asyncjman.api.wrapped import Outcomes, SomeFailed, ValueOf
from asyncjman.errors import CallFailed
from asyncjman.model.job import Job
from asyncjman.system.logs import display_name, spool_folder
from asyncjman.worker import FUNCTION, Returned


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one input: a value, or the exception that says why there is none."""

    value: Any = None
    error: Exception | None = None
    lost: bool = False
    """Whether the whole task gave nothing back, whatever inputs it had."""


def results_of(database: Path, job: Job) -> Results:
    """Return where the values of a function job are."""
    return Results(_folder(database, job), display_name(job.spec))


def reference(database: Path, job: Job) -> ValueOf:
    """Return what stands for the value of a function job in the arguments of another one."""
    count = job.task_count if job.spec.array else None
    return ValueOf(str(_folder(database, job)), display_name(job.spec), count)


def are_there(database: Path, job: Job) -> bool:
    """Tell whether the values of a function job were kept."""
    return (_folder(database, job) / FUNCTION).exists()


def _folder(database: Path, job: Job) -> Path:
    return Path(spool_folder(database, job.spec.token))


def outcomes(results: Results, result: JobResult, indices: Sequence[int]) -> list[list[Outcome]]:
    """Return for each of these tasks (by index, from 0) what came of its inputs: one, or those of a chunk.

    Reads files: call it in a thread.
    """
    return [_outcomes(results, result, index) for index in indices]


def _outcomes(results: Results, result: JobResult, index: int) -> list[Outcome]:
    try:
        value = results.value(result, index)
    except SomeFailed as error:
        return [_unpacked(one, result) for one in error.outcomes]
    except Exception as error:
        return [Outcome(error=error, lost=True)]
    if isinstance(value, Outcomes):
        return [_unpacked(one, result) for one in value]
    return [Outcome(value)]


def _unpacked(data: bytes, result: JobResult) -> Outcome:
    try:
        # was pickled by our worker into a folder that nobody else may write
        answer = pickle.loads(data)  # noqa: S301
    except Exception as error:
        return Outcome(error=CallFailed(f"what it gave back can't be read: {error}", result))
    if isinstance(answer, Returned):
        return Outcome(answer.value)
    if not isinstance(answer.error, Exception):
        return Outcome(error=CallFailed(answer.message, result))
    answer.error.__cause__ = RemoteTraceback(answer.traceback)
    return Outcome(error=answer.error)


def value_of(found: Sequence[Sequence[Outcome]], *, many: bool) -> Any:
    """Return the value of a job: that of its one input, or the list of all. Raises the first error."""
    flat = [one for some in found for one in some]
    for one in flat:
        if one.error is not None:
            raise one.error
    return [one.value for one in flat] if many else flat[0].value
