"""Which file system a folder lies on, and whether something is mounted in place of a file."""

from __future__ import annotations

import os
import re
import sys
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
