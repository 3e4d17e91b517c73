"""Running one command and measuring it; running several in turn and comparing them."""

from __future__ import annotations

import os
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

SECONDS = 300.0
"""How long a command may take, unless a row says otherwise."""
_PEAK_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, getrusage(2)


class NotMeasured(Exception):
    """What was to be measured couldn't be; the message says why."""


@dataclass(frozen=True, slots=True)
class Run:
    """How one command went."""

    seconds: float
    cpu_seconds: float
    peak_memory: int
    exit_status: int
    stdout: str
    stderr: str


class Process:
    """A command that runs, in a process group of its own: none of it outlives the ``with`` block."""

    def __init__(
        self,
        argv: Sequence[str | Path],
        cwd: Path,
        env: Mapping[str, str],
        stdin: Path | None = None,
        *,
        keep_output: bool = True,
    ) -> None:
        self._words = [str(word) for word in argv]
        self._keep = keep_output
        self._out: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._err: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115
        with (stdin or Path(os.devnull)).open("rb") as source:
            self.started = time.monotonic()
            self._process = subprocess.Popen(
                self._words,
                cwd=cwd,
                env=dict(env),
                stdin=source,
                stdout=self._out if keep_output else subprocess.DEVNULL,
                stderr=self._err,
                start_new_session=True,
            )
        self.pid = self._process.pid

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        if self._process.returncode is None:
            self._process.wait()
        self._out.close()
        self._err.close()

    def interrupt(self) -> None:
        """Do as Ctrl-C does."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGINT)

    def wait(self, seconds: float) -> Run:
        """Wait for the end. Raises NotMeasured where it takes too long."""
        if not _ends_within(self.pid, seconds):
            raise NotMeasured(f"{Path(self._words[0]).name} took more than {seconds:g} s")
        _, status, used = os.wait4(self.pid, 0)
        ended = time.monotonic()
        self._process.returncode = os.waitstatus_to_exitcode(status)
        return Run(
            seconds=ended - self.started,
            cpu_seconds=used.ru_utime + used.ru_stime,
            peak_memory=used.ru_maxrss * _PEAK_UNIT,
            exit_status=self._process.returncode,
            stdout=_text(self._out),
            stderr=_text(self._err),
        )


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")


def _ends_within(pid: int, seconds: float) -> bool:
    """Wait until a child has ended, without reaping it."""
    if hasattr(os, "pidfd_open"):
        descriptor = os.pidfd_open(pid)
        try:
            return bool(select.select([descriptor], [], [], seconds)[0])
        finally:
            os.close(descriptor)
    deadline = time.monotonic() + seconds
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    return True


def run(
    argv: Sequence[str | Path],
    cwd: Path,
    env: Mapping[str, str],
    *,
    stdin: Path | None = None,
    seconds: float = SECONDS,
    keep_output: bool = True,
    check: bool = True,
) -> Run:
    """Run a command to its end. Raises NotMeasured where it fails (unless not ``check``) or hangs."""
    try:
        with Process(argv, cwd, env, stdin, keep_output=keep_output) as process:
            done = process.wait(seconds)
    except OSError as error:
        raise NotMeasured(f"{argv[0]}: {error.strerror}") from error
    if check and done.exit_status:
        words = (done.stderr.strip() or done.stdout.strip()).splitlines() or [f"status {done.exit_status}"]
        raise NotMeasured(f"{Path(argv[0]).name}: {words[-1][:200]}")
    return done


@dataclass(frozen=True, slots=True)
class Compared:
    """What several subjects gave, each measured as often, in turn."""

    values: tuple[tuple[float, ...], ...]

    def median(self, subject: int) -> float:
        return statistics.median(self.values[subject])

    def ratio(self, subject: int = 0, to: int = 1) -> float:
        return self.median(subject) / self.median(to)


def in_turn(repeat: int, *subjects: Callable[[], float], warm_up: bool = False) -> Compared:
    """Measure A B A B …; with ``warm_up`` each once before, which doesn't count."""
    if warm_up:
        for subject in subjects:
            subject()
    values: list[list[float]] = [[] for _ in subjects]
    for _ in range(repeat):
        for subject, some in zip(subjects, values, strict=True):
            some.append(subject())
    return Compared(tuple(map(tuple, values)))
