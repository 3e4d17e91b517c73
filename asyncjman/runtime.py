"""What surrounds a process: clocks, its own number, the machine's name, random names, threads.

Nothing in the store, the scheduler and the API reads these from anywhere else, so that a test can run
them in a world of its own. A ``Database`` carries the runtime of the program that opened it.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time as clocks
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from asyncjman import procfs

TYPE_CHECKING = False  # a protocol is a slow thing to make
if TYPE_CHECKING:
    from typing import Protocol, TypeVar

    T = TypeVar("T")

    class InThread(Protocol):
        """Runs a blocking function in a thread: ``await in_thread(function, *arguments)``."""

        def __call__(self, function: Callable[..., T], /, *arguments: object) -> Awaitable[T]: ...


def random_token(size: int) -> str:
    """Return so many random bytes, as hexadecimal digits."""
    return os.urandom(size).hex()


def process_start(pid: int) -> tuple[str | None, float]:
    """Return when a process started: on Linux the name of this run of the machine, and seconds since its
    start; elsewhere None, and seconds since 1970. Where that can't be known it is 0.

    Source: proc(5) and random(4).
    """
    if sys.platform != "linux":
        import psutil

        with suppress(psutil.Error):
            return None, psutil.Process(pid).create_time()
        return None, 0.0
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return None, 0.0
    # numbers in the /proc of another namespace mean other processes
    found = procfs.stat_of("/proc/self" if pid == os.getpid() else f"/proc/{pid}")
    return boot, found.started if found else 0.0


def namespace() -> str | None:
    """Return the pid namespace in which this process has its number, and that of its clock.

    Empty where there are none, None where that can't be known. Source: namespaces(7).
    """
    if sys.platform != "linux":
        return ""
    found = []
    for kind in ("pid", "time"):
        with suppress(OSError):  # older kernels have no time namespaces
            found.append(os.readlink(f"/proc/self/ns/{kind}"))  # noqa: PTH115
    return " ".join(found) if found and found[0].startswith("pid:") else None


class Runtime(NamedTuple):
    """The surroundings of one process; each field is called to have its value as it is now."""

    time: Callable[[], float] = clocks.time
    """Seconds since 1970."""
    monotonic: Callable[[], float] = clocks.monotonic
    """Seconds since some moment, never set back."""
    pid: Callable[[], int] = os.getpid
    host: Callable[[], str] = socket.gethostname
    token: Callable[[int], str] = random_token
    """Takes a number of bytes."""
    process_start: Callable[[int], tuple[str | None, float]] = process_start
    process_state: Callable[[int], str] = procfs.state_of
    has_own_numbers: Callable[[], bool] = procfs.has_own_numbers
    namespace: Callable[[], str | None] = namespace
    in_thread: InThread = asyncio.to_thread


SYSTEM = Runtime()
"""The real surroundings."""
