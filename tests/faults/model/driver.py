"""Carries out a plan with real processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.model.commands import HANG_SECONDS, Command, submit_words
from tests.faults.model.journal import Journal, Line, TaskLine
from tests.faults.model.plan import (
    Delete,
    Execute,
    Job,
    List,
    Operation,
    Plan,
    Quiet,
    Resubmit,
    Step,
    Stop,
    Strike,
    Submit,
    Wait,
)

SCRIPT = Path(__file__).with_name("task.sh")
MOST_BESIDE = 3
MOST_EXECUTES = 3
RUN_VARIABLE = "MODEL_RUN"
NO_JOB = 10**9
"""The id that stands for a job whose submission never took effect."""


@dataclass
class History:
    """What was done and seen."""

    seed: int
    jobs: dict[int, Job] = field(default_factory=dict)
    commands: list[Command] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    steps: list[tuple[float, Step, int | None]] = field(default_factory=list)
    """When each was begun (seconds), and the command that it was about."""
    quiet: list[int] = field(default_factory=list)
    """The listings beside which nothing else ran, and no execute was alive."""
    final: list[int] = field(default_factory=list)
    """Of these: those after an execute that had all for itself."""
    last: int = -1
    """Of these: the one after all was resubmitted and executed in peace."""

    @property
    def attempts(self) -> int:
        return sum(isinstance(one, TaskLine) and one.what == "begin" for one in self.lines)


class Driver:
    """One run in a folder that is empty."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.history = History(seed)
        self._folder = folder
        (folder / "locks").mkdir()
        self._journal = Journal(folder)
        self._run = f"{os.getpid()}.{seed}.{time.time_ns()}"
        self._ids: dict[int, int] = {}
        self._begun = time.monotonic()
        self._has_no_dependents = "--no-dependents" in self._plain("resubmit", "--help")

    def run(self, seconds: float) -> History:
        """Do what the plan says for so long; then let all end, and look whether it did."""
        end = self._begun + seconds
        try:
            for step in Plan(self.history.seed):
                if time.monotonic() >= end or any(one.hung for one in self.history.commands):
                    break
                time.sleep(step.pause)  # nothing to wait for: it is when the next thing happens
                self._carry_out(step)
            if not any(one.hung for one in self.history.commands):
                self._finish()
        finally:
            self._end_all()
            self.history.lines = self._journal.read()
            self._journal.close()
        return self.history

    # -- steps ----------------------------------------------------------------------------------------

    def _carry_out(self, step: Step) -> None:
        operation = step.operation
        noted = (time.monotonic() - self._begun, step)
        if isinstance(operation, Strike):
            struck = self._strike(operation)
            self.history.steps.append((*noted, struck))
            return
        if isinstance(operation, Quiet):
            self.history.steps.append((*noted, None))
            self._quiet(operation)
            return
        if isinstance(operation, Submit):
            self.history.jobs[operation.job.number] = operation.job
        if isinstance(operation, Execute):
            if len(self._executes()) >= MOST_EXECUTES:
                self.history.steps.append((*noted, None))
                return
        elif len(self._short()) >= MOST_BESIDE:
            self._short()[0].join(HANG_SECONDS + 10)
        command = self._make(step.number, operation)
        self.history.steps.append((*noted, command.number))
        is_execute = isinstance(operation, Execute)
        command.start(self._journal, step.fate, 1e6 if is_execute else HANG_SECONDS)
        if not step.beside:
            command.join(HANG_SECONDS + 10)
        self._learn()

    def _strike(self, strike: Strike) -> int | None:
        live = self._executes()
        if not live:
            return None
        chosen = live[strike.which % len(live)]
        if strike.signal == signal.SIGSTOP:
            chosen.suspend(strike.seconds)
        else:
            chosen.send(strike.signal)
        return chosen.number

    def _quiet(self, quiet: Quiet) -> None:
        """Have nothing run any more, whichever way; then list."""
        self._join(self._short())
        for one in self._executes():
            if quiet.signal is not None:
                one.send(quiet.signal)
            elif isinstance(one.operation, Execute) and one.operation.keep_running:
                one.send(signal.SIGINT)
        self._join(self._executes())
        self.history.quiet.append(self._do(List()).number)
        self._learn()

    def _finish(self) -> None:
        """Let all that was begun come to its end, then run what can run; twice, the second time all of it."""
        self._quiet(Quiet(None))
        for round_ in range(2):
            if any(one.hung for one in self.history.commands):
                return
            if round_:
                self._do(Resubmit(()))
            self._do(Execute(4))
            listing = self._do(List())
            self.history.quiet.append(listing.number)
            self.history.final.append(listing.number)
            if round_:
                self.history.last = listing.number
        self._do(Wait())

    # -- commands -------------------------------------------------------------------------------------

    def _do(self, operation: Operation) -> Command:
        """Run a command to its end, beside nothing else."""
        command = self._make(0, operation)
        command.start(self._journal, None)
        command.join(HANG_SECONDS + 10)
        return command

    def _make(self, step: int, operation: Operation) -> Command:
        number = len(self.history.commands)
        jobs, words = self._words(operation)
        command = Command(
            number,
            step,
            operation,
            words,
            jobs,
            names_nothing=self._names_nothing(operation, jobs),
            environment=self._environment(MODEL_EXECUTE=str(number)),
            folder=self._folder,
        )
        self.history.commands.append(command)
        return command

    def _words(self, operation: Operation) -> tuple[frozenset[int] | None, list[str]]:
        match operation:
            case Submit(job):
                ids = {need.on: self._id(need.on) for need in job.needs}
                return frozenset([job.number]), submit_words(job, ids, SCRIPT)
            case Execute(parallel, only, keep_running):
                jobs, ids_ = self._named(only)
                words = ["-p", str(parallel), "--no-progress", *["--keep-running"] * keep_running]
                return jobs, ["--local", "execute", *words, *ids_]
            case Stop(some, tasks) | Delete(some, tasks):
                jobs, ids_ = self._named(some)
                which = ["-a", ",".join(map(str, tasks))] if tasks else []
                return jobs, ["--local", type(operation).__name__.lower(), *ids_, *which]
            case Resubmit(some, options):
                jobs, ids_ = self._named(some)
                if not self._has_no_dependents:
                    options -= {"--no-dependents"}
                return jobs, ["--local", "resubmit", *ids_, *sorted(options)]
            case List(with_tasks):
                return None, ["--local", "list", "--json", *["-a"] * with_tasks]
            case Wait():
                return None, ["--local", "wait", "--timeout", "20"]
        raise AssertionError(operation)

    def _names_nothing(self, operation: Operation, jobs: frozenset[int] | None) -> bool:
        named = (
            {need.on for need in operation.job.needs} if isinstance(operation, Submit) else set(jobs or ())
        )
        return not named <= self._ids.keys()

    def _named(self, jobs: tuple[int, ...]) -> tuple[frozenset[int] | None, list[str]]:
        return frozenset(jobs) or None, [str(self._id(one)) for one in jobs]

    def _id(self, number: int) -> int:
        return self._ids.get(number, NO_JOB + number)

    def _learn(self) -> None:
        """Learn jman's ids from what commands said."""
        for one in self.history.commands:
            if one.code != 0:
                continue
            if isinstance(one.operation, Submit) and one.operation.job.number not in self._ids:
                with contextlib.suppress(ValueError, LookupError, TypeError):
                    self._ids[one.operation.job.number] = int(one.json()["id"])
            elif isinstance(one.operation, List):
                with contextlib.suppress(ValueError, LookupError, TypeError):
                    for job in one.json():
                        self._ids.setdefault(int(job["name"][1:]), int(job["id"]))

    def _executes(self) -> list[Command]:
        return [one for one in self.history.commands if isinstance(one.operation, Execute) and one.is_running]

    def _short(self) -> list[Command]:
        return [
            one for one in self.history.commands if not isinstance(one.operation, Execute) and one.is_running
        ]

    def _join(self, commands: list[Command]) -> None:
        """Wait for their ends; what doesn't end is killed, and has hung."""
        deadline = time.monotonic() + HANG_SECONDS
        for one in commands:
            if not one.join(max(deadline - time.monotonic(), 0.1)):
                one.hung = True
                one.send(signal.SIGKILL)
                one.join(10)

    def _environment(self, **more: str) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("JMAN_", "PYTEST_"))}
        return {**kept, "LC_ALL": "C.UTF-8", RUN_VARIABLE: self._run, **more}

    def _plain(self, *words: str) -> str:
        """Return what a command prints that no history needs."""
        return subprocess.run(
            [sys.executable, "-m", "asyncjman", *words],
            cwd=self._folder,
            env=self._environment(COLUMNS="200"),
            capture_output=True,
            text=True,
            timeout=60,
        ).stdout

    # -- the end --------------------------------------------------------------------------------------

    def _end_all(self) -> None:
        """Leave no process behind: those of this run carry its mark in their environment."""
        for one in self.history.commands:
            if one.is_running:
                one.send(signal.SIGKILL)
                one.join(10)
        for pid in marked(self._run):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def marked(run: str) -> Iterator[int]:
    """Yield the processes that carry the mark of a run."""
    mark = f"{RUN_VARIABLE}={run}".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    yield int(entry.name)


def listing_of(command: Command) -> dict[int, dict[str, Any]] | None:
    """Return what a listing said of each job, by its number in the plan; None where it said nothing."""
    if command.code != 0 or not isinstance(command.operation, List):
        return None
    return {int(job["name"][1:]): job for job in command.json()}
