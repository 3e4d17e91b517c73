"""Running the real command, waiting for conditions, terminals."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import psutil

from asyncjman.cli import argv as command_line
from asyncjman.cli.main import run
from asyncjman.cli.parser import parser_of

T = TypeVar("T")

COMMAND = (sys.executable, "-m", "asyncjman")
TIMEOUT = 60.0


@lru_cache
def options_of(command: str) -> command_line.Options:
    return command_line.options_in(parser_of(command).commands[command].params)


def normalize(argv: list[str]) -> tuple[str | None, list[str]]:
    """Return the command of a command line, and the words as the option parser gets them."""
    name = command_line.command_in(argv)
    return name, command_line.normalize(argv, options_of(name) if name else {})


class Limit:
    """So many seconds, of those in which this process ran.

    A machine may stand still for a minute, as while a snapshot is taken of it: the clock goes on, and nothing
    of what is waited for does.
    """

    LONGEST_LOOK = 0.5
    """Whoever waits looks at least as often: of a longer time between two looks only this much counts."""

    def __init__(self, seconds: float) -> None:
        self._left = seconds
        self._looked = time.monotonic()

    @property
    def left(self) -> float:
        """Return how long to wait until the next look; 0 once the time is over."""
        now = time.monotonic()
        self._left -= min(now - self._looked, self.LONGEST_LOOK)
        self._looked = now
        return min(max(self._left, 0.0), self.LONGEST_LOOK)


def wait_until(condition: Callable[[], T], timeout: float = 60.0, what: str = "") -> T:
    """Return what ``condition`` returns once that is true; else fail with what it returned last."""
    limit = Limit(timeout)
    while True:
        seen = condition()
        if seen:
            return seen
        if not (left := limit.left):
            raise AssertionError(f"not within {timeout} seconds: {what or condition}; last seen: {seen!r}")
        time.sleep(min(left, 0.02))


def is_alive(pid: int) -> bool:
    """Tell whether a process runs (a zombie does not)."""
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False


def wait_dead(*pids: int, timeout: float = 10.0) -> None:
    wait_until(lambda: not [pid for pid in pids if is_alive(pid)], timeout, f"the end of {pids}")


def pid_in(path: Path, timeout: float = 20.0) -> int:
    """Return the process id that a task writes to a file."""
    text = wait_until(
        lambda: path.is_file() and path.read_text().endswith("\n") and path.read_text(), timeout, path.name
    )
    return int(str(text))


class Process(subprocess.Popen[bytes]):
    """A process that is waited for as `Limit` has it."""

    def wait(self, timeout: float | None = None) -> int:
        if timeout is None:
            return super().wait()
        limit = Limit(timeout)
        while True:
            left = limit.left
            try:
                return super().wait(left)
            except subprocess.TimeoutExpired:
                if not left:
                    raise subprocess.TimeoutExpired(self.args, timeout) from None


@dataclass(frozen=True)
class Result:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Jman:
    """Runs ``jman`` in a folder."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def database(self) -> Path:
        return self.folder / "submitted.sql3"

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        unwanted = ("JMAN_", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "CLICOLOR", "PYTEST_", "GIT_")
        kept = {key: value for key, value in os.environ.items() if not key.startswith(unwanted)}
        # whatever this machine has: its cluster, or clusters, are none of a test's
        usual = {"TERM": "xterm", "LC_ALL": "C.UTF-8", "JMAN_CLUSTER": "sge"}
        return {**kept, **usual, **self.variables, **(more or {})}

    def __call__(
        self,
        *words: str | bytes | int,
        code: int | None = 0,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Result:
        """Run it to its end, in this process, which is fast; it must end with ``code`` (None: with any)."""
        with _in_place_of_this(cwd or self.folder, self.environment(env)) as (out, err):
            try:
                ended = run([os.fsdecode(word) for word in self._words(words)])
            except SystemExit as end:  # of the parser, after a completion
                ended = int(end.code or 0)
            result = Result(ended, text_of(out.getvalue()), text_of(err.getvalue()))
        return _checked(result, words, code)

    def fresh(
        self,
        *words: str | bytes | int,
        code: int | None = 0,
        env: Mapping[str, str] | None = None,
    ) -> Result:
        """Run it to its end as a process of its own."""
        done = subprocess.run(
            [*COMMAND, *self._words(words)],
            cwd=self.folder,
            env=self.environment(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT,
        )
        return _checked(Result(done.returncode, text_of(done.stdout), text_of(done.stderr)), words, code)

    def start(
        self, *words: str | bytes | int, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start it; its output goes to files named after its pid (`output_of`)."""
        number = len(self.started)
        out = self.folder.parent / f"{self.folder.name}.out{number}"
        with out.open("wb") as stream:
            process = Process(
                [*COMMAND, *self._words(words)],
                cwd=self.folder,
                env=self.environment(env),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def piped(self, *words: str, command: Sequence[str] = COMMAND) -> subprocess.Popen[str]:
        """Start it with its output in pipes; whoever starts it also ends it."""
        return subprocess.Popen(
            [*command, *words],
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def output_of(self, process: subprocess.Popen[bytes]) -> str:
        """Return standard output and error so far of what `start` started."""
        number = self.started.index(process)
        return text_of((self.folder.parent / f"{self.folder.name}.out{number}").read_bytes())

    def submit(self, *words: str | bytes | int) -> dict[str, Any]:
        """Submit a local job; return its JSON object."""
        found: dict[str, Any] = self("--local", "submit", "--json", *words).json()
        return found

    def list(self, *words: str | int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self("list", "--json", *words).json()
        return found

    def job(self, job_id: int = 1) -> dict[str, Any]:
        return self.list(job_id)[0]

    def tasks(self, job_id: int = 1) -> dict[int, dict[str, Any]]:
        return {task["id"]: task for task in self.list("-a", job_id)[0]["tasks"]}

    def status(self) -> dict[int, str]:
        return {job["id"]: job["status"] for job in self.list()}

    def close(self) -> None:
        for process in self.started:
            if process.poll() is None:
                with contextlib.suppress(psutil.NoSuchProcess):
                    for child in psutil.Process(process.pid).children(recursive=True):
                        with contextlib.suppress(psutil.NoSuchProcess):
                            child.kill()
                process.kill()
            process.wait()

    @staticmethod
    def _words(words: tuple[str | bytes | int, ...]) -> Iterator[str | bytes]:
        return (str(word) if isinstance(word, int) else word for word in words)


def _checked(result: Result, words: tuple[str | bytes | int, ...], code: int | None) -> Result:
    # of jman itself: the end of a task's log, which it shows, may hold one
    assert not re.search("^Traceback", result.err, re.MULTILINE), result.err
    if code is not None:
        assert result.code == code, (words, result)
    return result


@contextlib.contextmanager
def _in_place_of_this(folder: Path, variables: Mapping[str, str]) -> Iterator[tuple[io.BytesIO, io.BytesIO]]:
    """Change folder, environment and standard streams; give what was written to two of these."""
    out, err = io.BytesIO(), io.BytesIO()
    streams = [io.TextIOWrapper(one, "utf-8", "surrogateescape", write_through=True) for one in (out, err)]
    before = (sys.stdin, sys.stdout, sys.stderr, dict(os.environ), Path.cwd())
    with Path(os.devnull).open() as nothing:
        os.environ.clear()
        os.environ.update(variables)
        os.chdir(folder)
        sys.stdin, sys.stdout, sys.stderr = nothing, *streams
        try:
            yield out, err
        finally:
            sys.stdin, sys.stdout, sys.stderr, environment, cwd = before
            os.chdir(cwd)
            os.environ.clear()
            os.environ.update(environment)


def text_of(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


# a task's program: waits until that many files of a name exist, so that it ends only beside others
BARRIER = """
import glob, sys, time
name, count = sys.argv[1], int(sys.argv[2])
open(f"{name}.{__import__('os').environ['JOB_ID']}.{__import__('os').environ['SGE_TASK_ID']}", "w").close()
deadline = time.time() + 15
while len(glob.glob(name + ".*")) < count:
    if time.time() > deadline:
        sys.exit(9)
    time.sleep(0.01)
"""


def overlaps(tasks: list[dict[str, Any]]) -> int:
    """Return how many of the tasks ran at once at most, by their recorded times."""
    moments = sorted(
        [(task["started_at"], 1) for task in tasks] + [(task["finished_at"], -1) for task in tasks],
    )
    most = now = 0
    for _, change in moments:
        now += change
        most = max(most, now)
    return most
