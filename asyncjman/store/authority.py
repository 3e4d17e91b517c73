"""Whether a database is ours to change: decided here, and nowhere else.

What is in a database is run, sent and deleted in the name of who opens it. So it belongs to the user of its
file alone: one that another user owns, or that others may have written, is only read. The same goes for the
files that SQLite keeps beside it, since what is in them ends up in the database.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from asyncjman.errors import DatabaseProblem, NotOwner
from asyncjman.model.paths import absolute
from asyncjman.ownership import ROOT, distrust, foreign_link, has_acl, user_name
from asyncjman.store.filesystem import is_mount_point

SIDE_FILES = ("-wal", "-journal", "-shm")
_ANOTHER_ONE = "name one of your own with --database"
_YOURS_ALONE = "jman take-over makes it yours alone, with all that waits stopped"


class Authority:
    """What this user may do with a database: all, or, where ``against`` says why not, only read it.

    ``owner`` is the name of the user to whom the file belongs; ``is_foreign``: it belongs to another user.
    """

    __slots__ = ("advice", "against", "is_foreign", "owner")

    def __init__(
        self, against: str | None = None, advice: str = "", owner: str = "", *, is_foreign: bool = False
    ) -> None:
        self.against = against
        self.advice = advice
        self.owner = owner
        self.is_foreign = is_foreign

    @property
    def is_owner(self) -> bool:
        return self.against is None

    def error(self) -> NotOwner:
        """Return the error for what only the owner may do."""
        return NotOwner(f"{self.against}, so it is only shown here: {self.advice}")


OWNER = Authority()


def judge(path: Path) -> Authority:
    """Tell what this user may do with a database file that is there.

    Raises DatabaseProblem for one that must not be opened: with two names, two write-ahead logs would be
    made for it, and SQLite would wait for ever for a pipe in place of a side file.
    """
    me = os.geteuid()
    real = Path(os.path.realpath(path))
    found = real.stat()
    _refuse_second_names(path, real, found)
    sides = {f"{real}{suffix}": _side_file(f"{real}{suffix}") for suffix in SIDE_FILES}
    owner = user_name(found.st_uid)
    if found.st_uid != me:
        return Authority(f"{path} belongs to {owner}", _ANOTHER_ONE, owner, is_foreign=True)
    if link := foreign_link(path, {me, ROOT}):
        return Authority(link, f"the database itself is {real}", owner)
    if against := distrust(found, {me}, acl=has_acl(real)):
        return Authority(f"{path} may hold what others wrote: {against}", _YOURS_ALONE, owner)
    for name, side in sides.items():
        if side is not None and (against := distrust(side, {me}, acl=has_acl(name))):
            return Authority(f"{name} may hold what others wrote: {against}", _YOURS_ALONE, owner)
    if against := against_spool(Path(f"{absolute(path)}.spool")):
        return Authority(against, _YOURS_ALONE, owner)
    if not _can_write(real):
        return Authority(f"no permission to write {path}", _ANOTHER_ONE, owner)
    if not _can_write(real.parent, os.W_OK | os.X_OK):
        what = f"no permission to write the folder of {path}, where files beside it would be"
        return Authority(what, _ANOTHER_ONE, owner)
    return Authority(owner=owner)


def others_may_add(folder: Path) -> bool:
    """Tell whether other users than root may make files in a folder."""
    return distrust(folder.stat(), {os.geteuid(), ROOT}, acl=has_acl(folder)) is not None


def against_spool(spool: Path) -> str | None:
    """Return what speaks against the folder of records and job scripts beside the database."""
    me = os.geteuid()
    if link := foreign_link(spool, {me, ROOT}):
        return link
    try:
        found = spool.stat()
    except OSError:
        return None  # there is none
    against = distrust(found, {me}, acl=has_acl(spool))
    return f"{spool} may hold what others wrote: {against}" if against else None


def _refuse_second_names(path: Path, real: Path, found: os.stat_result) -> None:
    if found.st_nlink > 1:
        raise DatabaseProblem(
            f"the database {path} has {found.st_nlink} names (hard links), and each would have a write-ahead "
            f"log of its own: remove the others (find FOLDER -samefile {path}), or use a copy"
        )
    if is_mount_point(real):
        raise DatabaseProblem(
            f"the database {path} is mounted by itself, so it has a second name, and each would have a "
            "write-ahead log of its own: mount its folder instead"
        )


def _side_file(name: str) -> os.stat_result | None:
    """Return what is known of a side file, None where there is none."""
    try:
        found = os.lstat(name)
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise DatabaseProblem(f"{name}, beside the database, is not a regular file: remove it")
    if found.st_nlink > 1:
        raise DatabaseProblem(
            f"{name}, beside the database, has {found.st_nlink} names (hard links): remove the others"
        )
    return found


def _can_write(path: Path, mode: int = os.W_OK) -> bool:
    effective = os.access in os.supports_effective_ids
    return os.access(path, mode, effective_ids=effective)
