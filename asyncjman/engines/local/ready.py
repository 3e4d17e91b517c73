"""What is to be started for an attempt; most of it can be made ready before its turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

from asyncjman.engines.base import LaunchRequest, Ref
from asyncjman.engines.local.console import LinePipe
from asyncjman.engines.local.logfiles import make_room
from asyncjman.engines.local.process import Process
from asyncjman.engines.local.processes import RUNNER_VARIABLE, TASK_VARIABLE, task_mark
from asyncjman.engines.local.spawn import Command, Streams, impossible, prepared
from asyncjman.engines.local.variables import Environment, Variables, encoded
from asyncjman.model.job import JobSpec
from asyncjman.system.environment import attempt_environment, job_environment
from asyncjman.system.logs import logs_from

FRESH_SECONDS = 1.0
"""What was made ready before that is made anew: the command may be elsewhere by now."""
_KNOWN_JOBS = 64
"""Of so many jobs the variables are kept."""


class _OfJob:
    """What all tasks of a job have in common."""

    def __init__(self, spec: JobSpec, variables: dict[str, str], base: Variables) -> None:
        self.spec = spec
        self.variables = variables
        self.environment = Environment({**base, **encoded(variables)})


@dataclass(slots=True, eq=False)
class Ready:
    """An attempt that can be started."""

    process: Process
    command: Command
    streams: Streams
    inherited: tuple[int, ...]
    """The descriptors that it inherits beside its streams."""
    _own: dict[str, str]
    _of_job: _OfJob
    _made: set[str]
    """The log folders that are known to be there."""
    _spawn: Callable[[], int] | None = None
    _at: float = 0.0

    @property
    def variables(self) -> dict[str, str]:
        """Return its variables, but for what it has of the runner."""
        return {**self._of_job.variables, **self._own}

    @property
    def is_fresh(self) -> bool:
        """Tell whether it may be started as it was prepared."""
        return time.monotonic() - self._at < FRESH_SECONDS

    def prepare(self) -> None:
        """Do ahead what a start takes, and nobody sees. Raises OSError, as ``start`` does."""
        self._spawn = prepared(
            self.command, self.streams, self._of_job.environment, self._own, self.inherited
        )
        self._at = time.monotonic()

    def make_room(self, made: set[str] | None = None) -> None:
        """Make room for its logs. Raises OSError whose ``strerror`` says what is in the way."""
        if not self.process.pipes:
            logs, made = cast("tuple[str, str]", self.streams), self._made if made is None else made
            make_room(self.command.exec_dir, logs, self.process.ref.attempt, made)

    def start(self) -> int:
        """Start it, from any thread, and return its pid. Raises OSError, as ``make_room`` does."""
        if self._spawn is None:
            self.prepare()
        assert self._spawn is not None
        self.make_room()
        try:
            return self._spawn()
        except FileNotFoundError:
            self.make_room(set())  # the log folder may have been removed meanwhile
            return self._spawn()


class Preparation:
    """Makes attempts ready to be started."""

    def __init__(
        self, token: str, environment: Mapping[str, str], inherited: Callable[[], int | None]
    ) -> None:
        """``environment`` is that of all tasks; ``inherited`` gives the descriptor that each inherits."""
        self._token = token
        self._base = encoded(environment)
        self._inherited = inherited
        self._made: set[str] = set()
        self._jobs: dict[int, _OfJob] = {}

    def ready(self, request: LaunchRequest, pipes: Callable[[Ref], tuple[LinePipe, LinePipe]]) -> Ready:
        """Return what is started. ``pipes`` makes those that its output goes to where it has no logs.

        Raises OSError where it can't be started; no pipes are made then.
        """
        (ref,) = request.tasks
        assert isinstance(ref, Ref)
        spec = request.spec
        process = Process(request.token, ref, task_mark(*ref), request.time_limit)
        command = Command(spec.argv(ref.task_id), spec.exec_dir)
        own = attempt_environment(spec, ref.task_id, ref.attempt)
        own[TASK_VARIABLE] = process.mark
        lock = self._inherited()
        inherited = () if lock is None else (lock,)
        try:
            of_job = self._of_job(spec, ref.job_id)
        except ValueError as error:
            raise impossible(error, command) from error
        if request.logs is None:
            process.pipes = pipes(ref)
            streams = Streams(*(one.write_end for one in process.pipes))
        else:
            logs = logs_from(request.logs, ref.job_id, ref.task_id)
            streams = Streams(*logs)
            process.error_log = logs[1]
        return Ready(process, command, streams, inherited, own, of_job, self._made)

    def _of_job(self, spec: JobSpec, job_id: int) -> _OfJob:
        known = self._jobs.get(job_id)
        if known is None or known.spec is not spec:
            if len(self._jobs) >= _KNOWN_JOBS:
                self._jobs.clear()
            variables = {**job_environment(spec, job_id), RUNNER_VARIABLE: self._token}
            known = self._jobs[job_id] = _OfJob(spec, variables, self._base)
        return known
