"""The only caller of cluster commands: with a time limit, and again where a fault passes."""

from __future__ import annotations

import asyncio
import math
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import TypeVar

from asyncjman.engines.budget import Budget
from asyncjman.engines.cluster.dialect import Call, Fault, ParseError, Plan, Programs
from asyncjman.engines.cluster.programs import Binaries, locate
from asyncjman.errors import EnvironmentProblem
from asyncjman.system import tool
from asyncjman.system.tool import Completed

T = TypeVar("T")
Classify = Callable[[Completed], Fault]

TIMEOUT_SECONDS = 30.0
"""A hanging qmaster holds qstat for 122 s (measured on Son of Grid Engine 8.1.9): don't wait for that."""

RETRY_SECONDS = 30.0
"""So long a fault that passes is waited for, where something must be done."""
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 5.0


class CommandFailed(EnvironmentProblem):
    """A cluster command failed.

    ``program`` is its file name, ``returncode`` its exit status, None where it ran into the time
    limit or could not be started.
    """

    def __init__(
        self,
        program: str,
        returncode: int | None,
        words: str,
        fault: Fault = Fault.LASTING,
    ) -> None:
        status = f" (exit status {returncode})" if returncode is not None else ""
        super().__init__(f"{program}{status}: {words or 'it said nothing'}")
        self.silent = False
        """Whether it got no answer in its time."""
        self.program = program
        self.returncode = returncode
        self.words = words
        self.fault = fault

    @property
    def transient(self) -> bool:
        """Tell whether it may work later."""
        return Fault.PASSING in self.fault

    @property
    def ambiguous(self) -> bool:
        """Tell whether the request may have been carried out although no answer came."""
        return Fault.AMBIGUOUS in self.fault


def _nothing_is_known(_: Completed) -> Fault:
    return Fault.LASTING


