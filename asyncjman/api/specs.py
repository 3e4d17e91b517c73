"""A JobSpec from what a user wrote, with all that can be wrong with it looked for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from asyncjman.errors import EnvironmentProblem, UsageError
from asyncjman.executors.logs import refuse_foreign_link
from asyncjman.executors.program import resolve
from asyncjman.model.array import ArraySpec
from asyncjman.model.duration import Duration, time_limit_of
from asyncjman.model.graph import Dependency
from asyncjman.model.job import JobSpec
from asyncjman.model.paths import absolute
from asyncjman.model.resources import checked
from asyncjman.model.retry import Retry
from asyncjman.model.sweep import Sweep


def build_spec(
    command: Sequence[str],
    *,
    name: str = "",
    exec_dir: Path | None = None,
    log_dir: str | os.PathLike[str] | None = None,
    executor: str = "local",
    queue: str = "local",
    resources: Mapping[str, object] | None = None,
    environment: Iterable[str] = (),
    array: str | None = None,
    dependencies: tuple[Dependency, ...] = (),
    stop_on_failure: bool = False,
    sweep: Sweep | None = None,
    retry: Retry | None = None,
    timeout: Duration | None = None,
    check: bool = True,
) -> JobSpec:
    """Return the job that is asked for.

    Raises BadArray, CommandNotFound or UsageError, each naming what is wrong, and EnvironmentProblem for
    a log folder that another user's symbolic link leads to.
    """
    if not command or not command[0]:
        raise UsageError("a command is missing: jman submit [OPTIONS] COMMAND [ARGUMENT]...")
    if log_dir is not None and not os.fspath(log_dir):
        raise UsageError("the log folder (--log-dir) has no name; write . for the current one")
    folder = absolute(exec_dir or ".")
    if not folder.is_dir():
        raise UsageError(f"the folder {exec_dir} (--exec-dir) does not exist")
    if log_dir is not None:
        try:
            refuse_foreign_link(str(folder), str(folder / log_dir / "log"))
        except OSError as error:
            raise EnvironmentProblem(error.strerror) from error
    spec_array = None
    if sweep is not None:
        spec_array = array_of_sweep(sweep, array)
    elif array is not None:
        spec_array = ArraySpec.parse(array)
    interpreter, words = resolve(tuple(command), folder, check=check and not _has_field(command[0], sweep))
    seconds = time_limit_of(timeout)
    return JobSpec(
        command=words,
        interpreter=interpreter,
        name=name,
        executor=executor,
        queue=queue,
        resources=checked(resources or {}),
        exec_dir=str(folder),
        log_dir=os.fspath(log_dir) if log_dir is not None else None,
        environment=parse_environment(environment),
        array=spec_array,
        sweep=sweep,
        retry=retry,
        timeout=seconds,
        dependencies=dependencies,
        stop_on_failure=stop_on_failure,
    )


def parse_environment(items: Iterable[str]) -> dict[str, str]:
    """Read KEY=VALUE items. Raises UsageError for anything else."""
    found: dict[str, str] = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise UsageError(f"bad variable {item!r}: write KEY=VALUE, as in -s SEED=3")
        found[key] = value
    return found


def array_of_sweep(sweep: Sweep, array: str | None) -> ArraySpec:
    """Return the array of a sweep's tasks; of ``array`` only the part after % may be given, as in ``%4``.

    Raises UsageError for anything else.
    """
    if array is not None and not array.startswith("%"):
        raise UsageError("a sweep makes its own array: give only how many at a time, as in --array %4")
    return ArraySpec.parse(f"1-{len(sweep)}{array or ''}")


def _has_field(word: str, sweep: Sweep | None) -> bool:
    return sweep is not None and any(f"{{{name}}}" in word for name, _ in sweep.columns)
