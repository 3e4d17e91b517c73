"""Whether a folder lies on a network file system, or on one of this machine alone."""

from __future__ import annotations

import os
import sys
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


# of statfs(2), and the sources of the kernel
_LOCAL_MAGIC = frozenset(
    [
        0x01021994,  # tmpfs
        0x2FC12FC1,  # zfs
        0x3153464A,  # jfs
        0x4D44,  # vfat
        0x58465342,  # xfs
        0x794C7630,  # overlayfs
        0x858458F6,  # ramfs
        0x9123683E,  # btrfs
        0xCA451A4E,  # bcachefs
        0xEF53,  # ext2, ext3, ext4
        0xF2F52010,  # f2fs
        0x2011BAB0,  # exfat
    ]
)


def is_local(folder: Path) -> bool:
    """Tell whether no other machine can have ``folder`` at the same time; False where that isn't known."""
    if sys.platform != "linux":
        import psutil

        real = folder.resolve()
        mounts = [one for one in psutil.disk_partitions() if real.is_relative_to(one.mountpoint)]
        return bool(mounts) and max(mounts, key=lambda one: len(one.mountpoint)).fstype in ("apfs", "hfs")
    import ctypes

    # the type is the first field, a word long on nearly all machines, four bytes on the others
    result = ctypes.create_string_buffer(512)
    if ctypes.CDLL(None).statfs(os.fsencode(folder), result) != 0:
        return False
    word = result.raw[: ctypes.sizeof(ctypes.c_long)]
    return any(int.from_bytes(one, sys.byteorder) in _LOCAL_MAGIC for one in (word, word[:4]))