async def run(
    argv: Sequence[str],
    *,
    timeout: float | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    check: bool = True,
    classify: Classify = _nothing_is_known,
) -> Completed:
    """Run a command to its end and return what it said; ``timeout`` in seconds (TIMEOUT_SECONDS if None).

    No process is left behind: not on a time-out, not when the caller is cancelled. With ``check``
    False any exit status is returned: some exit with 1 after success in part.

    Raises CommandFailed where it can't be started, runs into the time limit (transient and
    ambiguous), or, with ``check``, ends with another exit status than 0.
    """
    program = PurePath(argv[0]).name
    timeout = TIMEOUT_SECONDS if timeout is None else timeout
    try:
        completed = await tool.run(argv, timeout=timeout, env=env, stdin=stdin)
    except OSError as error:
        raise CommandFailed(program, None, f"can't be started: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        words = f"no answer within {_seconds(timeout)} s"
        failed = CommandFailed(program, None, words, Fault.PASSING | Fault.AMBIGUOUS)
        failed.silent = True
        raise failed from error
    if check and completed.exit_status != 0:
        raise failure(argv, completed, classify)
    return completed


async def run_with_retry(
    argv: Sequence[str],
    *,
    timeout: float | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    check: bool = True,
    retry_for: float | None = None,
    repeatable: bool = True,
    whole: bool = False,
    classify: Classify = _nothing_is_known,
) -> Completed:
    """Run a command, and again while it fails for a reason that passes.

    ``retry_for``: seconds for that, RETRY_SECONDS if None. The first run has the whole ``timeout``: a busy
    cluster may be slow; with ``whole`` every run has it. The pauses grow from 0.5 s to 5 s. A command that
    must not be carried out twice is not ``repeatable``: after an ambiguous failure it is not run again, and
    the error says so. A limit of the site is not waited for.

    Raises CommandFailed like ``run``; for faults that pass, also with ``check`` False.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + (RETRY_SECONDS if retry_for is None else retry_for)
    pause = FIRST_PAUSE_SECONDS
    limit = TIMEOUT_SECONDS if timeout is None else timeout
    while True:
        try:
            completed = await run(argv, timeout=limit, env=env, stdin=stdin, check=False)
            if completed.exit_status == 0 and Fault.PASSING not in classify(completed):
                return completed  # no error is made of what may be thousands of lines
            fault = failure(argv, completed, classify)
            if not fault.transient:
                if check and completed.exit_status != 0:
                    raise fault
                return completed
        except CommandFailed as error:
            if not error.transient:
                raise
            fault = error
        hopeless = (fault.ambiguous and not repeatable) or Fault.LIMIT in fault.fault
        if hopeless or clock() + pause >= deadline:
            raise fault
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        if not whole:
            limit = min(limit, max(deadline - clock(), 1.0))


def failure(
    argv: Sequence[str], completed: Completed, classify: Classify = _nothing_is_known
) -> CommandFailed:
    """Return the error for a command that ended badly, in its own words."""
    status = completed.exit_status
    fault = classify(completed)
    if status < 0 or status > 128:  # killed, as a shell says it too
        fault |= Fault.AMBIGUOUS
    return CommandFailed(PurePath(argv[0]).name, status, _words(completed), fault)


class Commands:
    """Makes the calls of a dialect, in the time that there is for all of them."""

    def __init__(self, programs: Programs, classify: Classify, budget: Budget) -> None:
        self.budget = budget
        self._programs = programs
        self._classify = classify
        self._found: Binaries | None = None

    @property
    def binaries(self) -> Binaries:
        """Raises EnvironmentProblem where the commands are not installed."""
        if self._found is None:
            self._found = locate(self._programs)
        return self._found

    def argv(self, call: Call[T]) -> list[str]:
        """Return the command line of a call, with the path of its program."""
        return [self.binaries.path(call.argv[0]), *call.argv[1:]]

    async def ask(self, call: Call[T], *, retry_for: float | None = None, within: float = math.inf) -> T:
        """Make a call and return its answer.

        ``retry_for``: seconds for which a fault that passes is waited for; None: as the call says.
        Raises CommandFailed.
        """
        argv = self.argv(call)
        left = min(self.budget.left(), within)
        program = PurePath(argv[0]).name
        if left <= 0:
            failed = CommandFailed(program, None, self.budget.words, Fault.PASSING)
            failed.silent = True
            raise failed
        limit = TIMEOUT_SECONDS if call.timeout is None else call.timeout
        timeout = limit if call.whole else min(limit, left)
        if retry_for is None:
            retry_for = RETRY_SECONDS if call.patient else 0.0
        try:
            done = await run_with_retry(
                argv,
                env={**self.binaries.environment, **call.environment},
                check=call.checked,
                timeout=timeout,
                retry_for=min(left, retry_for),
                repeatable=call.repeatable,
                whole=call.whole,
                classify=self._classify,
            )
        except CommandFailed as error:
            if error.silent:
                self.budget.got_no_answer(timeout)
            raise
        try:
            return call.parse(done)
        except ParseError as error:
            if call.checked or done.exit_status == 0:
                # what can't be read says nothing: it may be read later, and may have been carried out
                fault = Fault.PASSING if call.repeatable else Fault.AMBIGUOUS
                raise CommandFailed(program, done.exit_status, str(error), fault) from error
            raise failure(argv, done, self._classify) from error

    async def carry_out(
        self, plan: Plan[T], *, retry_for: float | None = None, within: float = math.inf
    ) -> T:
        """Make the calls of a plan; the plan is notified of what fails. Raises CommandFailed."""
        try:
            call = next(plan)
            while True:
                try:
                    answer = await self.ask(call, retry_for=retry_for, within=within)
                except EnvironmentProblem as error:
                    call = plan.throw(error)
                else:
                    call = plan.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result


def _words(completed: Completed) -> str:
    """Return what a command said of its failure; some say it on standard output."""
    words = completed.stderr.strip() or completed.stdout.strip()
    lines = [line.strip() for line in words.splitlines() if line.strip() not in ("", "Exiting.")]
    return "\n".join(lines)


def _seconds(amount: float) -> str:
    """Write seconds without meaningless digits: what is left of 10 is 9.9973."""
    return f"{amount:.2g}" if amount < 10 else f"{amount:.0f}"
