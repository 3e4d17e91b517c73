"""Lock files of the processes that run local tasks: they tell the living from the dead.

Each runner has two, hidden beside the database, both locked with flock(2). The kernel gives a lock back
when the last process that has the file open has ended, however it ended, whatever hides it from others:
another pid namespace, another host name, another user's /proc. A suspended process keeps its locks.

    .jman-DATABASE-RUNNER.lock    open in the runner alone: free, the runner is dead
    .jman-DATABASE-RUNNER.tasks   open in its tasks, too: free, none of them runs any more

Who carries out an intent to launch something holds such a file, too, named by the intent:

    .jman-DATABASE-INTENT.lock    as long as it is locked, the launch may still be made

They go with the runner's row: at its end, or when others found it dead. Never lockf(3): that lock is lost
when any descriptor of the file is closed.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import NamedTuple

LOCK = ".lock"
TASKS = ".tasks"
_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW
_TRIES = 20
_HIGH_DESCRIPTOR = 199
"""Where tasks inherit their lock: shells and programs use the low numbers for what they open."""


class State(Enum):
    """What a lock file says."""

    HELD = "held"
    FREE = "free"
    UNKNOWN = "unknown"
    """It is missing, is another file, can't be opened, or the file system has no locks."""


class LockNames(NamedTuple):
    """Where the lock files of one runner are."""

    folder: Path
    name: str

    @classmethod
    def of(cls, database: Path, database_token: str, runner_token: str) -> LockNames:
        """``database`` may be a symbolic link: the files are beside what it leads to."""
        is_name = runner_token.isalnum()  # one that was made up could lead anywhere
        return cls(database.resolve().parent, f"{_prefix(database_token)}{runner_token if is_name else ''}")

    def path(self, kind: str) -> Path:
        return self.folder / f"{self.name}{kind}"

    def remove(self) -> None:
        """Delete the files; the runner's row is deleted by then."""
        for kind in (LOCK, TASKS):
            with suppress(OSError):
                self.path(kind).unlink()


def _prefix(database_token: str) -> str:
    return f".jman-{database_token}-"


@dataclass(slots=True)
class RunnerLock:
    """The locks that this process holds as a runner."""

    lock: str | None = None
    """Which file is locked, as DEVICE:INODE; None where none could be."""
    tasks_lock: str | None = None
    tasks_descriptor: int | None = None
    """What tasks inherit."""
    _descriptors: list[int] = field(default_factory=list)
    _names: LockNames | None = None

    def take(self, names: LockNames) -> None:
        """Make the files and lock them, as far as that can be."""
        self._names = names
        if (taken := _take(names.path(LOCK))) is not None:
            self.lock = self._keep(taken)
        if (taken := _take(names.path(TASKS))) is not None:
            self.tasks_descriptor = _moved_up(taken)
            self.tasks_lock = self._keep(self.tasks_descriptor)

    def _keep(self, descriptor: int) -> str:
        self._descriptors.append(descriptor)
        _open_here.add(descriptor)
        return _identity(os.fstat(descriptor))

    def release(self, *, remove: bool = True) -> None:
        """Let go, and remove the files; not where the runner's row is still there: they prove its end."""
        for one in _open_here.intersection(self._descriptors):
            _open_here.discard(one)
            os.close(one)
        self._descriptors.clear()
        self.tasks_descriptor = None
        if self._names is not None and remove:
            self._names.remove()


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Make a file and hold its lock as long as the block runs, as far as that can be; then it is removed."""
    descriptor = _take(path)
    if descriptor is None:
        yield
        return
    _open_here.add(descriptor)
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()
        _open_here.discard(descriptor)
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Tell whether a process is known to hold the lock of a file that only it can have made."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | _FLAGS)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
    return False


def state_of(path: Path, recorded: str | None, *, same_boot: bool) -> State:
    """Tell whether a process holds the lock that was ``recorded`` with this file.

    The number of a device may change when the machine starts anew.
    """
    if recorded is None:
        return State.UNKNOWN
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | _FLAGS)
    except OSError:
        return State.UNKNOWN
    try:
        found = _identity(os.fstat(descriptor))
        if found != recorded and (same_boot or found.split(":")[1:] != recorded.split(":")[1:]):
            return State.UNKNOWN
        # shared, so that two checks at once don't see each other
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return State.HELD
    except OSError:
        return State.UNKNOWN
    finally:
        os.close(descriptor)
    return State.FREE


@contextmanager
def kept(path: Path) -> Iterator[None]:
    """Have no other file get the number (inode) of this one meanwhile, whoever removes it.

    The next runner's lock file would have that number, and its processes would be taken for those of the
    runner that this one is of.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | _FLAGS)
    except OSError:
        yield
        return
    try:
        yield
    finally:
        os.close(descriptor)


def inherited_file(path: Path, recorded: str | None) -> str | None:
    """Return ``recorded`` where it is this very file, and one that only a runner of this user can have made.

    Who has it open to write it has inherited it from that runner.
    """
    with suppress(OSError):
        found = path.lstat()
        alone = stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and found.st_uid == os.geteuid()
        return recorded if alone and _identity(found) == recorded else None
    return None


def remove_strays(database: Path, database_token: str, known: Iterable[str] = ()) -> None:
    """Delete lock files that no row of a runner names, and that no process holds.

    They are of runners that were killed in the moment before their row was written, or after it was
    deleted. ``known`` are the tokens of the runners that have a row.
    """
    folder, prefix = database.resolve().parent, _prefix(database_token)
    keep = {f"{prefix}{token}{kind}" for token in known for kind in (LOCK, TASKS)}
    with suppress(OSError):
        for name in os.listdir(folder):  # noqa: PTH208 - names are all it takes
            if name.startswith(prefix) and name.endswith((LOCK, TASKS)) and name not in keep:
                _remove_if_free(folder / name)


def _remove_if_free(path: Path) -> None:
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | _FLAGS)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
        finally:
            os.close(descriptor)


def _take(path: Path) -> int | None:
    """Make a file and lock it; return its descriptor, None where that can't be."""
    for _ in range(_TRIES):
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o600)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)  # another process deletes stray files
            continue
        except OSError:  # no locks here
            os.close(descriptor)
            with suppress(OSError):
                path.unlink()
            return None
        with suppress(OSError):
            if _leads_to(path, descriptor):
                return descriptor
        os.close(descriptor)
    return None


def _moved_up(descriptor: int) -> int:
    """Return another number for the same open file, out of the way of what tasks open."""
    try:
        high = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _HIGH_DESCRIPTOR)
    except OSError:  # so many are not allowed
        return descriptor
    os.close(descriptor)
    return high


def _leads_to(path: Path, descriptor: int) -> bool:
    found, own = path.lstat(), os.fstat(descriptor)
    return stat.S_ISREG(own.st_mode) and (found.st_dev, found.st_ino) == (own.st_dev, own.st_ino)


def _identity(found: os.stat_result) -> str:
    return f"{found.st_dev}:{found.st_ino}"


_open_here: set[int] = set()


def _close_in_child() -> None:
    """A child that is forked, and executes nothing, would keep the locks for its whole life."""
    for descriptor in _open_here:
        with suppress(OSError):
            os.close(descriptor)
    _open_here.clear()


os.register_at_fork(after_in_child=_close_in_child)
