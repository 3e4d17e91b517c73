"""Which jobs a command means: ids and ranges of ids, names, states."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from asyncjman.errors import BadSelection
from asyncjman.model.status import Status

_IDS = r"(?:(job|grid):)?(\d{1,18})(?:([-+])(\d{1,18}))?"


@dataclass(frozen=True, slots=True)
class Selection:
    """The jobs that a command means; what is None or empty doesn't narrow it."""

    ids: tuple[range, ...] = ()
    """Job ids."""
    either: tuple[range, ...] = ()
    """Job ids, or grid ids where there is no such job."""
    grid_ids: tuple[range, ...] = ()
    names: tuple[str, ...] = ()
    statuses: frozenset[Status] = frozenset()
    executor: str | None = None

    @property
    def is_all(self) -> bool:
        return not (self.ids or self.either or self.grid_ids or self.names or self.statuses)


@dataclass(frozen=True, slots=True)
class Ids:
    """Ids as they were written: ``job:7`` and ``grid:7`` say which they are, ``7`` may be either."""

    either: tuple[range, ...] = ()
    jobs: tuple[range, ...] = ()
    grid: tuple[range, ...] = ()


def parse_any_ids(texts: Iterable[str]) -> Ids:
    """Read ids as a user writes them: ``3``, ``1-4``, ``10+2`` (10, 11, 12), commas or spaces between.

    Raises BadSelection for anything else.
    """
    found: dict[str | None, list[range]] = {None: [], "job": [], "grid": []}
    for text in texts:
        for item in text.replace(",", " ").split():
            match = re.fullmatch(_IDS, item, re.ASCII)
            if not match:
                raise BadSelection(f"bad id {item!r}: write 3, 1-4 or 10+2, with commas or spaces between")
            kind, first, sign, second = match.groups()
            last = int(first) if second is None else int(second) + (int(first) if sign == "+" else 0)
            if last < int(first):
                raise BadSelection(f"bad ids {item!r}: the first is greater than the last")
            found[kind].append(range(int(first), last + 1))
        if not text.replace(",", " ").split():
            raise BadSelection("an id is missing: write 3, 1-4 or 10+2")
    return Ids(tuple(found[None]), tuple(found["job"]), tuple(found["grid"]))


def parse_ids(texts: Iterable[str]) -> tuple[range, ...]:
    """Read ids that can be of one kind only, such as those of tasks.

    >>> parse_ids(["1,4-6", "10+2"])
    (range(1, 2), range(4, 7), range(10, 13))

    Raises BadSelection for anything else.
    """
    ids = parse_any_ids(texts)
    if ids.jobs or ids.grid:
        raise BadSelection("job: and grid: go before ids of jobs only")
    return ids.either


def format_ids(ids: Iterable[int]) -> str:
    """Write ids as a user would type them.

    >>> format_ids([7, 1, 2, 3, 9, 10])
    '1-3,7,9,10'
    """
    runs: list[list[int]] = []
    for one in sorted(ids):
        if runs and one == runs[-1][-1] + 1:
            runs[-1].append(one)
        else:
            runs.append([one])
    parts: list[str] = []
    for run in runs:
        parts.extend([f"{run[0]}-{run[-1]}"] if len(run) > 2 else map(str, run))
    return ",".join(parts)
