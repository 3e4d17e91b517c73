"""What the kernel says of a process, by its number: when it started, and in which state it is.

Source on Linux: proc(5). psutil serves elsewhere only: what it says of a start changes when the clock is set.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

ON_LINUX = sys.platform == "linux"
ENDED = frozenset("ZXx")
"""The states of a process that runs no more; a zombie's parent has not fetched its end."""


class Stat(NamedTuple):
    """A process, at one moment."""

    started: float
    """In seconds since the start of the machine."""
    state: str
    """A letter."""
    group: int
    """The number of its process group."""


def stat_of(folder: str) -> Stat | None:
    """Read a process's folder of /proc; None where there is none, or where it can't be read."""
    with suppress(OSError, IndexError, ValueError):
        # a program chooses its name, which stands in brackets: what follows is behind the last one
        words = Path(f"{folder}/stat").read_bytes().rpartition(b")")[2].split()
        return Stat(int(words[19]) / os.sysconf("SC_CLK_TCK"), words[0].decode("ascii"), int(words[2]))
    return None


def state_of(pid: int) -> str:
    """Return the letter of a process's state; empty where it can't be seen."""
    if ON_LINUX:
        found = stat_of(f"/proc/{pid}") if has_own_numbers() else None
        return found.state if found else ""
    import psutil

    with suppress(psutil.Error):
        status = psutil.Process(pid).status()
        return {psutil.STATUS_ZOMBIE: "Z", psutil.STATUS_STOPPED: "T"}.get(status, "S")
    return ""


def has_own_numbers() -> bool:
    """Tell whether /proc gives processes the numbers by which this process knows them: it may be another
    namespace's.
    """
    with suppress(OSError):
        return not ON_LINUX or os.readlink("/proc/self") == str(os.getpid())  # noqa: PTH115
    return False
