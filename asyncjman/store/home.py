"""Which file a database was written as: tells the original from a copy, and from one that changed hands.

This protects from accidents only: whoever writes a database writes this too. From others the owner of the
file protects (``authority``).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from asyncjman.ownership import user_name
from asyncjman.store.authority import Authority
from asyncjman.store.texts import text, untext

TYPE_CHECKING = False  # the typing module is not loaded for it
if TYPE_CHECKING:
    from typing import Any

FIRST_VERSION = 8
"""Of the schema, from which on a database says which file it is."""
_COLUMNS = "uid, inode, volume, path, machine"
SELECT = f"SELECT {_COLUMNS} FROM home"
_SIGNED = 1 << 63


class Home:
    """What is known of a database file."""

    __slots__ = ("inode", "machine", "path", "uid", "volume")

    def __init__(self, uid: int, inode: int, volume: int, path: str, machine: str) -> None:
        self.uid = uid
        self.inode = inode
        self.volume = volume
        self.path = path
        self.machine = machine

    @classmethod
    def of(cls, real: Path, *, path: Path | None = None) -> Home:
        """Look at a file; ``real`` has no links in it. ``path``: where it will be."""
        found = real.stat()
        uid, inode = _outer_uid(found.st_uid), _signed(found.st_ino)
        return cls(uid, inode, _volume(real), str(path or real), _machine())

    @property
    def values(self) -> tuple[int, int, int, str, str]:
        """Return all of it, in the order of its columns."""
        return self.uid, self.inode, self.volume, self.path, self.machine

    def is_of(self, other: Home) -> bool:
        """Tell whether this is the same file of the same user."""
        return self.uid == other.uid and self.is_same_file(other)

    def is_same_file(self, other: Home) -> bool:
        """Tell whether this is the same file, perhaps moved, or put back in place from a copy of it.

        Of inode, file system, path and machine none is enough alone: inodes are used again and are few on a
        new file system; paths are the same on many machines.
        """
        if self.path == other.path:
            return self.machine == other.machine or self.inode == other.inode
        return self.inode == other.inode and self.volume == other.volume


def of_rows(rows: Sequence[Sequence[Any]]) -> Home | None:
    """Return what a database says of itself, None where it says nothing that makes sense."""
    with suppress(ValueError, TypeError):
        ((uid, inode, volume, path, machine),) = rows
        return Home(int(uid), int(inode), int(volume), untext(path) or "", str(machine))
    return None


def stored(connection: sqlite3.Connection) -> Home | None:
    """Return what a database says of itself, None where it says nothing that makes sense."""
    return of_rows(connection.execute(SELECT).fetchall())


def statements(home: Home) -> list[tuple[str, tuple[object, ...]]]:
    """Return what has the database say of itself that it is this file."""
    uid, inode, volume, path, machine = home.values
    return [
        ("DELETE FROM home", ()),
        (f"INSERT INTO home ({_COLUMNS}) VALUES (?, ?, ?, ?, ?)", (uid, inode, volume, text(path), machine)),
    ]


def judge_home(path: Path, said: Home | None, found: Home, owner: str) -> Authority:
    """Tell what this user may do with a database of their own, by what it says of itself."""
    if said is not None and said.is_of(found):
        return Authority(owner=owner)
    if said is None:
        against, advice = f"{path} does not say which file it is", "jman take-over mends that"
    elif said.uid != found.uid:
        against = f"{path} belonged to {user_name(said.uid)}"
        advice = "jman take-over makes it yours, with all that waits stopped"
    else:
        against = f"{path} is a copy of {said.path}"
        advice = "jman take-over makes it a database of its own, with all that waits stopped"
    return Authority(against, advice, owner)


def _volume(path: Path) -> int:
    try:
        return _signed(os.statvfs(path).f_fsid)
    except (AttributeError, OSError):
        return 0


def _signed(number: int) -> int:
    """Return a number as SQLite can hold it: of 64 bits, one of them the sign."""
    return number - 2 * _SIGNED if number >= _SIGNED else number


def _machine() -> str:
    for file in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        with suppress(OSError, UnicodeDecodeError):
            if name := Path(file).read_bytes().decode("ascii").strip():
                return name
    return ""


def _outer_uid(uid: int) -> int:
    """Return the number of a user outside of this user namespace: in a container it may be another one.

    Source: user_namespaces(7), /proc/self/uid_map.
    """
    with suppress(OSError, ValueError):
        for line in Path("/proc/self/uid_map").read_bytes().decode("ascii").splitlines():
            inside, outside, count = map(int, line.split())
            if inside <= uid < inside + count:
                return outside + uid - inside
    return uid
