"""Starting a process: in a session of its own, so that all it forks can be signalled together."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from asyncjman.engines.local import clib
from asyncjman.engines.local.variables import Environment

# a link in place of a log may lead to a file that isn't ours to write
_LOG_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
_LOG_MODE = 0o666


class Command(NamedTuple):
    """What is executed, and in which folder."""

    argv: tuple[str, ...]
    exec_dir: str


class Streams(NamedTuple):
    """Where output goes: a path to append to, or a file descriptor."""

    stdout: str | int
    stderr: str | int


def prepared(
    command: Command,
    streams: Streams,
    environment: Environment,
    variables: Mapping[str, str],
    inherited: Sequence[int] = (),
) -> Callable[[], int]:
    """Return what starts a process, from any thread, and gives its pid, which is also its process group.

    ``variables`` are its own, beside those of ``environment``. It inherits the descriptors ``inherited``,
    beside its input and its output, and what this process was given to hand on. Here and there OSError is
    raised, whose ``strerror`` says what is in the way.
    """
    try:
        program = _program(command, environment)
        if clib.IS_THERE:
            start: Callable[[], int] = _spawn(
                program, command, streams, environment.words(variables), inherited
            )
        else:
            start = partial(_popen, program, command, streams, environment.plus(variables), inherited)
    except ValueError as error:
        raise impossible(error, command) from error
    return partial(_started, start, command, streams)


def _started(start: Callable[[], int], command: Command, streams: Streams) -> int:
    try:
        return start()
    except ValueError as error:
        raise impossible(error, command) from error
    except OSError as error:
        raise _explained(error, command, streams) from error


def _spawn(
    program: str, command: Command, streams: Streams, environment: clib.Words, inherited: Sequence[int]
) -> clib.Spawn:
    argv = [os.fsencode(word) for word in command.argv]
    clib.refuse_nul(*argv)
    spawn = clib.Spawn(os.fsencode(program), clib.Words(argv), environment, os.fsencode(command.exec_dir))
    spawn.open(0, os.fsencode(os.devnull), os.O_RDONLY, 0)
    for number, stream in ((1, streams.stdout), (2, streams.stderr)):
        if isinstance(stream, int):
            spawn.copy(stream, number)
        else:
            spawn.open(number, os.fsencode(stream), _LOG_FLAGS, _LOG_MODE)
    # onto other numbers: not every C library makes one inheritable that is copied onto itself
    other = max(inherited, default=0) + 1
    for number, descriptor in enumerate(inherited):
        spawn.copy(descriptor, other + number)
    return spawn


def _popen(
    program: str,
    command: Command,
    streams: Streams,
    environment: dict[bytes, bytes],
    inherited: Sequence[int],
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


def _program(command: Command, environment: Environment) -> str:
    name = command.argv[0]
    if "/" in name:
        return name
    found = shutil.which(name, path=environment.search_path())
    if found is None:
        raise FileNotFoundError(errno.ENOENT, f"command not found: {name}")
    return str(Path(found).absolute())


def impossible(error: ValueError, command: Command) -> OSError:
    """Return the error of what no process can be given, as a NUL."""
    return OSError(errno.EINVAL, f"can't start {command.argv[0]!r}: {error}")


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
