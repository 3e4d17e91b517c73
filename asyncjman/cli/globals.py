"""The options before the command."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from asyncjman.model.selection import Selection
    from asyncjman.model.status import Status


class Globals(NamedTuple):
    """The options before the command."""

    database: Path
    local: bool
    verbose: int

    def selection(
        self,
        ids: Iterable[str] | None = None,
        job_ids: Iterable[str] | None = None,
        names: Iterable[str] | None = None,
        statuses: Iterable[Status] | None = None,
    ) -> Selection:
        """Return the jobs that are meant; with ``--local`` local ones only."""
        from asyncjman.model.selection import Selection, parse_any_ids

        named = parse_any_ids([*(job_ids or ()), *(ids or ())])
        return Selection(
            ids=named.jobs,
            either=named.either,
            grid_ids=named.grid,
            names=tuple(names or ()),
            statuses=frozenset(statuses or ()),
            executor="local" if self.local else None,
        )
