"""Running a command of another program to its end, with a time limit; no process is left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

_REAP_SECONDS = 1.0


class Completed(NamedTuple):
    """What a command printed, and its exit status.

    Bytes that are not UTF-8 stand as surrogates (PEP 383).
    """

    exit_status: int
    stdout: str
    stderr: str


async def run(
    argv: Sequence[str],
    *,
    timeout: float,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
) -> Completed:
    """Run a command to its end and return what it said; ``timeout`` in seconds.

    No process is left behind: not on a time-out, not when the caller is cancelled.

    Raises OSError where it can't be started, and subprocess.TimeoutExpired.
    """
    process = _start(argv, env, stdin)
    try:
        out, err = await asyncio.to_thread(_talk, process, stdin, timeout)
    finally:
        _end(process)
    return Completed(process.returncode, _text(out), _text(err))


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
