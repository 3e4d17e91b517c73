"""Options that commands share, in groups: which jobs are meant."""

# not `from __future__ import annotations`: typer would compile each of them
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from asyncjman.cli.complete_ids import complete_ids
from asyncjman.cli.globals import Globals
from asyncjman.cli.groups import Group
from asyncjman.model.status import Status

if TYPE_CHECKING:
    from asyncjman.model.selection import Selection

Statuses = Annotated[
    list[Status] | None,
    typer.Option(
        "--status",
        "-s",
        metavar="STATUS",
        help="Only jobs of this status: failure, waiting, ...; repeatable.",
    ),
]
Causes = Annotated[
    list[str] | None,
    typer.Option(
        "--cause",
        metavar="CAUSES",
        help="Only tasks that failed so: exit, signal, timeout, memory, node, launch, vanished.",
    ),
]
Failure = Annotated[
    str | None,
    typer.Option("--failure", metavar="ID", help="Only tasks that failed so: an id of jman failures."),
]
Where = Annotated[
    list[str] | None, typer.Option(metavar="NAME=VALUE", help="Only tasks with this parameter.")
]
AsJson = Annotated[bool, typer.Option("--json", help="As a JSON array of objects.")]


class Named(Group):
    """The jobs that are meant; all, where none is named."""

    ids: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[JOB]...",
            help="Jobs: 3, 1-4, 10+2 (10, 11, 12), @ (the latest), 'tr*' (names). All, where none is given.",
            autocompletion=complete_ids,
        ),
    ] = None
    job_ids: Annotated[
        list[str] | None,
        typer.Option(
            "--job-ids",
            "-j",
            metavar="IDS",
            help="The same as plain words.",
            autocompletion=complete_ids,
        ),
    ] = None

    def selection(
        self,
        globals_: Globals,
        names: Iterable[str] | None = None,
        statuses: Iterable[Status] | None = None,
        *,
        derived_names: bool = False,
        having: Iterable[Status] = (),
    ) -> "Selection":
        """Return the jobs that are meant; see ``Globals.selection``."""
        return globals_.selection(
            self.ids, self.job_ids, names, statuses, derived_names=derived_names, having=having
        )

    def whole_jobs(self, globals_: Globals, command: str, *, derived_names: bool = False) -> "Selection":
        """Return the jobs that are meant. Raises BadSelection where single tasks are named."""
        from asyncjman.errors import BadSelection

        selection = self.selection(globals_, derived_names=derived_names)
        for word in selection.words:
            if word.tasks:
                raise BadSelection(f"jman {command} takes whole jobs: write {word.target}, not {word}")
        return selection


class Tasks(Group):
    """The tasks of one job."""

    array_ids: Annotated[
        list[str] | None,
        typer.Option(
            "--array-ids", "-a", metavar="IDS", help="Only these tasks of the one job that is named."
        ),
    ] = None

    def ids(self) -> list[int]:
        """Return the tasks. Raises BadSelection for what is no id."""
        from asyncjman.errors import BadSelection
        from asyncjman.model.ids import parse_ids

        ranges = parse_ids(self.array_ids or ())
        if sum(len(one) for one in ranges) > 10_000_000:
            raise BadSelection("--array-ids names more than ten million tasks")
        return sorted({task_id for one in ranges for task_id in one})
