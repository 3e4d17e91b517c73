"""Rows to model and back."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from asyncjman.errors import DamagedDatabase, UsageError
from asyncjman.model.graph import Dependency, Kind
from asyncjman.model.job import Job, JobSpec, Task
from asyncjman.model.status import Status, roll_up

if TYPE_CHECKING:
    from asyncjman.model.array import ArraySpec
    from asyncjman.model.retry import Retry
    from asyncjman.model.sweep import Sweep

P = ParamSpec("P")
T = TypeVar("T")

SPEC_COLUMNS = (
    "executor, queue, name, array, stop_on_failure, command, interpreter, exec_dir, log_dir, "
    "environment, git_commit, git_dirty, sweep, retry, timeout, token, resources"
)
TASK_COLUMNS = (
    "job_id, task_id, status, attempt, exit_status, signal, reason, host, started_at, finished_at, "
    "cpu_seconds, peak_memory_bytes"
)

_INTEGER = (int, type(None))
_NUMBER = (int, float, type(None))
_TEXT = (str, bytes, type(None))
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
)


def _whole(read: Callable[P, T]) -> Callable[P, T]:
    """Have ``read`` raise DamagedDatabase for a row that makes no sense."""

    @wraps(read)
    def checked(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return read(*args, **kwargs)
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, UsageError) as error:
            raise DamagedDatabase from error

    return checked


@_whole
def status_of(word: str) -> Status:
    """Return a status from its column."""
    return Status(word)


@_whole
def dependency_of(on_job: int, kind: str) -> Dependency:
    """Return a dependency from its columns."""
    return Dependency(on_job, Kind(kind))


@_whole
def token_of(word: str) -> str:
    """Return a token from its column: it is part of paths, and must lead nowhere else."""
    if not re.fullmatch(r"[0-9a-f]*", word, re.ASCII):
        raise ValueError("no token")
    return word


def text(value: str | None) -> str | bytes | None:
    """Return a value for a TEXT column: bytes that are no UTF-8 (surrogates, PEP 383) as a BLOB."""
    if value is None or value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return os.fsencode(value)
    return value


def untext(value: str | bytes | None) -> str | None:
    return os.fsdecode(value) if isinstance(value, bytes) else value


def spec_values(spec: JobSpec) -> tuple[Any, ...]:
    """Return the values of ``SPEC_COLUMNS``."""
    return (
        spec.executor,
        spec.queue,
        text(spec.name),
        str(spec.array) if spec.array else None,
        spec.stop_on_failure,
        json.dumps(spec.command),
        json.dumps(spec.interpreter),
        text(spec.exec_dir),
        text(spec.log_dir),
        json.dumps(dict(spec.environment)),
        spec.git_commit,
        spec.git_dirty,
        spec.sweep.dumps() if spec.sweep else None,
        spec.retry.dumps() if spec.retry else None,
        spec.timeout,
        spec.token,
        json.dumps(dict(spec.resources)) if spec.resources else None,
    )


@_whole
def spec_of(values: Sequence[Any], dependencies: tuple[Dependency, ...] = ()) -> JobSpec:
    """Build a spec from the values of ``SPEC_COLUMNS``."""
    executor, queue, name, array, stop_on_failure, command, interpreter, exec_dir, log_dir = values[:9]
    environment, git_commit, git_dirty, sweep, retry, timeout, token, resources = values[9:]
    return JobSpec(
        executor=executor,
        queue=queue,
        name=untext(name) or "",
        array=_array_of(array) if array else None,
        stop_on_failure=bool(stop_on_failure),
        command=tuple(json.loads(command)),
        interpreter=tuple(json.loads(interpreter)),
        exec_dir=untext(exec_dir) or "",
        log_dir=untext(log_dir),
        environment=dict(json.loads(environment)),
        dependencies=dependencies,
        git_commit=git_commit,
        git_dirty=None if git_dirty is None else bool(git_dirty),
        sweep=_sweep_of(sweep) if sweep else None,
        retry=_retry_of(retry) if retry else None,
        timeout=timeout,
        token=token_of(token),
        resources=dict(json.loads(resources)) if resources else {},
    )


def _array_of(value: str) -> ArraySpec:
    from asyncjman.model.array import ArraySpec

    return ArraySpec.parse(value)


def _sweep_of(value: str) -> Sweep:
    from asyncjman.model.sweep import Sweep

    return Sweep.loads(value)


def _retry_of(value: str) -> Retry:
    from asyncjman.model.retry import Retry

    return Retry.loads(value)


@_whole
def task_of(values: Sequence[Any]) -> Task:
    """Build a task from the values of ``TASK_COLUMNS``."""
    status = Status(values[2])
    if not all(isinstance(one, kind) for one, kind in zip(values, _TASK_TYPES, strict=True)) or (
        status is Status.SUCCESS and values[4] not in (0, None)
    ):
        raise ValueError("a value of another type, or a success that did not exit with 0")
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
    )


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
    )


@_whole
def job_of(
    head: Sequence[Any],
    spec: JobSpec,
    tally: Mapping[Status, tuple[int, float, int]],
    speaker: Task | None,
    grid: tuple[int | None, str | None] = (None, None),
) -> Job:
    """Build a job from (id, submitted_at, started_at, finished_at, rest, task_count), its tally
    (count, CPU seconds, peak bytes by status), the task that speaks for it, and (grid id, note).
    """
    job_id, submitted_at, started_at, finished_at, rest, task_count = head
    if task_count != (len(spec.array) if spec.array else 1) or not isinstance(submitted_at, float):
        raise ValueError("a value of another type, or an array of another size")
    counts = {status: count for status, (count, _, _) in tally.items() if count}
    left = task_count - sum(counts.values())
    if left < 0 or min(counts.values(), default=0) < 0:
        raise ValueError("more tasks than there are")
    if left:
        counts[Status(rest)] = counts.get(Status(rest), 0) + left
    peak = max((bytes_ for _, _, bytes_ in tally.values()), default=0)
    return Job(
        id=job_id,
        spec=spec,
        submitted_at=submitted_at,
        started_at=started_at,
        finished_at=finished_at,
        counts=counts,
        status=roll_up(counts),
        cpu_seconds=sum(cpu for _, cpu, _ in tally.values()) if peak else None,
        peak_memory_bytes=peak or None,
        host=speaker.host if speaker else None,
        exit_status=speaker.exit_status if speaker else None,
        signal=speaker.signal if speaker else None,
        reason=speaker.reason if speaker else None,
        attempt=speaker.attempt if speaker else 1,
        grid_id=grid[0],
        note=grid[1],
    )
