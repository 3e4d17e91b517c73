"""Tasks, jobs and single values: rows to model and back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from asyncjman.errors import UnreadableJob, UsageError
from asyncjman.model.job import Job, JobSpec, Task
from asyncjman.model.status import Status, roll_up
from asyncjman.store.texts import text, untext

TYPE_CHECKING = False  # the typing module is not loaded for it
if TYPE_CHECKING:
    from typing import Any

    from asyncjman.model.array import ArraySpec
    from asyncjman.model.failure import Cause
    from asyncjman.model.graph import Dependency

_MAX_SHOWN = 60
_TOKEN = re.compile(r"[0-9a-f]*", re.ASCII)

TASK_COLUMNS = (
    "job_id, task_id, status, attempt, exit_status, signal, reason, host, started_at, finished_at, "
    "cpu_seconds, peak_memory_bytes, cause"
)

_STATUSES = {str(one): one for one in Status}
_INTEGER = (int, type(None))
_NUMBER = (int, float, type(None))
_TEXT = (str, bytes, type(None))
_MOMENT = (float, type(None))
_TASK_NAMES = TASK_COLUMNS.split(", ")
_TASK_TYPES: Sequence[type | tuple[type, ...]] = (
    int,
    int,
    str,
    int,
    _INTEGER,
    _INTEGER,
    _TEXT,
    _TEXT,
    _NUMBER,
    _NUMBER,
    _NUMBER,
    _INTEGER,
    _TEXT,
)


INVALID = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, UsageError)
"""What reading a value that makes no sense ends in."""


def shown(value: object) -> str:
    """Return a value for a message: short, and in ASCII."""
    text = ascii(value)
    return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "..."


def status_of(word: str, job_id: int | None = None) -> Status:
    """Return a status from its column."""
    status = _STATUSES.get(word)  # Status(word) takes thrice as long, and there are very many
    if status is None:
        raise UnreadableJob(f"status is {shown(word)}", job_id)
    return status


def dependency_of(on_job: int, kind: str, job_id: int | None = None) -> Dependency:
    """Return a dependency from its columns."""
    from asyncjman.model.graph import Dependency, Kind

    try:
        return Dependency(on_job, Kind(kind))
    except ValueError as error:
        raise UnreadableJob(f"the kind of a dependency is {shown(kind)}", job_id) from error


def is_token(word: object) -> bool:
    """Tell whether this may be a token: it is part of paths, and must lead nowhere else."""
    return isinstance(word, str) and _TOKEN.fullmatch(word) is not None


def token_of(word: str, job_id: int | None = None) -> str:
    """Return a token from its column, that of a job where ``job_id`` is given."""
    if not is_token(word):
        raise UnreadableJob(f"token is {shown(word)}", job_id, spec=job_id is not None)
    return word


def array_of(value: str | None, job_id: int) -> ArraySpec | None:
    """Return the array of a job from its column."""
    try:
        return parsed_array(value) if value else None
    except INVALID as error:
        raise UnreadableJob(f"array is {shown(value)}", job_id, spec=True) from error


def parsed_array(value: str) -> ArraySpec:
    """Return an array from its column. Raises one of ``INVALID``."""
    from asyncjman.model.array import ArraySpec

    return ArraySpec.parse(value)


def task_of(values: Sequence[Any]) -> Task:
    """Build a task from the values of ``TASK_COLUMNS``."""
    status = status_of(values[2], values[0])
    for name, value, kind in zip(_TASK_NAMES, values, _TASK_TYPES, strict=True):
        if not isinstance(value, kind):
            raise UnreadableJob(f"{name} of its task {values[1]} is {shown(value)}", values[0])
    if status is Status.SUCCESS and values[4] not in (0, None):
        raise UnreadableJob(f"its task {values[1]} is a success with exit status {values[4]}", values[0])
    return Task(
        job_id=values[0],
        task_id=values[1],
        status=status,
        attempt=values[3],
        exit_status=values[4],
        signal=values[5],
        reason=untext(values[6]),
        host=untext(values[7]),
        started_at=values[8],
        finished_at=values[9],
        cpu_seconds=values[10],
        peak_memory_bytes=values[11],
        cause=_cause_of(values),
    )


def _cause_of(values: Sequence[Any]) -> Cause | None:
    if values[12] is None:
        return None
    from asyncjman.model.failure import Cause

    try:
        return Cause(values[12])
    except ValueError as error:
        raise UnreadableJob(f"cause of its task {values[1]} is {shown(values[12])}", values[0]) from error


def task_values(task: Task) -> tuple[Any, ...]:
    """Return the values of ``TASK_COLUMNS``."""
    return (
        task.job_id,
        task.task_id,
        task.status,
        task.attempt,
        task.exit_status,
        task.signal,
        text(task.reason),
        text(task.host),
        task.started_at,
        task.finished_at,
        task.cpu_seconds,
        task.peak_memory_bytes,
        task.cause,
    )


def job_of(
    head: Sequence[Any],
    spec: JobSpec,
    status_count: Mapping[Status, tuple[int, float, int]],
    speaker: Task | None,
    sent: Sequence[tuple[str | None, str | None, int]] = (),
) -> Job:
    """Build a job from (id, submitted_at, started_at, finished_at, default_status, task_count), (count, CPU
    seconds, peak bytes) of its tasks by status, the task that speaks for it, and (native id, engine state,
    whether it is active) of its submissions.
    """
    job_id, submitted_at, started_at, finished_at, default_status, task_count = head
    if task_count != (len(spec.array) if spec.array else 1):
        raise UnreadableJob(f"task_count is {shown(task_count)}, and its array {spec.array}", job_id)
    moments_are_read = isinstance(started_at, _MOMENT) and isinstance(finished_at, _MOMENT)
    if not moments_are_read or not isinstance(submitted_at, float):
        raise _odd_moment(job_id, submitted_at, started_at, finished_at)
    counts: dict[Status, int] = {}
    cpu_seconds, peak = 0.0, 0
    for status, (count, cpu, bytes_) in status_count.items():
        if count:
            counts[status] = count
        cpu_seconds += cpu
        peak = max(peak, bytes_)
    left = task_count - sum(counts.values())
    if left < 0 or min(counts.values(), default=0) < 0:
        raise UnreadableJob("it has more tasks than there are", job_id)
    if left:
        status = status_of(default_status, job_id)
        counts[status] = counts.get(status, 0) + left
    native_ids, engine_state = _launched(sent) if sent else ((), None)
    return Job(
        id=job_id,
        spec=spec,
        submitted_at=submitted_at,
        started_at=started_at,
        finished_at=finished_at,
        counts=counts,
        status=roll_up(counts),
        cpu_seconds=cpu_seconds if peak or cpu_seconds else None,
        peak_memory_bytes=peak or None,
        host=speaker.host if speaker else None,
        exit_status=speaker.exit_status if speaker else None,
        signal=speaker.signal if speaker else None,
        reason=speaker.reason if speaker else None,
        attempt=speaker.attempt if speaker else 1,
        native_id=sent[-1][0] if sent else None,
        native_ids=native_ids,
        engine_state=engine_state,
    )


def _odd_moment(job_id: int, *moments: object) -> UnreadableJob:
    """Return the error that names the first of three moments that is none."""
    for name, moment in zip(("submitted_at", "started_at", "finished_at"), moments, strict=True):
        if not isinstance(moment, float) and (moment is not None or name == "submitted_at"):
            return UnreadableJob(f"{name} is {shown(moment)}", job_id)
    raise AssertionError("all can be read")


def _launched(
    sent: Sequence[tuple[str | None, str | None, int]],
) -> tuple[tuple[str, ...], str | None]:
    """Return the native ids of all that is still there and of the latest launch, and the latest state."""
    native_ids = tuple(
        number
        for index, (number, _, active) in enumerate(sent, 1)
        if number is not None and (active or index == len(sent))
    )
    return native_ids, next((state for _, state, _ in reversed(sent) if state is not None), None)
