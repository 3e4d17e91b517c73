"""Whether a folder lies on a network file system."""

from __future__ import annotations

import os
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
    """Tell whether ``folder`` is on a network file system; False where that can't be known.

    Source: proc(5), /proc/self/mountinfo.
    """
    return file_system(folder) in _NETWORK


def file_system(folder: Path) -> str:
    """Return the type of the file system that holds ``folder``, "" where that can't be known."""
    try:
        lines = Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
        device = folder.stat().st_dev
    except OSError:
        return ""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in lines:
        before, _, after = line.partition(" - ")
        if before.split()[2] == wanted:
            return after.split()[0]
    return ""
