"""The clean process that those of function jobs are forked from: ``python -P template.py SOCKET NAME...``

It has imported what each of them needs, and nothing of the user's; it has one thread, and no locks. The
engine of this machine tells it what to fork, and asks it how that ended: only the parent can know.

A forked process has the environment of its template in /proc, where tasks are found by their marks. So the
template starts with room for the marks NAME, which each child writes over in its own memory.
"""

from __future__ import annotations

import gc
import io
import os
import pickle
import resource
import socket
import stat
import sys
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

COMMAND = (sys.executable, "-P", os.path.abspath(__file__))  # noqa: PTH100 - as in worker
MARK_BYTES = 80
"""The room for a mark."""
MOST_BYTES = 1 << 18
"""The longest message to it."""
MOST_SAID = 200
"""The longest one from it."""
READY, FORKED, STARTED, FAILED = b"ready", b"forked", b"started", b"failed"
"""What it says: that it is ready; of a fork, by its number: its pid; the pid again, once it has a session of
its own, and its marks; that it did not start."""
RUNS, ENDED, LOST = b"runs", b"ended", b"lost"
"""What it says of a pid: that it runs; its wait status, microseconds of CPU and ru_maxrss; that these are not
known."""
DONE = b"done"
"""What a warm process says of a task, by its number: exit status, microseconds of CPU and ru_maxrss."""
REUSED = (0, 1)
"""The exit statuses after which a warm process takes another task."""
_LOCK = 200
"""The number that a task inherits its lock as, out of the way of what it opens."""
_NOT_STARTED = 127
_FILE = io.IOBase.__mro__[1]
"""What all files are, of C: ``io.IOBase`` itself asks in Python, and keeps a note at each type."""


class Fork:
    """What is to be forked. With it go descriptors: what it writes to, where it has no logs, and its lock.

    ``is_warm``: it takes more tasks of its job afterwards, as messages of this kind; behind the other
    descriptors there is the socket that they come by.
    """

    def __init__(
        self,
        number: int,
        folder: str,
        exec_dir: str,
        logs: tuple[str, ...],
        variables: dict[str, str],
        *,
        is_warm: bool = False,
    ) -> None:
        self.is_warm = is_warm
        self.number = number
        self.folder = folder
        self.exec_dir = exec_dir
        self.logs = logs
        """Of stdout and of stderr: plain files to append to; (): none."""
        self.variables = variables
        """In addition to the template's own environment."""


class Marks:
    """The room for marks in the environment that this process was started with. Source: proc(5).

    Raises OSError where what is written there is not what /proc shows.
    """

    def __init__(self, names: Sequence[str]) -> None:
        import ctypes

        self._move = ctypes.memmove
        self._rooms: dict[str, tuple[int, int]] = {}
        environ = ctypes.POINTER(ctypes.c_void_p).in_dll(ctypes.CDLL(None), "environ")
        number = 0
        while (address := environ[number]) is not None:
            name, _, value = ctypes.string_at(address).partition(b"=")
            if name.decode("ascii", "replace") in names:
                self._rooms[name.decode()] = (address + len(name) + 1, len(value))
            number += 1
        self.write(dict.fromkeys(names, "tried"))
        with open("/proc/self/environ", "rb") as file:  # noqa: PTH123
            shown = b"\0" + file.read() + b"\0"
        if not all(f"\0{name}=tried\0".encode() in shown for name in names):
            raise OSError("the environment in /proc does not change")
        self.write(dict.fromkeys(names, ""))

    def write(self, variables: Mapping[str, str]) -> None:
        """Write those of the variables for which there is room; raises OSError for one that is too long."""
        for name, (address, size) in self._rooms.items():
            value = os.fsencode(variables[name])
            if len(value) >= size:
                raise OSError(f"no room for {name}")
            self._move(address, value.ljust(size, b"\0"), size)


def serve(engine: socket.socket, marks: Marks) -> tuple[Fork, socket.socket | None] | None:
    """Do what the engine asks for, until it ends: None.

    In a forked process return what that is to run, and the socket by which more of it comes.
    """
    _say(engine, READY)
    while True:
        data, descriptors, _, _ = socket.recv_fds(engine, MOST_BYTES, 4)
        if not data:
            return None
        asked: Fork | int = pickle.loads(data)  # noqa: S301 - of the process that started this one
        if isinstance(asked, int):
            _say_end(engine, asked)
            continue
        try:
            pid = os.fork()
        except OSError:
            _say(engine, FAILED, asked.number)
            pid = -1
        if pid == 0:
            return asked, _become(asked, descriptors, engine, marks)
        elif pid > 0:
            _say(engine, FORKED, asked.number, pid)
        for one in descriptors:
            os.close(one)


def _say(engine: socket.socket, kind: bytes, *numbers: int) -> None:
    engine.send(b" ".join([kind, *[b"%d" % number for number in numbers]]))


def heard(said: bytes) -> tuple[bytes, list[int]]:
    """Return what was said: the kind of it, and the numbers. Raises ValueError for what is none of it."""
    kind, *words = said.split(b" ")
    return kind, [int(word) for word in words]


def _say_end(engine: socket.socket, pid: int) -> None:
    try:
        ended, status, used = os.wait4(pid, os.WNOHANG)
    except ChildProcessError:
        _say(engine, LOST, pid)
        return
    if ended:
        _say(engine, ENDED, pid, status, round((used.ru_utime + used.ru_stime) * 1e6), used.ru_maxrss)
    else:
        _say(engine, RUNS, pid)


