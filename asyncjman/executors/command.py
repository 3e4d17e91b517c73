"""The only caller of cluster commands: with a time limit, and with patience for faults that pass."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePath

from asyncjman.errors import JmanError

TIMEOUT_SECONDS = 30.0
"""A hanging qmaster holds qstat for 122 s (measured on Son of Grid Engine 8.1.9): don't wait for that."""

PATIENCE_SECONDS = 30.0
"""So long a fault that passes is waited for, where something must be done."""
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 5.0

_PASSING = (
    "commlib error",
    "got select error",
    "got send error",
    "unable to contact qmaster",
    "unable to send message to qmaster",
    "failed receiving gdi request",
    "got syncron message receive timeout",
    "comunication_error",  # as qstat -xml spells it
    "jobs are allowed per",  # so many are there that none is taken until one of them ends
)
_LASTING = ("access denied",)
# the request went out and no answer came: it may have been carried out
_AMBIGUOUS = ("failed receiving gdi request", "receive timeout", "got read error")
_REAP_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Completed:
    """How a command ended; bytes that are no UTF-8 stand as surrogates (PEP 383)."""

    returncode: int
    stdout: str
    stderr: str


class CommandFailed(JmanError):
    """A cluster command failed.

    ``program`` is its file name, ``returncode`` its exit status, None where it ran into the time
    limit or could not be started. ``transient`` tells whether it may work later; ``ambiguous``
    whether the request may have been carried out although no answer came.
    """

    def __init__(
        self,
        program: str,
        returncode: int | None,
        words: str,
        *,
        transient: bool = False,
        ambiguous: bool = False,
    ) -> None:
        status = f" (exit status {returncode})" if returncode is not None else ""
        super().__init__(f"{program}{status}: {words or 'it said nothing'}")
        self.silent = False
        """Whether it got no answer in its time."""
        self.program = program
        self.returncode = returncode
        self.words = words
        self.transient = transient
        self.ambiguous = ambiguous


def is_transient(completed: Completed) -> bool:
    """Tell whether a command failed for a reason that passes: the qmaster is away, didn't answer, or is full.

    Words of Son of Grid Engine 8.1.9. A refused host says "commlib error" too, but that lasts.
    """
    if completed.returncode == 0:
        return False
    words = _words(completed).lower()
    return any(one in words for one in _PASSING) and not any(one in words for one in _LASTING)


def is_ambiguous(completed: Completed) -> bool:
    """Tell whether a failed command's request may have been carried out all the same."""
    words = _words(completed).lower()
    killed = completed.returncode < 0 or completed.returncode > 128  # a shell's way to say it
    return completed.returncode != 0 and (killed or any(one in words for one in _AMBIGUOUS))


async def run(
    argv: Sequence[str],
    *,
    timeout: float | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    check: bool = True,
) -> Completed:
    """Run a command to its end and return what it said; ``timeout`` in seconds (TIMEOUT_SECONDS if None).

    No process is left behind: not on a time-out, not when the caller is cancelled. With ``check``
    False any exit status is returned (qmod and qdel exit with 1 after success in part).

    Raises CommandFailed where it can't be started, runs into the time limit (transient and
    ambiguous), or, with ``check``, ends with another exit status than 0.
    """
    program = PurePath(argv[0]).name
    timeout = TIMEOUT_SECONDS if timeout is None else timeout
    try:
        process = _start(argv, env, stdin)
    except OSError as error:
        raise CommandFailed(program, None, f"can't be started: {error.strerror}") from error
    try:
        out, err = await asyncio.to_thread(_talk, process, stdin, timeout)
    except subprocess.TimeoutExpired as error:
        words = f"no answer within {_seconds(timeout)} s"
        failed = CommandFailed(program, None, words, transient=True, ambiguous=True)
        failed.silent = True
        raise failed from error
    finally:
        _end(process)
    completed = Completed(process.returncode, _text(out), _text(err))
    if check and completed.returncode != 0:
        raise failure(argv, completed)
    return completed


async def run_with_retry(
    argv: Sequence[str],
    *,
    timeout: float | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    check: bool = True,
    patience: float | None = None,
    repeatable: bool = True,
) -> Completed:
    """Run a command, and again while it fails for a reason that passes, ``patience`` seconds at most
    (PATIENCE_SECONDS if None).

    The first run has the whole ``timeout``, whatever the patience: a busy cluster may be slow. The pauses
    grow from 0.5 s to 5 s. A command that must not be carried out twice (qsub) is not ``repeatable``:
    after an ambiguous failure it is not run again, and the error says so.

    Raises CommandFailed like ``run``; for faults that pass, also with ``check`` False.
    """
    clock = asyncio.get_running_loop().time
    deadline = clock() + (PATIENCE_SECONDS if patience is None else patience)
    pause = FIRST_PAUSE_SECONDS
    limit = TIMEOUT_SECONDS if timeout is None else timeout
    while True:
        try:
            completed = await run(argv, timeout=limit, env=env, stdin=stdin, check=False)
            if not is_transient(completed):
                if check and completed.returncode != 0:
                    raise failure(argv, completed)
                return completed
            fault = failure(argv, completed)
        except CommandFailed as error:
            if not error.transient:
                raise
            fault = error
        if (fault.ambiguous and not repeatable) or clock() + pause >= deadline:
            raise fault
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        limit = min(limit, max(deadline - clock(), 1.0))


def failure(argv: Sequence[str], completed: Completed) -> CommandFailed:
    """Return the error for a command that ended badly, in its own words."""
    return CommandFailed(
        PurePath(argv[0]).name,
        completed.returncode,
        _words(completed),
        transient=is_transient(completed),
        ambiguous=is_ambiguous(completed),
    )


def _words(completed: Completed) -> str:
    """Return what a command said of its failure; qdel and qhold say it on standard output."""
    words = completed.stderr.strip() or completed.stdout.strip()
    lines = [line.strip() for line in words.splitlines() if line.strip() not in ("", "Exiting.")]
    return "\n".join(lines)


def _seconds(amount: float) -> str:
    """Write seconds without what nobody wants to know: what is left of 10 is 9.9973."""
    return f"{amount:.2g}" if amount < 10 else f"{amount:.0f}"


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _start(
    argv: Sequence[str], env: Mapping[str, str] | None, stdin: bytes | None
) -> subprocess.Popen[bytes]:
    """Start the process: not by asyncio, whose own way hangs for good when the loop is shut down meanwhile.

    Seen on Python 3.11: asyncio.run cancels the task that connects the pipes, and then waits for them.
    """
    return subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env,
        start_new_session=True,  # a wrapper script is killed along with what it called
    )


def _talk(process: subprocess.Popen[bytes], stdin: bytes | None, seconds: float) -> tuple[bytes, bytes]:
    try:
        return process.communicate(stdin, seconds)
    finally:
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                with suppress(OSError):
                    pipe.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the process where it still runs, with all that it started, and reap it."""
    if process.poll() is not None:
        return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    # a killed process ends at once; the limit is for one that is stuck in the kernel
    with suppress(subprocess.TimeoutExpired):
        process.wait(_REAP_SECONDS)
