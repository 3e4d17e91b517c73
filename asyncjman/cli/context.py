"""What all commands share: the global options, and how jobs are named."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from asyncjman.errors import BadSelection, EnvironmentProblem
from asyncjman.model.selection import Selection, parse_ids
from asyncjman.model.status import Status

Ids = Annotated[
    list[str] | None,
    typer.Argument(metavar="[ID]...", help="Jobs: 3, 1-4, 10+2 (10, 11, 12). All, where none is given."),
]
JobIds = Annotated[
    list[str] | None, typer.Option("--job-ids", "-j", metavar="IDS", help="The same as plain IDs.")
]
ArrayIds = Annotated[
    list[str] | None,
    typer.Option("--array-ids", "-a", metavar="IDS", help="Only these tasks of the one job that is named."),
]
Statuses = Annotated[
    list[Status] | None, typer.Option("--status", "-s", help="Only jobs of this status; repeatable.")
]


@dataclass(frozen=True, slots=True)
class Globals:
    """The options before the command."""

    database: Path
    local: bool
    verbose: int

    def require_local(self, command: str) -> None:
        """Raise EnvironmentProblem for what there is no cluster for yet."""
        if not self.local:
            raise EnvironmentProblem(f"no cluster is set up: run it on this machine, jman --local {command}")

    def selection(
        self,
        ids: Iterable[str] | None = None,
        job_ids: Iterable[str] | None = None,
        names: Iterable[str] | None = None,
        statuses: Iterable[Status] | None = None,
    ) -> Selection:
        """Return the jobs that are meant; with ``--local`` local ones only."""
        return Selection(
            ids=parse_ids([*(job_ids or ()), *(ids or ())]),
            names=tuple(names or ()),
            statuses=frozenset(statuses or ()),
            executor="local" if self.local else None,
        )


def task_ids_of(array_ids: list[str] | None, selection: Selection) -> list[int]:
    """Return the tasks named by ``--array-ids``.

    Raises BadSelection where not just one job is named with them.
    """
    if not array_ids:
        return []
    if len(selection.ids) != 1 or len(selection.ids[0]) != 1:
        raise BadSelection("--array-ids goes with one job: jman COMMAND -j 3 -a 1-4")
    ranges = parse_ids(array_ids)
    if sum(len(one) for one in ranges) > 10_000_000:
        raise BadSelection("--array-ids names more than ten million tasks")
    return sorted({task_id for one in ranges for task_id in one})


def say(text: str) -> None:
    """Print a line for a person, to standard error: standard output is for results."""
    print(text, file=sys.stderr)


def say_none(globals_: Globals, selection: Selection, what: str = "jobs") -> None:
    """Say that a selection matches nothing."""
    if selection.is_all:
        kind = "local " if globals_.local else ""
        say(f"no {kind}{what} in {globals_.database}")
    else:
        say(f"no {what} match: jman list shows those that are there")
