"""What a job was asked for: its columns to a JobSpec and back."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import lru_cache

from asyncjman.errors import UnreadableJob
from asyncjman.model.job import JobSpec
from asyncjman.store.rows import INVALID, is_token, parsed_array, shown
from asyncjman.store.texts import text, untext

TYPE_CHECKING = False  # the typing module is not loaded for it
if TYPE_CHECKING:
    from typing import Any, TypeVar

    from asyncjman.model.array import ArraySpec
    from asyncjman.model.graph import Dependency
    from asyncjman.model.retry import Retry
    from asyncjman.model.sweep import Sweep

    T = TypeVar("T")

SPEC_COLUMNS = (
    "engine, queue, name, array, stop_on_failure, command, interpreter, exec_dir, log_dir, "
    "environment, git_commit, git_dirty, sweep, retry, timeout, token, resources, origin"
)


def spec_values(spec: JobSpec) -> tuple[Any, ...]:
    """Return the values of ``SPEC_COLUMNS``."""
    return (
        spec.engine,
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
        json.dumps(dict(spec.origin)) if spec.origin else None,
    )


def spec_of(
    values: Sequence[Any], dependencies: tuple[Dependency, ...] = (), job_id: int | None = None
) -> JobSpec:
    """Build a spec from the values of ``SPEC_COLUMNS``."""
    try:
        found = {column: read(value) for (column, read), value in zip(_READERS, values, strict=True)}
    except INVALID as error:
        raise _unreadable(values, job_id) from error
    return JobSpec(dependencies=dependencies, **found)


def _unreadable(values: Sequence[Any], job_id: int | None) -> UnreadableJob:
    """Return the error that names the first column that can't be read."""
    for (column, read), value in zip(_READERS, values, strict=True):
        try:
            read(value)
        except INVALID:
            return UnreadableJob(f"{column} is {shown(value)}", job_id, spec=True)
    raise AssertionError("all can be read")


def unreadable_spec(values: Sequence[Any], task_count: int, dependencies: tuple[Dependency, ...]) -> JobSpec:
    """Return a spec that stands for one that can't be read: enough to stop and delete the job."""
    engine, token = values[0], values[15]
    return JobSpec(
        engine=engine if isinstance(engine, str) else "local",
        queue="?",
        command=("?",),
        exec_dir="/",
        array=parsed_array(f"1-{task_count}") if task_count > 1 else None,
        dependencies=dependencies,
        token=token if is_token(token) else "",
    )


def _text(value: str | bytes | None) -> str:
    if isinstance(value, str):
        return value
    found = untext(value) or ""
    if not isinstance(found, str):
        raise TypeError("no text")
    return found


def _text_or_none(value: str | bytes | None) -> str | None:
    return None if value is None else _text(value)


def _known(value: str) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _array_or_none(value: str | None) -> ArraySpec | None:
    return parsed_array(value) if value else None


@lru_cache(maxsize=256)
def _words(value: str) -> tuple[str, ...]:
    words = tuple(json.loads(value))
    if not all(isinstance(word, str) for word in words):
        raise TypeError("a word that is not text")
    return words


def _variables(value: str) -> dict[str, str]:
    return dict(_pairs(value))


def _origin(value: str | None) -> dict[str, str]:
    return _variables(value) if value else {}


@lru_cache(maxsize=256)
def _pairs(value: str) -> dict[str, str]:
    """Return variables; most jobs have the same ones."""
    variables = dict(json.loads(value))
    if not all(isinstance(one, str) for pair in variables.items() for one in pair):
        raise TypeError("a variable that is not text")
    return variables


def _resources(value: str | None) -> dict[str, Any]:
    return dict(json.loads(value)) if value else {}


def _seconds(value: float | None) -> float | None:
    if value is None:
        return None
    from asyncjman.model.duration import seconds_of

    return seconds_of(value, "timeout")


def _sweep_of(value: str | None) -> Sweep | None:
    if not value:
        return None
    from asyncjman.model.sweep import Sweep

    return Sweep.loads(value)


def _retry_of(value: str | None) -> Retry | None:
    if not value:
        return None
    from asyncjman.model.retry import Retry

    return Retry.loads(value)


def _token(value: str) -> str:
    if not is_token(value):
        raise ValueError("no token")
    return value


def _as_it_is(value: T) -> T:
    return value


def _flag_or_none(value: int | None) -> bool | None:
    return None if value is None else bool(value)


_READERS: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("engine", _known),
    ("queue", _text),
    ("name", _text),
    ("array", _array_or_none),
    ("stop_on_failure", bool),
    ("command", _words),
    ("interpreter", _words),
    ("exec_dir", _text),
    ("log_dir", _text_or_none),
    ("environment", _variables),
    ("git_commit", _as_it_is),
    ("git_dirty", _flag_or_none),
    ("sweep", _sweep_of),
    ("retry", _retry_of),
    ("timeout", _seconds),
    ("token", _token),
    ("resources", _resources),
    ("origin", _origin),
)
"""How each of ``SPEC_COLUMNS`` is read."""
