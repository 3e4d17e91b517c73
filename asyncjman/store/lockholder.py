"""Who keeps others from writing a database."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from asyncjman.runtime import SYSTEM

# where SQLite locks: a writer with a write-ahead log byte 120 of the -shm file; without one bytes from
# 0x40000000 on of the database, readers too (https://www.sqlite.org/walformat.html, "WAL Locks";
# https://www.sqlite.org/fileformat2.html, "The Lock-Byte Page")
_WAL_WRITE = 120
_LOCK_BYTES = range(0x40000000, 0x40000200)


def locked(path: Path, seconds: float) -> str:
    """Say for how long a database has been locked, and, where that can be known, by whom."""
    holders = _holders(path.resolve())
    if suspended := [pid for pid in holders if _is_suspended(pid)]:
        return (
            f"process {suspended[0]} holds it, and is suspended (Ctrl-Z or SIGSTOP): "
            f"kill -CONT {suspended[0]} lets it go on; then try again"
        )
    who = f"process {holders[0]}" if holders else "another process"
    return f"{who} has held it for {seconds:.0f} seconds; try again"


def _holders(path: Path) -> list[int]:
    """Return the processes that hold locks which a writer waits for.

    Source: proc(5), /proc/locks. Nothing is opened: to close a file drops this process's own locks on it.
    """
    wal: list[int] = []
    writers: list[int] = []
    readers: list[int] = []
    database, shared = _inode(path), _inode(Path(f"{path}-shm"))
    with suppress(OSError, ValueError):
        for line in Path("/proc/locks").read_text("ascii").splitlines():
            words = line.split()
            if len(words) != 8 or words[1] != "POSIX":
                continue  # of another kind, or of one that waits ("->")
            pid, inode, first = int(words[4]), int(words[5].rpartition(":")[2]), int(words[6])
            if pid <= 0 or pid == SYSTEM.pid():
                continue
            if inode == shared and first == _WAL_WRITE:
                wal.append(pid)
            elif inode == database and first in _LOCK_BYTES:
                (writers if words[3] == "WRITE" else readers).append(pid)
    # with a write-ahead log everybody has a read lock on the database, for as long as it is open
    return wal + writers or (readers if shared is None else [])


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None


def _is_suspended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] == b"T"
    except (OSError, IndexError):
        return False
