"""Whose a file is, and who else may change it.

A file counts as somebody's own only if nobody else can have written what is in it: whoever may write a
database, a settings file or a job script decides what is run in the name of who uses it.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Callable, Collection
from pathlib import Path

ROOT = 0
_MOST_LINKS = 40
"""As many symbolic links as the kernel follows."""


def distrust(
    found: os.stat_result,
    owners: Collection[int],
    *,
    acl: bool = False,
    is_private: Callable[[int, int], bool] | None = None,
) -> str | None:
    """Return what speaks against a file (or folder) that must belong to one of ``owners`` alone.

    None where nothing does. ``acl``: it has an access control list, whose entries may let anybody write as
    far as the bits of the group go. ``is_private`` tells whether the group ``gid`` is that of a user alone.
    """
    if found.st_uid not in owners:
        return f"it belongs to {user_name(found.st_uid)}"
    mode = f"mode {stat.S_IMODE(found.st_mode):04o}"
    if found.st_mode & stat.S_IWOTH:
        return f"everybody may write it ({mode})"
    if found.st_mode & stat.S_IWGRP:
        if acl:
            return f"its access control list may let others write it ({mode})"
        if not (is_private or is_private_group)(found.st_gid, found.st_uid):
            return f"the group {group_name(found.st_gid)} may write it ({mode})"
    return None


def is_private_group(gid: int, uid: int) -> bool:
    """Tell whether a group is a user's own: of the user's name, and with no other member."""
    try:
        user, group = pwd.getpwuid(uid), grp.getgrgid(gid)
    except KeyError:
        return False
    return (
        user.pw_gid == gid
        and group.gr_name == user.pw_name
        and set(group.gr_mem) <= {user.pw_name}
        and not any(other.pw_gid == gid and other.pw_uid != uid for other in pwd.getpwall())
    )


def has_acl(file: int | str | Path) -> bool:
    """Tell whether a file has an access control list beside its mode (acl(5))."""
    try:
        return "system.posix_acl_access" in os.listxattr(file)
    except (AttributeError, OSError):  # not on Linux; not on this file system
        return False


def foreign_link(path: Path, owners: Collection[int]) -> str | None:
    """Say so where ``path`` is a symbolic link, or leads to one, that belongs to none of ``owners``.

    Links on the way to its folder are followed: sites link to their disks by accounts of their own.
    """
    for _ in range(_MOST_LINKS):
        try:
            found = path.lstat()
            if not stat.S_ISLNK(found.st_mode):
                return None
            if found.st_uid not in owners:
                return f"{path} is a symbolic link of another user ({user_name(found.st_uid)})"
            path = path.parent / path.readlink()
        except OSError:
            return None  # what opens it says why that can't be
    return None


def user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return f"gid {gid}"
