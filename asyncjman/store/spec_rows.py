"""What a job was asked for: its columns to a JobSpec and back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from functools import lru_cache

from asyncjman.errors import UnreadableJob
from asyncjman.model.job import JobSpec
from asyncjman.store.rows import INVALID, parsed_array, shown, token_of
from asyncjman.store.texts import text, untext

TYPE_CHECKING = False  # the typing module is not loaded for it
if TYPE_CHECKING:
    from typing import Any, TypeVar

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
    engine, queue, name, array, stop_on_failure, command, interpreter, exec_dir, log_dir = values[:9]
    environment, git_commit, git_dirty, sweep, retry, timeout, token, resources, origin = values[9:]

    def read(column: str, function: Callable[[Any], T], value: Any) -> T:
        try:
            return function(value)
        except INVALID as error:
            raise UnreadableJob(f"{column} is {shown(value)}", job_id, spec=True) from error

    return JobSpec(
        engine=read("engine", _known, engine),
        queue=read("queue", _text, queue),
        name=read("name", _text, name),
        array=read("array", parsed_array, array) if array else None,
        stop_on_failure=bool(stop_on_failure),
        command=read("command", _words, command),
        interpreter=read("interpreter", _words, interpreter),
        exec_dir=read("exec_dir", _text, exec_dir),
        log_dir=read("log_dir", _text, log_dir) if log_dir is not None else None,
        environment=read("environment", _variables, environment),
        dependencies=dependencies,
        origin=read("origin", _variables, origin) if origin else {},
        git_commit=git_commit,
        git_dirty=None if git_dirty is None else bool(git_dirty),
        sweep=read("sweep", _sweep_of, sweep) if sweep else None,
        retry=read("retry", _retry_of, retry) if retry else None,
        timeout=read("timeout", _seconds, timeout) if timeout is not None else None,
        token=token_of(token, job_id, spec=True),
        resources=read("resources", lambda value: dict(json.loads(value)), resources) if resources else {},
    )


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
        token=token if isinstance(token, str) and re.fullmatch(r"[0-9a-f]*", token, re.ASCII) else "",
    )


def _text(value: str | bytes | None) -> str:
    found = untext(value) or ""
    if not isinstance(found, str):
        raise TypeError("no text")
    return found


def _known(value: str) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


@lru_cache(maxsize=256)
def _words(value: str) -> tuple[str, ...]:
    words = tuple(json.loads(value))
    if not all(isinstance(word, str) for word in words):
        raise TypeError("a word that is not text")
    return words


def _variables(value: str) -> dict[str, str]:
    return dict(_pairs(value))


@lru_cache(maxsize=256)
def _pairs(value: str) -> dict[str, str]:
    """Return variables; most jobs have the same ones."""
    variables = dict(json.loads(value))
    if not all(isinstance(one, str) for pair in variables.items() for one in pair):
        raise TypeError("a variable that is not text")
    return variables


def _seconds(value: float) -> float:
    from asyncjman.model.duration import seconds_of

    return seconds_of(value, "timeout")


def _sweep_of(value: str) -> Sweep:
    from asyncjman.model.sweep import Sweep

    return Sweep.loads(value)


def _retry_of(value: str) -> Retry:
    from asyncjman.model.retry import Retry

    return Retry.loads(value)
