"""What somebody asks for, and the job that is stored for it: read once, the same for every way to ask."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from asyncjman.api.checks import (
    dependencies_of,
    flag_of,
    path_of,
    resources_of,
    retry_of,
    sweep_of,
    text_of,
    variables_of,
    words_of,
)
from asyncjman.errors import EnvironmentProblem, UsageError
from asyncjman.model.duration import Duration, time_limit_of
from asyncjman.model.graph import Dependency, Kind
from asyncjman.model.job import LOCAL, JobSpec
from asyncjman.model.paths import absolute
from asyncjman.settings import CLUSTER_LOG_DIR, Settings, extra_options
from asyncjman.system.logs import refuse_foreign_link
from asyncjman.system.program import resolve

if TYPE_CHECKING:  # loaded for what is given
    from asyncjman.api.asked import Array, Resources
    from asyncjman.api.earlier import Earlier
    from asyncjman.model.array import ArraySpec
    from asyncjman.model.retry import Retry
    from asyncjman.model.sweep import Sweep

SITE_EXTRA = "site_extra"
"""The resource that holds the site's own options of the command that submits."""


class JobRequest(NamedTuple):
    """A job as it was asked for, not read yet. The fields are those of ``Options``."""

    command: Sequence[str | os.PathLike[str]]
    name: str | None = None
    array: Array | None = None
    exec_dir: str | os.PathLike[str] | None = None
    log_dir: str | os.PathLike[str] | None = None
    environment: Mapping[str, str] | None = None
    after_any: Earlier = ()
    after_ok: Earlier = ()
    after_notok: Earlier = ()
    after_corr: Earlier = ()
    dependencies: tuple[Dependency, ...] = ()
    """Further ones."""
    stop_on_failure: bool = False
    sweep: Sweep | Mapping[str, Sequence[object]] | None = None
    retry: Retry | int | None = None
    timeout: Duration | None = None
    queue: str | None = None
    resources: Resources | Mapping[str, object] | None = None
    check: bool = True
    token: str = ""
    """The one of its spool folder, where that is there already."""

    def resolve(self, engine: str, settings: Settings) -> JobSpec:
        """Return the job that is asked for, as it is stored to run on an engine.

        Raises BadArray, CommandNotFound or UsageError, each naming what is wrong, and EnvironmentProblem for
        a log folder that another user's symbolic link leads to.
        """
        command = words_of(self.command)
        if not command or not command[0]:
            raise UsageError("a command is missing: jman submit [OPTIONS] COMMAND [ARGUMENT]...")
        log_dir, folder = path_of(self.log_dir, "log_dir"), self._folder()
        _refuse_log_dir(log_dir, folder)
        sweep = sweep_of(self.sweep)
        array = _array_of(self.array, sweep)
        check = flag_of(self.check, "check") and not _has_field(command[0], sweep)
        if sweep is not None and self.check:
            _refuse_mistyped(command, sweep)
        interpreter, words = resolve(tuple(command), folder, check=check)
        spec = JobSpec(
            command=words,
            interpreter=interpreter,
            name=text_of(self.name, "name") or "",
            resources=self._resources(),
            exec_dir=str(folder),
            log_dir=log_dir,
            environment=variables_of(self.environment),
            array=array,
            sweep=sweep,
            retry=retry_of(self.retry),
            timeout=time_limit_of(self.timeout),
            dependencies=(*self._dependencies(), *self.dependencies),
            stop_on_failure=flag_of(self.stop_on_failure, "stop_on_failure"),
            token=self.token,
        )
        return placed(spec, engine, settings)

    def _folder(self) -> Path:
        given = path_of(self.exec_dir, "exec_dir")
        folder = absolute(given or ".")
        if not folder.is_dir():
            raise UsageError(f"the folder {given} (--exec-dir) does not exist")
        return folder

    def _resources(self) -> dict[str, Any]:
        queue = text_of(self.queue, "queue")
        if queue is None and self.resources is None:
            return {}
        from asyncjman.model.resources import checked

        return checked({"queue": queue, **resources_of(self.resources)})

    def _dependencies(self) -> tuple[Dependency, ...]:
        return dependencies_of(
            {
                Kind.ANY: self.after_any,
                Kind.OK: self.after_ok,
                Kind.NOTOK: self.after_notok,
                Kind.CORR: self.after_corr,
            }
        )


def placed(spec: JobSpec, engine: str, settings: Settings) -> JobSpec:
    """Return a job as it is stored to run on this engine, whatever it was to run on before.

    What was asked for stays; the queue, the site's options and the log folder of a job that has none come
    from the settings.
    """
    resources: dict[str, Any] = {name: one for name, one in spec.resources.items() if name != SITE_EXTRA}
    if engine == LOCAL:
        log_dir = spec.log_dir or settings.log_dir or None
        return replace(spec, engine=engine, queue=LOCAL, resources=resources, log_dir=log_dir)
    from asyncjman.engines.registry import default_queue

    if words := extra_options(settings, engine, given="extra" in resources):
        resources[SITE_EXTRA] = words
    return replace(
        spec,
        engine=engine,
        queue=resources.get("queue") or default_queue(engine, settings),
        log_dir=spec.log_dir or settings.log_dir or CLUSTER_LOG_DIR,
        resources=resources,
    )


def cluster_of(asked: str) -> str:
    """Return the batch system that a setting means, ``auto`` the one that is here. Raises JmanError."""
    from asyncjman.engines import registry

    return registry.cluster_of(asked)


def parse_environment(items: Sequence[str]) -> dict[str, str]:
    """Read KEY=VALUE items. Raises UsageError for anything else."""
    variables: dict[str, str] = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise UsageError(f"bad variable {item!r}: write KEY=VALUE, as in -s SEED=3")
        variables[key] = value
    return variables


def _refuse_log_dir(log_dir: str | None, folder: Path) -> None:
    if log_dir is None:
        return
    if not log_dir:
        raise UsageError("the log folder (--log-dir) has no name; write . for the current one")
    try:
        refuse_foreign_link(str(folder), str(folder / log_dir / "log"))
    except OSError as error:
        raise EnvironmentProblem(error.strerror) from error


def _array_of(asked: Array | None, sweep: Sweep | None) -> ArraySpec | None:
    if asked is None and sweep is None:
        return None
    from asyncjman.api.asked import array_of
    from asyncjman.model.array import ArraySpec

    array = array_of(asked)
    if sweep is not None:
        return array_of_sweep(sweep, None if array is None else str(array))
    return ArraySpec.parse(array) if isinstance(array, str) else array


def array_of_sweep(sweep: Sweep, array: str | None) -> ArraySpec:
    """Return the array of a sweep's tasks; of ``array`` only the part after % may be given, as in ``%4``.

    Raises UsageError for anything else.
    """
    if array is not None and not array.startswith("%"):
        raise UsageError("a sweep makes its own array: give only how many at a time, as in --array %4")
    from asyncjman.model.array import ArraySpec

    return ArraySpec.parse(f"1-{len(sweep)}{array or ''}")


def _refuse_mistyped(command: Sequence[str], sweep: Sweep) -> None:
    from asyncjman.model.sweep import mistyped

    if found := mistyped(command, [name for name, _ in sweep.columns]):
        word, name = found
        raise UsageError(
            f"the sweep has no {{{word}}}, but {{{name}}}: mistyped? (--no-check submits it all the same)"
        )


def _has_field(word: str, sweep: Sweep | None) -> bool:
    return sweep is not None and any(f"{{{name}}}" in word for name, _ in sweep.columns)
