"""Starting a process: in a session of its own, so that all it forks can be signalled together."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

# a link in place of a log may lead to a file that isn't ours to write
_LOG_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
_LOG_MODE = 0o666
# Python ignores these; programs expect the default
_RESTORED_SIGNALS = [signal.SIGPIPE, signal.SIGXFSZ]


class Command(NamedTuple):
    """What is executed, and in which folder."""

    argv: tuple[str, ...]
    exec_dir: str


class Streams(NamedTuple):
    """Where output goes: a path to append to, or a file descriptor."""

    stdout: str | int
    stderr: str | int


def spawn(
    command: Command, streams: Streams, environment: Mapping[str, str], inherited: Sequence[int] = ()
) -> int:
    """Start a process and return its pid, which is also its process group.

    It inherits the descriptors ``inherited``, beside its input and its output, and no other one.
    Raises OSError whose ``strerror`` says what is in the way.
    """
    program = _program(command, environment)
    for stream in (streams.stdout, streams.stderr):
        if isinstance(stream, str):
            _refuse_odd(stream)
    try:
        if hasattr(os, "posix_spawn") and _is_here(command.exec_dir):
            pid = _posix_spawn(program, command, streams, environment, inherited)
        else:
            pid = _popen(program, command, streams, environment, inherited)
    except ValueError as error:  # a NUL, which no process can be given
        raise OSError(errno.EINVAL, f"can't start {command.argv[0]!r}: {error}") from error
    except OSError as error:
        raise _explained(error, command, streams) from error
    return pid


def _refuse_odd(log: str) -> None:
    """Raise OSError for a log that is there and no regular file: to open a pipe waits for its reader."""
    try:
        mode = os.lstat(log).st_mode
    except OSError:
        return  # not there: made by the start, which also finds what else is in the way
    if not stat.S_ISREG(mode):
        what = (
            "a symbolic link"
            if stat.S_ISLNK(mode)
            else "a folder"
            if stat.S_ISDIR(mode)
            else "not a regular file"
        )
        raise OSError(errno.ELOOP, f"can't write the log {log}: it is {what}")


def _posix_spawn(
    program: str, command: Command, streams: Streams, environment: Mapping[str, str], inherited: Sequence[int]
) -> int:
    actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
    ]
    for number, stream in ((1, streams.stdout), (2, streams.stderr)):
        if isinstance(stream, int):
            actions.append((os.POSIX_SPAWN_DUP2, stream, number))
        else:
            actions.append((os.POSIX_SPAWN_OPEN, number, stream, _LOG_FLAGS, _LOG_MODE))
    # onto other numbers: not every C library makes one inheritable that is copied onto itself
    other = max(inherited, default=0) + 1
    for number, descriptor in enumerate(inherited):
        actions.append((os.POSIX_SPAWN_DUP2, descriptor, other + number))
    return os.posix_spawn(
        program,
        command.argv,
        environment,
        file_actions=actions,
        setsid=True,
        setsigdef=_RESTORED_SIGNALS,
    )


def _popen(
    program: str, command: Command, streams: Streams, environment: Mapping[str, str], inherited: Sequence[int]
) -> int:
    opened: list[int] = []

    def descriptor(stream: str | int) -> int:
        if isinstance(stream, int):
            return stream
        opened.append(os.open(stream, _LOG_FLAGS | os.O_CLOEXEC, _LOG_MODE))
        return opened[-1]

    try:
        process = subprocess.Popen(
            command.argv,
            executable=program,
            cwd=command.exec_dir,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=descriptor(streams.stdout),
            stderr=descriptor(streams.stderr),
            start_new_session=True,
            pass_fds=tuple(inherited),
        )
    finally:
        for one in opened:
            os.close(one)
    # the reaper waits for it, for its usage; Popen must not think that it still has to
    process.returncode = 0
    return process.pid


def _program(command: Command, environment: Mapping[str, str]) -> str:
    name = command.argv[0]
    if "/" in name:
        return name
    path = environment.get("PATH", os.defpath)
    found = shutil.which(name, path=path)
    if found is None:
        raise FileNotFoundError(errno.ENOENT, f"command not found: {name}")
    return str(Path(found).absolute())


def _is_here(folder: str) -> bool:
    """Tell whether ``folder`` is the current one: posix_spawn(3) can't change it."""
    try:
        return os.getcwd() == folder  # noqa: PTH109 - on the hot path
    except OSError:
        return False


def _explained(error: OSError, command: Command, streams: Streams) -> OSError:
    """Find out which of folder, log and command an error of the spawn means."""
    if not Path(command.exec_dir).is_dir():
        return OSError(error.errno, f"folder missing: {command.exec_dir}")
    for stream in (streams.stdout, streams.stderr):
        if isinstance(stream, str):
            try:
                os.close(os.open(stream, _LOG_FLAGS, _LOG_MODE))
            except OSError as log_error:
                return OSError(log_error.errno, f"can't write the log {stream}: {log_error.strerror}")
    return OSError(error.errno, f"can't start {command.argv[0]}: {error.strerror}")
