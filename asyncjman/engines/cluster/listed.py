"""What a cluster lists, by launches; whose it is, and whether what is to end is still among it."""

from __future__ import annotations

import os
import pwd
from collections import defaultdict
from collections.abc import Iterable

from asyncjman.engines.base import Target
from asyncjman.engines.cluster.dialect import BEING_DELETED, ENDING, Row
from asyncjman.engines.cluster.numbers import number_of, ranges_of


def user() -> str:
    """Return who the cluster takes this process for: by its uid; su(1) may leave LOGNAME as it was."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def by_token(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Return what the cluster lists of ours, by tokens."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.token is not None:
            found[row.token].append(row)
    return found


def numbers_of(target: Target) -> list[range]:
    """Return the cluster's numbers of what is to end; none: all of it."""
    ids = {one.task_id for one in target.refs}
    known = set(target.tasks)
    return ranges_of(number_of(target.tasks, one) for one in ids if not known or one in known)


def is_there(target: Target, rows: Iterable[Row], *, dying: bool = False) -> bool:
    """Tell whether the cluster still lists any of it that has not ended; ``dying``: also what is about to."""
    wanted = {number for one in numbers_of(target) for number in one}
    for row in rows:
        is_dying = row.engine_state in (BEING_DELETED, ENDING)
        if row.end is not None or (is_dying and not dying):
            continue
        listed = {number for one in row.numbers or (range(1),) for number in one}
        if not target.refs or wanted & listed:
            return True
    return False
