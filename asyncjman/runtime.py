"""What surrounds a process: clocks, its own number, the machine's name, random names, threads.

Nothing in the store, the scheduler and the API reads these from anywhere else, so that a test can run
them in a world of its own. A ``Database`` carries the runtime of the program that opened it.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time as clocks
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
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
    start; elsewhere None, and seconds since 1970. Raises psutil.NoSuchProcess.

    Source: proc(5), /proc/pid/stat (22), and random(4).
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        after_name = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2]
        return boot, int(after_name.split()[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        import psutil

        return None, psutil.Process(pid).create_time()


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
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
    in_thread: InThread = asyncio.to_thread


SYSTEM = Runtime()
"""The real surroundings."""
