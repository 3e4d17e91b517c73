"""Which file system a folder lies on, and whether something is mounted in place of a file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

_NETWORK = frozenset(
    [
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "fuse.ceph",
        "fuse.glusterfs",
        "fuse.sshfs",
        "fuse.s3fs",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "panfs",
        "smb2",
        "smb3",
        "smbfs",
    ]
)


def is_network(folder: Path) -> bool:
    """Tell whether ``folder`` is on a network file system; False where that can't be known."""
    return file_system(folder) in _NETWORK


def file_system(folder: Path) -> str:
    """Return the type of the file system that holds ``folder``, "" where that can't be known."""
    try:
        device = folder.stat().st_dev
    except OSError:
        return ""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    return next((kind for number, _, kind in _mounts() if number == wanted), "")


def is_mount_point(path: Path) -> bool:
    """Tell whether something is mounted in place of a file; ``path`` has no links in it."""
    wanted = re.sub(rb"[ \t\n\\]", lambda found: b"\\%03o" % ord(found[0]), os.fsencode(path))
    return any(place == wanted for _, place, _ in _mounts())


def _mounts() -> Iterator[tuple[str, bytes, str]]:
    """Yield of each mount its device, its place (blanks and backslashes as octal numbers), and its type.

    Source: proc(5), /proc/self/mountinfo.
    """
    try:
        lines = Path("/proc/self/mountinfo").read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        before, _, after = line.partition(b" - ")
        words = before.split(b" ")
        yield words[2].decode("ascii"), words[4], after.split(b" ")[0].decode("ascii", "replace")