def _become(task: Fork, descriptors: list[int], engine: socket.socket, marks: Marks) -> socket.socket | None:
    """Turn a forked process into that of a task, as if it had been started for it; then say so.

    Returns the socket by which more tasks come.
    """
    channel = None
    try:
        os.setsid()
        if task.is_warm:
            channel = socket.socket(fileno=descriptors.pop())
            channel.set_inheritable(False)
        _turn_to(task, descriptors, marks)
        for name, value in task.variables.items():
            os.environ[name] = value
    except Exception:  # the engine starts it in another way, and says what is wrong
        _say(engine, FAILED, task.number)
        os._exit(_NOT_STARTED)
    try:
        _say(engine, STARTED, task.number, os.getpid())
    except OSError:  # nobody is there any more who would know of it
        os._exit(_NOT_STARTED)
    engine.close()
    return channel


def _turn_to(task: Fork, descriptors: Sequence[int], marks: Marks) -> None:
    marks.write(task.variables)
    os.chdir(task.exec_dir)
    streams = [*map(_log, task.logs), *descriptors]
    for number, one in enumerate(streams, 1):
        _move(one, number if number <= 2 else _LOCK)


def _set_variables(wanted: Mapping[bytes, bytes]) -> None:
    """Have these variables and no others: what a task before has set is not for the next one."""
    now = dict(os.environb)
    for name in now.keys() - wanted.keys():
        del os.environb[name]
    for name, value in wanted.items():
        if now.get(name) != value:
            os.environb[name] = value


def _encoded(variables: Mapping[str, str]) -> dict[bytes, bytes]:
    return {os.fsencode(name): os.fsencode(value) for name, value in variables.items()}


def _log(path: str) -> int:
    # a link may lead to a file that isn't ours to write; to open a pipe would wait for its reader
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK
    descriptor = os.open(path, flags, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise OSError(f"{path} is not a regular file")
    os.set_blocking(descriptor, True)
    return descriptor


def _move(descriptor: int, number: int) -> None:
    """Give an open file another number, and pass it on to what the task starts."""
    try:
        os.dup2(descriptor, number)
    except OSError:  # so high a number is not allowed
        os.set_inheritable(descriptor, True)
    else:
        os.close(descriptor)


def _leave(status: int, latest: str) -> None:
    """End a forked process without taking its modules apart, which takes longer than all the rest.

    All that Python promises at an end is done. Not where the task has loaded more of what is no Python, after
    the module ``latest``: that may have something to do at an end that is not known here.
    """
    import atexit
    import threading

    for name in reversed(sys.modules):
        if name == latest:
            break
        file = getattr(sys.modules[name], "__file__", None)
        if isinstance(file, str) and not file.endswith((".py", ".pyc")):
            return
    threading._shutdown()  # type: ignore[attr-defined]  # as multiprocessing does
    atexit._run_exitfuncs()
    for one in gc.get_objects():
        if issubclass(type(one), _FILE) and not one.closed:
            _flush(one)
    for stream in (sys.stdout, sys.stderr):
        _flush(stream)
    os._exit(status)


def _flush(file: Any) -> None:
    with suppress(Exception):  # its end is closed, or it never was there
        file.flush()


def main() -> int:
    """Serve the engine; in a forked process run its task, and return its exit status."""
    import atexit
    import threading
    import traceback

    import cloudpickle

    from asyncjman import worker

    assert atexit and threading and traceback and cloudpickle, "loaded for those that are forked"
    marks = Marks(sys.argv[2:])
    engine = socket.socket(fileno=int(sys.argv[1]))
    gc.collect()
    gc.freeze()
    own = dict(os.environb)
    forked = serve(engine, marks)
    if forked is None:
        return 0
    task, channel = forked
    latest = next(reversed(sys.modules))
    sys.argv[:] = [worker.COMMAND[-1], task.folder]
    status = worker.run(task.folder, durably=False)
    if channel is not None:
        status = _run_more(channel, task.number, status, marks, own)
    _leave(status, latest)
    return status


def _run_more(
    channel: socket.socket, number: int, status: int, marks: Marks, own: Mapping[bytes, bytes]
) -> int:
    """Tell how a task ended, and run the next one, until there are no more; return the last exit status."""
    from asyncjman import worker

    spent = 0
    while True:
        for stream in (sys.stdout, sys.stderr):
            _flush(stream)
        used = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        now = round(sum(one.ru_utime + one.ru_stime for one in used) * 1e6)
        try:
            _say(channel, DONE, number, status, now - spent, max(one.ru_maxrss for one in used))
            spent = now
            if status not in REUSED:
                return status
            data, descriptors, _, _ = socket.recv_fds(channel, MOST_BYTES, 2)
        except OSError:
            return status
        if not data:
            return 0
        task: Fork = pickle.loads(data)  # noqa: S301 - of the engine
        number = task.number
        try:
            _turn_to(task, descriptors, marks)
            _set_variables({**own, **_encoded(task.variables)})
            _say(channel, STARTED, number)
        except OSError:  # the engine has it started by another process, or is gone
            return _NOT_STARTED
        status = worker.run(task.folder, durably=False)


if __name__ == "__main__":
    # what is pickled must be of the module that the engine imports, not of __main__
    sys.path.insert(0, os.path.dirname(os.path.dirname(COMMAND[-1])))  # noqa: PTH120
    from asyncjman import template

    del sys.path[0]
    sys.exit(template.main())
